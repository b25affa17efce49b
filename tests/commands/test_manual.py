"""The page of the commands tells of each flag, and of no others."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from imagecache_operator.cli import main
from imagecache_operator.commands.arguments import COMMANDS, add_commands

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
CHAPTERS = {text.split("\n", 1)[0]: text for text in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
SETTINGS_NAMED = {"--region", "--project-id", "--namespaces", "--lease-namespace", "--lease-name"}


def own_flags(command: str) -> set[str]:
    """The flags of a command, without those of all settings."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_commands(commands, lambda _: None)
    return set(commands.choices[command]._option_string_actions) - {"-h", "--help"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_flag_is_told_in_its_chapter(command: str) -> None:
    """What can be given is told, and what is told can be given."""
    named = set(re.findall(r"--[a-z][a-z-]+", re.sub(r"^.*kubectl.*$", "", CHAPTERS[command], flags=re.MULTILINE)))
    assert own_flags(command) - {"--namespaces"} <= named
    assert named <= own_flags(command) | SETTINGS_NAMED


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_needs_no_settings(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks how to call it is told at once."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"imagecache-operator {command}" in capsys.readouterr().out
