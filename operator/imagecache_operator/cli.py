"""The command line. Wrong settings are one sentence each on stderr, and exit status 2."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from imagecache_operator import __version__
from imagecache_operator.commands.arguments import (
    COMMANDS,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    add_commands,
    run_command,
)
from imagecache_operator.commands.output import OutputError, complain, say
from imagecache_operator.settings import PREFIX, Settings, flag_of, variable_of
from imagecache_operator.settings_loading import SettingsError, load_settings

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    try:
        options = _read(arguments)
        return _started(options.pop("command"), options)
    except OutputError as error:
        if error.told:
            complain(error.told)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _read(arguments: Sequence[str] | None) -> dict[str, Any]:
    try:
        return vars(_parser().parse_args(arguments))
    except SystemExit:
        say("")  # the help, too, may be for somebody who has enough of it
        raise


def _started(command: str, options: dict[str, Any]) -> int:
    match command:
        case "crd":
            from imagecache_operator.crd import crd_yaml

            say(crd_yaml())
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
        description="Run the controller.",
    )
    _add_settings(run)
    commands.add_parser("crd", help="print the CustomResourceDefinition")
    add_commands(commands, _add_settings)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    settings = parser.add_argument_group(
        "settings", f"Each stands for an environment variable, such as {PREFIX}REGION for --region, and wins over it."
    )
    for name, field in Settings.model_fields.items():
        variable = variable_of(name)
        if variable.startswith(PREFIX):
            # Switches need no value: `--allow-http`.
            switch: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation in {bool, bool | None} else {}
            text = (field.description or "").replace("%", "%%")
            settings.add_argument(flag_of(variable), dest=variable, metavar="VALUE", help=text, **switch)


def _run(flags: dict[str, str]) -> int:
    try:
        settings, odd = load_settings(flags)
    except SettingsError as error:
        complain(*error.faults)
        return EXIT_USAGE
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
        complain(str(error))
        return EXIT_USAGE
    except Exception:
        # The interpreter would tell it too, but in lines that no reader of JSON takes for one.
        logger.exception("The operator ends by a fault of its own")
        return EXIT_FAILED
    return 0
