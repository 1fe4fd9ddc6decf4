"""The time a request has left: one absolute moment, from which every wait spends."""

from __future__ import annotations

from time import monotonic

from server.errors import DeadlineExceeded


class Deadline:
    """A moment on the monotonic clock; may be read from any thread."""

    __slots__ = ("at_s",)

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment `seconds` from now."""
        return cls(monotonic() + seconds)

    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at_s - monotonic())

    @property
    def expired(self) -> bool:
        """True from the moment on."""
        return monotonic() >= self.at_s

    def check(self) -> None:
        """Raises DeadlineExceeded when the time is over."""
        if self.expired:
            raise DeadlineExceeded()
