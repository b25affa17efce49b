"""Kubernetes operator for image caches of Huawei Cloud CCE Autopilot."""

__version__ = "0.1.0"
