"""A program that behaves like Go as far as a build is concerned, and writes down how it was called."""

import json
import sys
from pathlib import Path

_PROGRAM = f"""#!{sys.executable}
import json, os, pathlib, sys
home = pathlib.Path(__file__).parent
if sys.argv[1] == "env":
    print((home / "version").read_text())
    sys.exit()
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]) + "\\n")
if (home / "broken").exists():
    print("some package\\nmissing go.sum entry", file=sys.stderr)
    sys.exit(1)
if sys.argv[1] == "build":
    out = sys.argv[sys.argv.index("-o") + 1]
    for name in (home / "makes").read_text().split():
        program = pathlib.Path(out, name)
        program.write_text(name)
        program.chmod(0o755)
"""


class FakeGo:
    """A Go command in a folder of its own."""

    def __init__(self, folder: Path, version: str, *makes: str) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.command = folder / "go"
        self.command.write_text(_PROGRAM)
        self.command.chmod(0o755)
        (folder / "version").write_text(version)
        (folder / "makes").write_text(" ".join(makes))

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str], str]]:
        """Read how it was called: arguments, environment, folder."""
        file = self.folder / "calls"
        return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
