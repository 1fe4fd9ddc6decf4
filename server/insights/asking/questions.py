"""Questions: lists of open insights, those of one product, and how many there are of each tag (contract 1.2.1-1.2.4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from server.insights.asking import question_pages
from server.insights.asking.answer_cache import Answer, AnswerCache
from server.insights.asking.looks import Looks
from server.insights.asking.question_pages import Asked, Sizes
from server.insights.asking.question_values import PRIORITIES, QuestionValues
from server.insights.schema import Question

if TYPE_CHECKING:
    from server.deadline import Deadline
    from server.insights.reader import Reader
    from server.insights.selection import Selection
    from server.settings import InsightOptions

FOUND, NONE = "found", "no_questions"
# Selections whose sizes are remembered; they only choose the way, so old ones do no harm.
REMEMBERED = 10_000
# Nothing is remembered of a request that takes more than this as JSON, so that strangers cannot fill the memory.
MAX_KEY_BYTES = 2_000

_encode = msgspec.json.Encoder().encode


class QuestionList(msgspec.Struct, frozen=True):
    """Status is "found" or "no_questions"."""

    count: int
    questions: list[Question]
    status: str


class ProductQuestions(msgspec.Struct, frozen=True):
    """The same for one product, without a count."""

    questions: list[Question]
    status: str


class Unanswered(msgspec.Struct, frozen=True):
    """Pairs of a tag and how many insights wait with it; `count` is of insights."""

    count: int
    questions: msgspec.Raw
    status: str


class Questions:
    """Asks the database once for an answer, twice where a selection is new to this process.

    Once more where a page that was behind the end is so no longer.
    """

    def __init__(self, reader: Reader, values: QuestionValues, options: InsightOptions) -> None:
        self._reader = reader
        self._values = values
        self.options = options
        self._answers = AnswerCache()
        self._looks = Looks(reader)
        self._sizes: OrderedDict[tuple[Selection, str], Sizes] = OrderedDict()

    async def page(self, asked: Asked, language: str, deadline: Deadline) -> bytes:
        """A page of questions and how many there are in all: a `QuestionList` as JSON."""
        if asked.selection.types == ():
            return _encode(QuestionList(0, [], NONE))
        key = (*asked._replace(selection=question_pages.anonymous(asked.selection)), language)
        kept = self._answers.get(key)
        if kept is not None and await self._is_current(kept, asked.selection, deadline):
            return kept.body
        answer = await self._page(asked, language, deadline)
        if asked.order != "random" and not answer.has_voted and _is_short(key):
            self._answers.keep(key, answer)
        return answer.body

    async def _is_current(self, kept: Answer, selection: Selection, deadline: Deadline) -> bool:
        """Whether the database is in the very state it was in, and the caller sees what everybody sees."""
        if kept.edition != self._values.edition:
            return False
        if selection.voter is None:
            raise AssertionError("somebody asks")
        look = await self._looks.look(selection.voter, deadline)
        return look.snapshot == kept.snapshot and not look.has_voted

    async def _page(self, asked: Asked, language: str, deadline: Deadline) -> Answer:
        edition = self._values.edition
        rows = await self._rows(asked, deadline)
        count = rows[0]["n"]
        if self.options.count_cap:
            count = min(count, self.options.count_cap)
        questions = self._values.questions([row for row in rows if row["id"] is not None], language)
        body = _encode(QuestionList(count, questions, FOUND if questions else NONE))
        return Answer(body, rows[0]["snapshot"], edition, rows[0]["has_voted"])

    async def _rows(self, asked: Asked, deadline: Deadline) -> list[Any]:
        """Those of `queries_questions.PAGE`, one at least."""
        sizes = await self._sizes_of(asked, deadline)
        if 0 < asked.skipped >= sizes.fitting:
            # Nothing needs sorting to learn that nothing is there, unless that has changed.
            sql, arguments = question_pages.count_alone(asked.selection)
            rows = await self._reader.fetch(sql, arguments, deadline)
            sizes = self._remember(asked, sizes, rows[0]["n"])
            if asked.skipped >= sizes.fitting:
                return rows
        sql, arguments = question_pages.page(asked, sizes)
        rows = await self._reader.fetch(sql, arguments, deadline)
        self._remember(asked, sizes, rows[0]["n"])
        return rows

    async def of_product(
        self, selection: Selection, limit: int, language: str, deadline: Deadline
    ) -> ProductQuestions:
        """The questions with the most votes, categories first, then labels, then brands."""
        if selection.types == ():
            return ProductQuestions([], NONE)
        sql, arguments = question_pages.of_product(selection, limit)
        rows: list[Mapping[str, Any]] = list(await self._reader.fetch(sql, arguments, deadline))
        rows.sort(key=lambda row: PRIORITIES.get(row["type"], len(PRIORITIES)))
        questions = self._values.questions(rows, language)
        return ProductQuestions(questions, FOUND if questions else NONE)

    async def unanswered(
        self, selection: Selection, limit: int, skipped: int, deadline: Deadline
    ) -> Unanswered:
        """The tags with the most open insights."""
        sql, arguments = question_pages.unanswered(selection, limit, skipped)
        [row] = await self._reader.fetch(sql, arguments, deadline)
        status = NONE if row["rows"] == "[]" else FOUND
        return Unanswered(row["n"], msgspec.Raw(row["rows"].encode()), status)

    async def _sizes_of(self, asked: Asked, deadline: Deadline) -> Sizes:
        known = self._sizes.get(_key(asked))
        if known is not None:
            return known
        sql, arguments = question_pages.sizes(asked)
        [row] = await self._reader.fetch(sql, arguments, deadline)
        return Sizes(row["fitting"], row["passed"])

    def _remember(self, asked: Asked, known: Sizes, count: int) -> Sizes:
        key, sizes = _key(asked), Sizes(count, max(known.passed, count))
        if _is_short(key):
            self._sizes[key] = sizes
            self._sizes.move_to_end(key)
            if len(self._sizes) > REMEMBERED:
                self._sizes.popitem(last=False)
        return sizes


def _key(asked: Asked) -> tuple[Selection, str]:
    return question_pages.anonymous(asked.selection), asked.order


def _is_short(key: object) -> bool:
    return len(_encode(key)) <= MAX_KEY_BYTES
