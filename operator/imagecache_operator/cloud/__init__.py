"""Talking to the cloud: the image cache calls of CCE, and IAM."""
