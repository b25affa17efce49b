"""What can go wrong, as one sentence that says what to do."""


class BuildError(Exception):
    """A program cannot be built; the message is for a person."""
