"""A real Kubernetes control plane on one machine: find or build its programs, run them, leave nothing behind."""

from imagecache_controlplane.errors import ApiError, ControlPlaneError
from imagecache_controlplane.plane import ControlPlane
from imagecache_controlplane.programs import Programs, find_programs, kubectl_path

__all__ = ["ApiError", "ControlPlane", "ControlPlaneError", "Programs", "find_programs", "kubectl_path"]
