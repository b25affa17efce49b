"""The crash matrix: the operator is killed at every point where it awaits something, in every weather of the cloud."""
