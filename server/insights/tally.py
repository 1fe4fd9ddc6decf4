"""How many insights a selection has: exact, and without counting rows where the tally can say it (contract C2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.insights.selection import Conditions, Selection, identity, voted_by

if TYPE_CHECKING:
    from server.db import Connection, Database
    from server.deadline import Deadline

# What one worker at a time does; any constant of our own.
LOCK = 0x41534C_54
FOLD_EVERY_S = 2.0
# Deltas folded by one statement, far from its time limit, and how many of these there are in a row.
PORTION = 20_000
PORTIONS = 1_000

COUNTED = """
SELECT coalesce(sum(n), 0)::bigint FROM (
    SELECT n FROM insight_tally WHERE {where}
    UNION ALL
    SELECT n FROM insight_tally_delta WHERE {where}
) AS t
"""
# By their keys, however many other insights fit the selection.
VOTED = """
SELECT count(*) FROM product_insight WHERE id = ANY(ARRAY({voted})) AND {where}
"""
ROWS = "SELECT count(*) FROM product_insight WHERE {where}"

HAS_DELTAS = "SELECT EXISTS (SELECT FROM insight_tally_delta)"
LOCKED = "SELECT pg_try_advisory_xact_lock($1)"
FOLD = "SELECT fold_insight_tally($1)"


class Sort(NamedTuple):
    """One dimension of the tally and the value looked up in it."""

    dimension: str
    value: str = ""
    value_tag: str | None = None


def sort_of(selection: Selection) -> Sort | None:
    """Where the tally has this selection; None where it has not, for it counts by few things at once.

    Several values of a list are not added up: an insight may have two of them.
    """
    lists = {"brand": selection.brands, "country": selection.countries, "campaign": selection.campaigns}
    given = {dimension: values for dimension, values in lists.items() if values is not None}
    tag = selection.value_tag
    if selection.barcode is not None or selection.lc is not None or len(given) > 1:
        return None
    if selection.predictor is not None:
        return Sort("predictor", selection.predictor) if tag is None and not given else None
    if not given:
        return Sort("") if tag is None else Sort("value_tag", value_tag=tag)
    [(dimension, values)] = given.items()
    if len(values) != 1 or (tag is not None and dimension == "brand"):
        return None
    return Sort(dimension, values[0]) if tag is None else Sort(f"{dimension}_tag", values[0], tag)


def counting(selection: Selection, first: Iterable[object] = ()) -> tuple[str, list[object]]:
    """The statement that counts the insights of a selection, and its arguments, after the `first` ones."""
    sort = sort_of(selection)
    if sort is None:
        where, arguments = selection.where(first=first)
        return ROWS.format(where=where), arguments
    found = tallied(selection, sort, first)
    sql = COUNTED.format(where=found.sql)
    if selection.voter is None:
        return sql, found.arguments
    voted = voted_by(selection.voter).format(found.place(identity(selection.voter)))
    where, arguments = msgspec.structs.replace(selection, voter=None).where(first=found.arguments, walking=())
    return f"SELECT ({sql}) - ({VOTED.format(voted=voted, where=where)})", arguments


def tallied(selection: Selection, sort: Sort, first: Iterable[object] = ()) -> Conditions:
    """The same selection as a condition on rows of the tally, without the voter."""
    found = Conditions(first)
    found.add("server_type = {}", selection.server_type)
    found.add("dimension = {}", sort.dimension)
    found.add("value = {}", sort.value)
    if selection.types is not None:
        found.add("type = ANY({}::text[])", selection.types)
    if sort.value_tag is not None:
        found.add("value_tag = {}", sort.value_tag)
    if selection.annotation is not None:
        found.add("annotation = {}", selection.annotation)
    if selection.is_open:
        found.add("annotation IS NULL AND NOT automatic_processing")
    if selection.annotated is not None:
        found.add("annotation IS NOT NULL" if selection.annotated else "annotation IS NULL")
    if selection.with_image is not None:
        found.add("with_image" if selection.with_image else "NOT with_image")
    if not selection.reserved:
        found.add("NOT reserved_barcode")
    return found


async def count(
    database: Connection | Database, selection: Selection, deadline: Deadline | None = None
) -> int:
    """How many insights the selection has, at one moment."""
    if selection.types == ():
        return 0
    sql, arguments = counting(selection)
    within = {} if deadline is None else {"deadline": deadline}
    number: int = await database.fetchval(sql, *arguments, **within)
    return number


async def fold(database: Database) -> int:
    """Move what changed into the tally, unless another worker is at it; the number of sorts that changed.

    Counts are exact before and after; folded they stay look-ups.
    """
    folded = 0
    for _ in range(PORTIONS):
        if not await database.fetchval(HAS_DELTAS):
            break
        async with database.transaction() as connection:
            if not await connection.fetchval(LOCKED, LOCK):
                break
            folded += await connection.fetchval(FOLD, PORTION)
    return folded
