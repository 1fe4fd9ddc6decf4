"""Answers that are given again while the database is in the very state they were made from.

PostgreSQL names what a statement can see: pg_current_snapshot() lists which transactions are over and which
are not. Two statements of the same name see the same rows, so an answer made under a name is right under it,
whoever wrote in the meantime and from wherever: any write, also of another worker, changes the name. Asking
for the name costs a fraction of making the answer. Nothing is kept by time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

ANSWERS = 1_000
# Of a body: all of them stay below 32 MiB. Their keys come on top; whoever makes them bounds those.
MAX_BYTES = 32 * 2**10


class Answer(NamedTuple):
    """The bytes of an answer, the name of the state it was made from, and the taxonomies that named its values."""

    body: bytes
    snapshot: str
    edition: tuple[object, ...]
    # Whether the caller ever voted, so that others may see something else.
    has_voted: bool


class AnswerCache:
    """The answers used last."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()

    def get(self, key: Hashable) -> Answer | None:
        """What was kept last, current or not."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def keep(self, key: Hashable, answer: Answer) -> None:
        """In place of the one before, unless it is long."""
        if len(answer.body) > MAX_BYTES:
            self._answers.pop(key, None)
            return
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)
