"""Argo CD's and Flux's own judgement of objects, by the programs that have their code in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from imagecache_playground.processes import bare_environment, output_of

REPOSITORY = Path(__file__).resolve().parents[2]
GITOPS = REPOSITORY / "deploy" / "gitops"

Object = dict[str, Any]


class EngineError(RuntimeError):
    """The program said no; the text is what it said."""


def ask(program: Path, *arguments: str | Path, documents: Iterable[Any]) -> list[Any]:
    """One answer for each document."""
    stdin = "---\n".join(json.dumps(document) + "\n" for document in documents)
    command = [str(program), *map(str, arguments)]
    answers = output_of(command, bare_environment(), EngineError, stdin=stdin).splitlines()
    return [json.loads(answer) for answer in answers]


class Argo:
    """Argo CD with our settings in its argocd-cm."""

    def __init__(self, program: Path, config_map: Path) -> None:
        self._program = program
        self._config_map = config_map

    def health(self, *objects: Object) -> list[dict[str, str]]:
        """What it shows: status and message."""
        return ask(self._program, "health", self._config_map, documents=objects)

    def actions(self, it: Object) -> dict[str, bool]:
        """The actions that it offers, and whether each can be used now."""
        (offered,) = ask(self._program, "actions", self._config_map, documents=[it])
        return {action["name"]: not action.get("disabled", False) for action in offered}

    def run(self, it: Object, action: str) -> Object:
        """The object after an action."""
        ((impacted,),) = ask(self._program, "run", self._config_map, action, documents=[it])
        assert impacted["operation"] == "patch"
        changed: Object = impacted["resource"]
        return changed

    def in_sync(self, it: Object, manifest: Path) -> bool:
        """Whether the object in the cluster is what the manifest says."""
        (answer,) = ask(self._program, "diff", self._config_map, manifest, documents=[it])
        return bool(answer["inSync"])

    def application(self, manifest: Path) -> Object:
        """An Application as Argo CD reads it; a field that there is not is an error."""
        (read,) = ask(self._program, "application", documents=[yaml.safe_load(manifest.read_text(encoding="utf-8"))])
        return dict(read)


class Flux:
    """Flux, without and with the expressions of our Kustomization."""

    def __init__(self, program: Path, kustomization: Path) -> None:
        self._program = program
        self._kustomization = kustomization

    def by_conditions(self, *objects: Object) -> list[str]:
        """What it takes objects for that no expression is given for (kstatus)."""
        return [answer["status"] for answer in ask(self._program, "kstatus", documents=objects)]

    def by_expressions(self, *objects: Object) -> list[str]:
        """What it takes objects for by the expressions."""
        return [answer["status"] for answer in ask(self._program, "cel", self._kustomization, documents=objects)]

    def kustomization(self, manifest: Path) -> Object:
        """A Kustomization as Flux reads it; a field that there is not is an error."""
        (read,) = ask(self._program, "kustomization", documents=[yaml.safe_load(manifest.read_text(encoding="utf-8"))])
        return dict(read)
