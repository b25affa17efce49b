"""The samples: accepted as they are, one per use, and each does what its comment says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from imagecache_operator.spec import ImageCacheSpec
from imagecache_playground.cluster import Cluster

SAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "samples"
USES = {
    "bind-by-id": {"imageCacheID"},
    "bind-by-name": {"name", "region", "projectID"},
    "retain": {"name", "deletionPolicy"},
    "observe": {"name", "managementPolicy"},
    "create": {"images", "sizeGiB", "retentionDays", "build"},
    "create-and-replace": {"images", "retentionDays", "recreateOn"},
    "create-from-private-registry": {"images", "build"},
    "create-with-own-credentials": {"images", "credentialsSecretRef"},
    "adopt": {"name", "images", "sizeGiB", "adoptionPolicy"},
}
KEEPS = {"retain", "observe"}


def test_each_use_has_a_sample() -> None:
    """No file without a use, no use without a file."""
    assert {path.stem for path in SAMPLES.glob("*.yaml")} == USES.keys()


@pytest.mark.parametrize("use", USES)
def test_a_sample_is_accepted(cluster: Cluster, use: str) -> None:
    """The API server takes it as it is."""
    said = cluster.kubectl("apply", "--dry-run=server", "-f", str(SAMPLES / f"{use}.yaml"))
    assert all(line.endswith("created (server dry run)") for line in said.splitlines())


@pytest.mark.parametrize("use", USES)
def test_a_sample_does_what_it_says(use: str) -> None:
    """It has a comment, the fields of its use, and keeps its cache when it says so."""
    text = (SAMPLES / f"{use}.yaml").read_text(encoding="utf-8")
    (document,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "ImageCache")
    assert text.startswith("# ")
    assert document["spec"].keys() == USES[use]
    assert ImageCacheSpec.model_validate(document["spec"]).retain is (use in KEEPS)
