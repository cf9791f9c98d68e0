"""What can go wrong between a program and its gateway."""

from __future__ import annotations

from typing import Optional


class SeawallError(Exception):
    """Anything that goes wrong here. What an upstream answers is not this: the SDK raises that."""


class BinaryMissing(SeawallError):
    """The program `seawall` is not where it was installed."""


class StartError(SeawallError):
    """A gateway did not start."""

    def __init__(self, what: str, exit_code: Optional[int] = None, last_words: str = "") -> None:
        super().__init__(f"{what}\n{last_words}" if last_words else what)
        #: The program's exit code, if it ended: 3 for a configuration that is invalid, 4 for a port or a data directory
        #: that it cannot have. Negative if a signal ended it.
        self.exit_code = exit_code
        #: The last lines that the program wrote.
        self.last_words = last_words


class GatewayDied(SeawallError):
    """A gateway ended while it was in use."""

    def __init__(self, what: str, exit_code: Optional[int] = None, last_words: str = "") -> None:
        super().__init__(f"{what}\n{last_words}" if last_words else what)
        #: The program's exit code. Negative if a signal ended it.
        self.exit_code = exit_code
        #: The last lines that the program wrote.
        self.last_words = last_words
