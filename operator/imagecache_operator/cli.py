"""The command line. Wrong settings are one sentence each on stderr, and exit status 2."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from imagecache_operator import __version__
from imagecache_operator.commands.arguments import COMMANDS, add_commands, run_command
from imagecache_operator.settings import PREFIX, Settings, flag_of, variable_of
from imagecache_operator.settings_loading import SettingsError, load_settings

EXIT_FAULT, EXIT_USAGE = 1, 2

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = vars(_parser().parse_args(arguments))
    match options.pop("command"):
        case "crd":
            from imagecache_operator.crd import crd_yaml

            try:
                sys.stdout.write(crd_yaml())
                sys.stdout.flush()
            except BrokenPipeError:
                # Whoever reads has enough, such as `head`; the interpreter must not write again at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case name if name in COMMANDS:
            return run_command(name, options)
        case _:
            return _run({name: text for name, text in options.items() if text is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imagecache-operator", description="Huawei Cloud CCE image caches as objects."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run the controller",
        description="Run the controller. Each flag stands for an environment variable and wins over it.",
    )
    _add_settings(run)
    commands.add_parser("crd", help="print the CustomResourceDefinition")
    add_commands(commands, _add_settings)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    for name, field in Settings.model_fields.items():
        variable = variable_of(name)
        if variable.startswith(PREFIX):
            # Switches need no value: `--allow-http`.
            switch: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation in {bool, bool | None} else {}
            text = (field.description or "").replace("%", "%%")
            parser.add_argument(flag_of(variable), dest=variable, metavar="VALUE", help=text, **switch)


def _run(flags: dict[str, str]) -> int:
    try:
        settings, odd = load_settings(flags)
    except SettingsError as error:
        return _complain(error.faults, EXIT_USAGE)
    # Imported here, because it takes most of a second and `--help` and wrong settings need none of it.
    from imagecache_operator.http_server import AddressTakenError
    from imagecache_operator.kubernetes_config import KubernetesConfigError
    from imagecache_operator.logs import set_up_logging
    from imagecache_operator.run import run

    set_up_logging(as_json=settings.log_json, level=settings.log_level)
    for sentence in odd:
        logger.warning("%s", sentence)
    try:
        asyncio.run(run(settings))
    except (KubernetesConfigError, AddressTakenError) as error:
        return _complain([str(error)], EXIT_USAGE)
    except KeyboardInterrupt:
        return 130
    except Exception:
        # The interpreter would tell it too, but in lines that no reader of JSON takes for one.
        logger.exception("The operator ends by a fault of its own")
        return EXIT_FAULT
    return 0


def _complain(sentences: Sequence[str], status: int) -> int:
    # What cannot be said, because the disk is full, must keep nothing from its work.
    with contextlib.suppress(OSError):
        for sentence in sentences:
            sys.stderr.write(f"imagecache-operator: {sentence}\n")
    return status
