"""A page of questions as one statement, by the way that reads the fewest rows (contract 1.2.2, 1.2.3)."""

from __future__ import annotations

import random
from typing import NamedTuple

import msgspec

from server.insights import queries_questions as sql
from server.insights import tally
from server.insights.selection import Selection

ORDERS = {"popularity": sql.POPULAR, "confidence": sql.CONFIDENT, "random": sql.RANDOM}
# Rows looked at for a random page, for each row of it: enough that those of the first class which have a key
# above all later classes' fill the page.
SAMPLE = 8
# So few rows are gathered in any case.
FEW = 500


class Asked(NamedTuple):
    """A page of questions: of what, in which order, which part; `skipped` rows come before it."""

    selection: Selection
    order: str
    limit: int
    skipped: int


class Sizes(NamedTuple):
    """About how many insights fit a selection, of how many that a walk in its order passes."""

    fitting: int
    passed: int


def sizes(asked: Asked) -> tuple[str, list[object]]:
    """The statement that counts `Sizes`, without the voter: it only helps to choose the way."""
    selection = _anonymous(asked.selection)
    counted, arguments = tally.counting(selection)
    passed, arguments = tally.counting(_passed(asked), arguments)
    return sql.SIZES.format(counted=counted, passed=passed), arguments


def page(asked: Asked, sizes: Sizes, start: float | None = None) -> tuple[str, list[object]]:
    """The statement of a page with its count, and its arguments; `start` is where a draw begins in 0..1."""
    counted, arguments = tally.counting(asked.selection)
    if _is_gathered(asked, sizes):
        rows, arguments = _gathered(asked, arguments)
    elif asked.order == "random":
        rows, arguments = _drawn(asked, random.random() if start is None else start, arguments)  # noqa: S311
    else:
        rows, arguments = _walked(asked, arguments)
    return (
        sql.PAGE.format(counted=counted, rows=rows, columns=sql.COLUMNS, with_product=sql.WITH_PRODUCT),
        arguments,
    )


def of_product(selection: Selection, count: int) -> tuple[str, list[object]]:
    """The statement of the questions on one product, most votes first."""
    where, arguments = selection.where()
    arguments.append(count)
    return (
        sql.OF_PRODUCT.format(
            where=where, count=f"${len(arguments)}", columns=sql.COLUMNS, with_product=sql.WITH_PRODUCT
        ),
        arguments,
    )


def unanswered(selection: Selection, count: int, skipped: int) -> tuple[str, list[object]]:
    """The statement of tags with the number of their insights, and of the number of all insights."""
    sort = tally.sort_of(selection)
    if sort is None or sort.dimension == "predictor":
        where, arguments = selection.where()
        grouped = sql.GROUPED
    else:
        tags = sort._replace(dimension=f"{sort.dimension}_tag" if sort.dimension else "value_tag")
        found = tally.tallied(selection, tags)
        where, arguments = found.sql, found.arguments
        grouped = sql.UNANSWERED
    arguments += [count, skipped]
    last = len(arguments)
    return grouped.format(where=where, count=f"${last - 1}", offset=f"${last}"), arguments


def _anonymous(selection: Selection) -> Selection:
    return selection if selection.voter is None else msgspec.structs.replace(selection, voter=None)


def _passed(asked: Asked) -> Selection:
    """What the index of an order goes through."""
    selection = asked.selection
    everything = Selection(server_type=selection.server_type, is_open=True)
    if asked.order != "popularity":
        return everything
    if selection.value_tag is not None:
        return msgspec.structs.replace(everything, value_tag=selection.value_tag)
    if selection.predictor is not None:
        return msgspec.structs.replace(everything, predictor=selection.predictor)
    return msgspec.structs.replace(everything, types=selection.types)


def _is_gathered(asked: Asked, sizes: Sizes) -> bool:
    """Whether collecting all that fits reads fewer rows than a walk that meets one of it every so often."""
    wanted = asked.limit * SAMPLE if asked.order == "random" else asked.limit + asked.skipped
    return sizes.fitting <= FEW or sizes.fitting**2 <= wanted * sizes.passed


def _gathered(asked: Asked, arguments: list[object]) -> tuple[str, list[object]]:
    where, arguments = asked.selection.where(first=arguments)
    arguments += [asked.limit, asked.skipped]
    last = len(arguments)
    rows = sql.GATHERED.format(
        where=where, order=ORDERS[asked.order], count=f"${last - 1}", offset=f"${last}"
    )
    return rows, arguments


def _walked(asked: Asked, arguments: list[object]) -> tuple[str, list[object]]:
    """One branch for each type by popularity, for there is an index of each; they are merged as they are read."""
    selection, branches = asked.selection, []
    merged = asked.order == "popularity" and selection.value_tag is None and selection.predictor is None
    for types in [(one,) for one in selection.types] if merged and selection.types else [selection.types]:
        where, arguments = msgspec.structs.replace(selection, types=types).where(
            first=arguments, by_index=False
        )
        branches.append(sql.BRANCH.format(where=where))
    arguments += [asked.limit, asked.skipped]
    last = len(arguments)
    walk = next((walk for walk in sql.WALKS if walk >= asked.limit + asked.skipped), "ALL")
    rows = sql.WALKED.format(
        branches=" UNION ALL ".join(branches),
        order=ORDERS[asked.order],
        walk=walk,
        count=f"${last - 1}",
        offset=f"${last}",
    )
    return rows, arguments


def _drawn(asked: Asked, start: float, arguments: list[object]) -> tuple[str, list[object]]:
    where, arguments = asked.selection.where(first=arguments, by_index=False)
    arguments += [asked.selection.server_type, start, asked.limit * SAMPLE, asked.limit]
    last = len(arguments)
    rows = sql.DRAWN.format(
        where=where,
        server_type=f"${last - 3}",
        start=f"${last - 2}::real",
        sample=f"${last - 1}",
        order=sql.RANDOM,
        count=f"${last}",
    )
    return rows, arguments
