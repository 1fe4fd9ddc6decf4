"""Which insights a request is about: its filters as one value, and as the WHERE of a statement (contract 1.2.2-1.2.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, overload

import msgspec

from server.insights.parameters import MAX_ITEMS

if TYPE_CHECKING:
    from server.insights.parameters import Parameters
    from server.insights.voter import Voter

BY_DEVICE = "SELECT v.insight_id FROM annotation_vote AS v WHERE v.device_id = {}"
BY_USER = "SELECT v.insight_id FROM annotation_vote AS v WHERE v.username = {}"


class Conditions:
    """The texts of a WHERE with the values of their placeholders; the texts are ours, never a client's."""

    def __init__(self, arguments: Iterable[object] = ()) -> None:
        self.arguments: list[object] = list(arguments)
        self._texts: list[str] = []

    def add(self, text: str, *values: object) -> None:
        """One condition; each `{}` in it becomes the place of the next value."""
        self._texts.append(text.format(*(self.place(value) for value in values)))

    def place(self, value: object) -> str:
        """The placeholder of one more value."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    @property
    def sql(self) -> str:
        """All of them joined by AND."""
        return " AND ".join(self._texts) or "true"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of questions and insights; None does not filter, and a list of types without a type finds nothing.

    Lists hold each value once.
    """

    server_type: str = "off"
    types: tuple[str, ...] | None = None
    barcode: str | None = None
    value_tag: str | None = None
    # Any of these.
    brands: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    lc: tuple[str, ...] | None = None
    # All of these.
    campaigns: tuple[str, ...] | None = None
    predictor: str | None = None
    with_image: bool | None = None
    # False: not those whose barcode a shop has made.
    reserved: bool = True
    annotated: bool | None = None
    annotation: int | None = None
    # True: only what may be asked, that is neither annotated nor applied automatically.
    is_open: bool = False
    # Not what this voter voted on.
    voter: Voter | None = None

    @classmethod
    def of_questions(
        cls, parameters: Parameters, server_type: str, types: Iterable[str] | None, voter: Voter
    ) -> Selection:
        """The open insights that /questions is asked for; the types are the caller's choice."""
        return cls(
            server_type=server_type,
            types=distinct(types),
            value_tag=parameters.text("value_tag"),
            brands=distinct(parameters.texts("brands", MAX_ITEMS)),
            countries=distinct(parameters.countries()),
            campaigns=distinct(parameters.campaigns()),
            predictor=parameters.text("predictor"),
            with_image=parameters.boolean("with_image"),
            reserved=parameters.boolean("reserved_barcode") or False,
            is_open=True,
            voter=voter,
        )

    def where(
        self, *, first: Iterable[object] = (), walking: Collection[str] | None = None
    ) -> tuple[str, list[object]]:
        """The condition on rows of product_insight and its arguments.

        `first` are the arguments of placeholders that stand before it in the statement. `walking` names the
        columns of an index that is to be walked in its order: no other is then compared in a way that an
        index could serve, so that the planner does not collect and sort rows instead.
        """
        found = Conditions(first)
        found.add("server_type = {}", self.server_type)
        if self.is_open:
            found.add("is_open")

        def compare(column: str, text: str, value: object) -> None:
            is_plain = walking is None or column in walking
            found.add(text if is_plain else f"({text}) IS TRUE", value)

        if self.types is not None:
            if len(self.types) == 1:
                compare("type", "type = {}", self.types[0])
            else:
                compare("type", "type = ANY({}::text[])", self.types)
        for column in ("barcode", "value_tag", "predictor", "annotation"):
            value = getattr(self, column)
            if value is not None:
                compare(column, f"{column} = {{}}", value)
        for column, operator, values in (
            ("brands", "&&", self.brands),
            ("countries", "&&", self.countries),
            ("lc", "&&", self.lc),
            ("campaign", "@>", self.campaigns),
        ):
            if values is not None:
                compare(column, f"{column} {operator} {{}}::text[]", values)
        if self.campaigns and walking is None:
            # It says nothing new, but the index holds only insights that have any.
            found.add("campaign <> '{{}}'")
        self._flags(found)
        if self.voter is not None:
            found.add(f"id NOT IN ({voted_by(self.voter)})", identity(self.voter))
        return found.sql, found.arguments

    def _flags(self, found: Conditions) -> None:
        if self.with_image is not None:
            found.add("with_image" if self.with_image else "NOT with_image")
        if not self.reserved:
            found.add("NOT reserved_barcode")
        if self.annotated is not None:
            found.add("annotation IS NOT NULL" if self.annotated else "annotation IS NULL")


def voted_by(voter: Voter) -> str:
    """A SELECT of the ids that a voter voted on: a user by name, anybody else by device; `{}` is `identity`."""
    return BY_DEVICE if voter.username is None else BY_USER


def identity(voter: Voter) -> str:
    """What is compared: the name, or the device."""
    return voter.device_id if voter.username is None else voter.username


@overload
def distinct(values: Iterable[str]) -> tuple[str, ...]: ...


@overload
def distinct(values: None) -> None: ...


@overload
def distinct(values: Iterable[str] | None) -> tuple[str, ...] | None: ...


def distinct(values: Iterable[str] | None) -> tuple[str, ...] | None:
    """Each once, in the order given."""
    return None if values is None else tuple(dict.fromkeys(values))
