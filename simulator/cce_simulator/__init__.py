"""A stand-in for the image-cache part of the CCE API, written from cce-api.md alone."""
