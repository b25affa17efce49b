"""Programs that tests need and that are written in Go: found in the cache, or built once from pinned modules."""

from imagecache_gotools.building import find_tool, find_tools
from imagecache_gotools.catalogue import TOOLS
from imagecache_gotools.errors import BuildError

__all__ = ["TOOLS", "BuildError", "find_tool", "find_tools"]
