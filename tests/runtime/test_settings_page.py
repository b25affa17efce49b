"""The page of settings: nothing is missing from it, nothing is in it that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imagecache_operator.cloud.credentials_keys import CHECKS
from imagecache_operator.cloud.endpoints import HUAWEI_DOMAINS
from imagecache_operator.settings import PREFIX, Settings, flag_of, variable_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
NAMES = tuple(Settings.model_fields)
ROWS = {
    variable: (flag, default)
    for variable, flag, default in re.findall(r"^\| `([A-Z_*]+)` \|(?: `([^`]+)`)? \| ([^|]+) \|", PAGE, re.MULTILINE)
}

TOLD_IN_WORDS = {
    "IMAGECACHE_CCE_ENDPOINT": "Huawei Cloud's",
    "IMAGECACHE_IAM_ENDPOINT": "Huawei Cloud's",
    "IMAGECACHE_STS_ENDPOINT": "Huawei Cloud's",
    "IMAGECACHE_ALLOWED_ENDPOINTS": f"`{','.join(HUAWEI_DOMAINS)}`",
    "IMAGECACHE_NAMESPACES": "`*`",
    "IMAGECACHE_OWN_CREDENTIALS_NAMESPACES": "`*`",
    "IMAGECACHE_LOG_FORMAT": "`json` in a pod, else `text`",
    "IMAGECACHE_LEADER_ELECTION": "`true` in a pod, else `false`",
}
"""Where None stands for something that holds in its stead."""


def _default(name: str) -> str:
    """The default of a field as the page has it."""
    value = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})
    match value:
        case None | () | {}:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
        case (str(host), int(port)):
            return f"`{host}:{port}`"
        case _:
            return f"`{value}`"


def test_every_setting_has_a_row_and_no_other() -> None:
    """One row per variable of the settings."""
    assert ROWS.keys() == {variable_of(name) for name in NAMES}


def test_no_other_variable_of_ours_is_named() -> None:
    """A name that the program does not know would be set in vain."""
    assert set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", PAGE)) - ROWS.keys() == set()


@pytest.mark.parametrize("name", NAMES)
def test_flag_and_default_are_right(name: str) -> None:
    """Variables of ours have a flag; the default is the one of the code."""
    variable = variable_of(name)
    flag = flag_of(variable) if variable.startswith(PREFIX) else ""
    assert ROWS[variable] == (flag, TOLD_IN_WORDS.get(variable, _default(name)))


def test_the_keys_of_the_directory_are_told_and_no_other() -> None:
    """Each file that is read has its place in the table of keys."""
    section = PAGE.partition("## Keys of the credentials directory")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(CHECKS)
