"""What the commands take on the command line, and how each is called."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from imagecache_operator.commands.output import complain
from imagecache_operator.settings import PREFIX, Settings, flag_of, variable_of
from imagecache_operator.settings_loading import SettingsError, load_settings
from imagecache_operator.settings_values import read_object_name, read_own_namespace

COMMANDS = frozenset({"doctor", "list", "release"})

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
_OF_RELEASE = ("namespaces", "lease_namespace", "lease_name")
"""The settings that matter to `release`, which never talks to the cloud."""

Options = Mapping[str, Any]


class CommandError(Exception):
    """The command cannot do what it was asked for; one sentence says why and what to do."""

    status = EXIT_FAILED


class UsageError(CommandError):
    """The command line contradicts itself."""

    status = EXIT_USAGE


def add_commands(commands: Any, add_settings: Callable[[argparse.ArgumentParser], None]) -> None:
    """Tell argparse of them.

    Args:
        commands: what `add_subparsers` returned.
        add_settings: adds the flags of all settings.
    """

    def add(name: str, text: str, more: str) -> argparse.ArgumentParser:
        # Without abbreviations: `--namespace` must not be taken for `--namespaces`, nor `--delete` for another.
        added: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}", allow_abbrev=False
        )
        return added

    doctor = add(
        "doctor",
        "check settings, API server and cloud, and say how to mend what is wrong",
        "Exit status 0 when nothing has failed, else 1; 2 for wrong settings.",
    )
    doctor.add_argument(
        "--delete", action="store_true", help="check the permission to delete, too, with an id that cannot exist"
    )
    doctor.add_argument("--output", choices=("text", "json"), default="text", help="form of the report")
    add_settings(doctor)

    listing = add(
        "list",
        "list the caches of an account, and which object holds each",
        "With --manifests: ImageCaches that bind those that nobody holds, to be piped into kubectl apply -f -",
    )
    listing.add_argument("--output", choices=("table", "json"), default="table", help="form of the list")
    listing.add_argument("--manifests", action="store_true", help="print manifests instead of the list")
    listing.add_argument("--deletion-policy", choices=("Retain", "Delete"), help="of the manifests; Retain when absent")
    listing.add_argument(
        "--namespace",
        metavar="NAMESPACE",
        type=_read_by(read_own_namespace),
        help="of the manifests (`default` when absent), and of the Secret",
    )
    listing.add_argument(
        "--secret",
        metavar="NAME",
        type=_read_by(read_object_name),
        help="list with the credentials of this Secret in the namespace",
    )
    add_settings(listing)

    release = add(
        "release",
        "let go of objects: take the operator's finalizer off, and leave the cloud alone",
        "Prints what stays in the cloud, and records it in the ConfigMap imagecache-retained.",
    )
    release.add_argument("objects", nargs="*", metavar="NAMESPACE/NAME", help="the objects")
    release.add_argument("--all", action="store_true", help="all objects of the namespaces that are served")
    release.add_argument(
        "--check", action="store_true", help="only list those with our finalizer; exit status 1 if any"
    )
    release.add_argument("--force", action="store_true", help="also while an operator runs, or may run")
    release.add_argument(
        "--scale-down",
        metavar="DEPLOYMENT",
        type=_read_by(read_object_name),
        help="first stop this Deployment of the operator",
    )
    release.add_argument(
        "--ledger-namespace",
        metavar="NAMESPACE",
        type=_read_by(read_own_namespace),
        help="of the ledger; else the operator's own",
    )
    for name in _OF_RELEASE:
        variable = variable_of(name)
        text = Settings.model_fields[name].description
        release.add_argument(flag_of(variable), dest=variable, metavar="VALUE", help=text)


def _read_by(read: Callable[[str], str]) -> Callable[[str], str]:
    """For argparse, which shows the sentence of its own kind of error alone."""

    def parse(text: str) -> str:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def run_command(name: str, options: Options) -> int:
    """Run one of them; returns the exit status."""
    flags = {key: text for key, text in options.items() if key.startswith(PREFIX) and text is not None}
    try:
        # A Secret that is listed with brings all the credentials that are needed.
        settings, odd = load_settings(flags, without_credentials=name == "release" or bool(options.get("secret")))
        return asyncio.run(_started(name, options, flags, settings, odd))
    except SettingsError as error:
        complain(*error.faults)
        return EXIT_USAGE
    except CommandError as error:
        complain(str(error))
        return error.status


async def _started(name: str, options: Options, flags: Mapping[str, str], settings: Settings, odd: list[str]) -> int:
    # Imported here, because it takes most of a second and `--help` and wrong settings need none of it.
    match name:
        case "doctor":
            from imagecache_operator.commands.doctor import doctor

            return await doctor(settings, odd, try_delete=options["delete"], as_json=options["output"] == "json")
        case "list":
            from imagecache_operator.commands.listing import Wish, list_caches

            complain(*odd)
            return await list_caches(settings, Wish.of(options, flags))
        case _:
            from imagecache_operator.commands.release import Order, release

            complain(*odd)
            return await release(settings, Order.of(options))
