"""The names by which Kubernetes and its users know us (interface: fixed)."""

GROUP = "cce.huaweicloud.com"
VERSION = "v1alpha1"
KIND = "ImageCache"
PLURAL = "imagecaches"
FINALIZER = f"{GROUP}/imagecache"
RECONCILE_ANNOTATION = f"{GROUP}/reconcile-requested-at"
RECREATE_ANNOTATION = f"{GROUP}/recreate-requested-at"

SECRET_TYPE = f"{GROUP}/credentials"
"""Type of the Secrets with credentials; no other is read."""
