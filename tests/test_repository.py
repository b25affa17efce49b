"""The repository as a whole: nothing hides the standard library, and the documents lead somewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE_ROOTS = (
    "operator",
    "simulator",
    "gotools",
    "controlplane",
    "playground",
    "benchmarks",
    "chaos",
    "image",
    "tests",
)
MADE_HERE = {".venv", ".git", "build", "dist", "node_modules", "__pycache__"}
"""Folders whose content is not the repository's."""

SUFFIXES = (".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".mod", ".sum")
"""What ends so in a document, and is set as code, is the name of a file."""

NO_FILES_OF_OURS = {"scenario.json", "web.yaml", "aiohttp/client.py"}
"""Named in examples, or belonging to others."""


RUN = {"README.md", "deploy/helm/imagecache-operator/README.md", "simulator/README.md"} | {
    f"docs/{name}.md"
    for name in ("commands", "credentials", "gitops", "imagecache", "installation", "monitoring", "operations")
}
"""Pages whose commands tests read from them and run: in tests/deploy, and that of the simulator beside its own."""

NOT_RUN = {
    "docs/release.md": "asks GitHub and its registry for what a release has put there",
    "docs/settings.md": "starts a program that runs until it is ended; the tests of settings and commands do",
    "CONTRIBUTING.md": "how this very test is run",
    "controlplane/README.md": "for developers; tests/controlplane starts the same",
    "gotools/README.md": "for developers; tests/gotools and tests/gitops start the same",
}
"""The other pages with commands, and why."""


def _files(pattern: str) -> Iterator[Path]:
    for path in sorted(ROOT.rglob(pattern)):
        inside = path.relative_to(ROOT).parts
        if MADE_HERE.isdisjoint(inside) and not any(part.startswith(".") for part in inside[:-1]):
            yield path


@cache
def _names() -> set[str]:
    """Every file and folder of the repository, by each tail of its path."""
    found = set()
    for path in _files("*"):
        parts = path.relative_to(ROOT).parts
        found |= {"/".join(parts[start:]) for start in range(len(parts))}
    hidden = {path.relative_to(ROOT).as_posix() for name in (".ci", ".github") for path in (ROOT / name).rglob("*")}
    return found | {path.name for path in ROOT.iterdir()} | hidden


DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in _files("*.md")]


def _read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def _without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(text: str) -> set[str]:
    """How GitHub names the headings."""
    headings = re.findall(r"^#+ (.+)$", _without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_operator_is_a_source_root_and_no_package() -> None:
    """A Python file right in operator/ would hide the standard library's `operator`, and no Python would start."""
    assert list((ROOT / "operator").glob("*.py")) == []


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("operator/__init__.py", True),
        ("operator/helper.py", True),
        ("operator/imagecache_operator/__init__.py", False),
        ("simulator/cce_simulator/operator/__init__.py", False),
    ],
)
def test_the_hook_refuses_such_a_file(path: str, refused: bool) -> None:
    """Before the commit, where hooks are used."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}
    hook = hooks["operator-is-no-package"]
    assert hook["language"] == "fail"
    assert bool(re.search(hook["files"], path)) is refused


def test_hooks_bring_nothing_of_their_own() -> None:
    """All hooks are local, and run what make lint runs."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    programs = {
        program
        for hook in config["repos"][0]["hooks"]
        if hook["language"] == "system"
        for program in re.findall(r"\.venv/bin/([\w-]+)", hook["entry"])
    }
    assert programs == {"ruff", "mypy", "imagecache-operator"}
    assert {program for program in programs if f"$(BIN)/{program}" not in makefile} == set()


def test_no_module_takes_a_name_of_the_standard_library() -> None:
    """A program that is started from the folder of such a module would import it instead."""
    taken = {
        path.relative_to(ROOT).as_posix()
        for root in SOURCE_ROOTS
        for path in _files(f"{root}/**/*.py")
        if path.stem in sys.stdlib_module_names
    }
    assert taken == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Each relative link is there, and so is the heading that it names."""
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _without_blocks(_read(document))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        if not target.exists() or (anchor and anchor not in _anchors(target.read_text(encoding="utf-8"))):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_are_there(document: str) -> None:
    """What looks like a file or folder of ours, and is set as code, exists."""
    lost = []
    for name in re.findall(r"`([^`\s*{}$<>:|=\"']+)`", _without_blocks(_read(document))):
        first, slash, _ = name.partition("/")
        ours = first not in MADE_HERE and (name.endswith(SUFFIXES) or (slash and first and (ROOT / first).is_dir()))
        tail = name.removeprefix("./").rstrip("/")
        if ours and tail not in _names() | NO_FILES_OF_OURS:
            lost.append(name)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_that_are_named_are_there(document: str) -> None:
    """Each `make target`, as code or in a block of commands, has a rule."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^(?:\$ )?)make(?: [A-Z_]+=\S+)* ([a-z-]+)", _read(document), re.MULTILINE))
    assert named - targets == set()


def test_every_target_has_a_line_of_help() -> None:
    """What can be called is told by make help, and has a rule."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(phony.split()) - set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)) == set()


def test_every_module_has_its_place_in_the_architecture() -> None:
    """The page names each module of the operator, so that a rule can be found."""
    page = _read("docs/architecture.md")
    package = ROOT / "operator" / "imagecache_operator"
    modules = [path.relative_to(package) for path in package.rglob("*.py") if path.name != "__init__.py"]
    names = {".".join(module.with_suffix("").parts) for module in modules}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_every_dependency_says_why_it_is_there() -> None:
    """One line for each name of pyproject.toml, and none for others."""
    page = _read("docs/dependencies.md")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (runtime,) = re.findall(r"^dependencies = \[\n(.+?)^\]", project, re.MULTILINE | re.DOTALL)
    (dev,) = re.findall(r"^dev = \[\n(.+?)^\]", project, re.MULTILINE | re.DOTALL)
    wanted = re.findall(r'^  "([\w-]+)', runtime + dev, re.MULTILINE)
    assert re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE) == wanted


@pytest.mark.parametrize("document", DOCUMENTS)
def test_lines_are_short(document: str) -> None:
    """At most 120 characters, but in tables and for what cannot be broken."""
    long = [
        number
        for number, line in enumerate(_read(document).splitlines(), 1)
        if len(line) > 120 and not line.startswith("|") and " " in line.strip()
    ]
    assert long == []


def test_no_page_with_commands_is_forgotten() -> None:
    """What is typed at a shell is run by a test, or its page is named with the reason why it is not."""
    shell = re.compile(r"^ *```(console|sh)$", re.MULTILINE)
    typed = {path.relative_to(ROOT).as_posix() for path in _files("*.md") if shell.search(path.read_text("utf-8"))}
    assert typed == RUN | NOT_RUN.keys()
