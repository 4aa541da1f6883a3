"""Errors that a user can act on: one sentence, no traceback, exit code 2."""


class UsageError(Exception):
    """Input that cannot be used; the message is one sentence that says what to do.

    Attributes:
        details: a table or the like, printed above the sentence.
    """

    def __init__(self, message: str, *, details: str = "") -> None:
        super().__init__(message)
        self.details = details
