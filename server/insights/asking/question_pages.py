"""A page of questions as one statement, by the way that reads the fewest rows (contract 1.2.2, 1.2.3)."""

from __future__ import annotations

import random
from typing import NamedTuple

import msgspec

from server.insights import queries_questions as sql
from server.insights import tally
from server.insights.selection import Selection, identity, voted_by

ORDERS = {"popularity": sql.POPULAR, "confidence": sql.CONFIDENT, "random": sql.RANDOM}
# Rows looked at for a random page, for each row of it: enough that those of the first class which have a key
# above all later classes' fill the page.
SAMPLE = 8
# A walk over so few rows is short enough, whatever gathering would cost.
SHORT_WALK = 2_000


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
    selection = anonymous(asked.selection)
    counted, arguments = tally.counting(selection)
    passed, arguments = tally.counting(_passed(asked), arguments)
    return sql.SIZES.format(counted=counted, passed=passed), arguments


def page(asked: Asked, sizes: Sizes, start: float | None = None) -> tuple[str, list[object]]:
    """The statement of a page with its count, and its arguments; `start` is where a draw begins in 0..1."""
    counted, arguments = tally.counting(asked.selection)
    voted, arguments = _voted(asked.selection, arguments)
    if _is_gathered(asked, sizes):
        rows, arguments = _gathered(asked, arguments)
    elif asked.order == "random":
        rows, arguments = _drawn(asked, random.random() if start is None else start, arguments)  # noqa: S311
    else:
        rows, arguments = _walked(asked, arguments)
    return _statement(counted, voted, rows), arguments


def count_alone(selection: Selection) -> tuple[str, list[object]]:
    """The statement of a page that is known to be empty, with its count, and its arguments."""
    counted, arguments = tally.counting(selection)
    voted, arguments = _voted(selection, arguments)
    return _statement(counted, voted, sql.NO_ROWS), arguments


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


def anonymous(selection: Selection) -> Selection:
    """The same for somebody who never voted."""
    return selection if selection.voter is None else msgspec.structs.replace(selection, voter=None)


def _statement(counted: str, voted: str, rows: str) -> str:
    return sql.PAGE.format(
        counted=counted, voted=voted, rows=rows, columns=sql.COLUMNS, with_product=sql.WITH_PRODUCT
    )


def _voted(selection: Selection, arguments: list[object]) -> tuple[str, list[object]]:
    if selection.voter is None:
        return "SELECT WHERE false", arguments
    arguments = [*arguments, identity(selection.voter)]
    return voted_by(selection.voter).format(f"${len(arguments)}"), arguments


def _walked_by(asked: Asked) -> str:
    """The column that the walked index has besides its order, "" for none."""
    selection = asked.selection
    if asked.order != "popularity":
        return ""
    if selection.value_tag is not None:
        return "value_tag"
    if selection.predictor is not None:
        return "predictor"
    return "" if selection.types is None else "type"


def _passed(asked: Asked) -> Selection:
    """What a walk in the order asked for goes through."""
    selection, column = asked.selection, _walked_by(asked)
    return Selection(
        server_type=selection.server_type,
        is_open=True,
        types=selection.types if column == "type" else None,
        value_tag=selection.value_tag if column == "value_tag" else None,
        predictor=selection.predictor if column == "predictor" else None,
    )


def _is_gathered(asked: Asked, sizes: Sizes) -> bool:
    """Whether collecting all that fits reads fewer rows than a walk that meets one of it every so often."""
    if sizes.fitting <= 0:
        return True
    wanted = asked.limit * SAMPLE if asked.order == "random" else asked.limit + asked.skipped
    walked = wanted * sizes.passed // sizes.fitting
    return walked > SHORT_WALK and sizes.fitting < walked


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
    order, column = ORDERS[asked.order], _walked_by(asked)
    walk = next((walk for walk in sql.WALKS if walk >= asked.limit + asked.skipped), "ALL")
    for types in [(one,) for one in selection.types or ()] if column == "type" else [selection.types]:
        where, arguments = msgspec.structs.replace(selection, types=types).where(
            first=arguments, walking=(column,)
        )
        branches.append(sql.BRANCH.format(where=where, order=order, walk=walk))
    arguments += [asked.limit, asked.skipped]
    last = len(arguments)
    rows = sql.WALKED.format(
        branches=" UNION ALL ".join(branches), order=order, count=f"${last - 1}", offset=f"${last}"
    )
    return rows, arguments


def _drawn(asked: Asked, start: float, arguments: list[object]) -> tuple[str, list[object]]:
    where, arguments = asked.selection.where(first=arguments, walking=())
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
