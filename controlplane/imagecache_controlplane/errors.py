"""What can go wrong, each as one sentence that says what to do."""


class ControlPlaneError(Exception):
    """The control plane cannot be found, started or asked; the message is for a person."""


class ApiError(ControlPlaneError):
    """The API server answered, and the answer is a refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the API server answered {status}: {message}")
        self.status = status


class NotAvailableError(ControlPlaneError):
    """One source cannot give the programs; the message is the reason, and the next source is asked."""
