"""Import and export of lines: streamed, gzip or plain, a bad line never stops the others."""

import gzip
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors, transfer
from server.transfer import Kind, Line, Report, Result

MAX_LINE = 1000


class Shelf:
    """A kind that keeps what it is given; `bad` names fail, `known` names are skipped.

    Where it is `grouped`, names that begin alike belong together.
    """

    def __init__(self, batch_lines: int = 3, *, grouped: bool = False) -> None:
        self.rows: list[Any] = []
        self.batches: list[int] = []
        self.fault: Exception | None = None
        self.stored: list[list[Any]] = []
        self.kind = Kind("things", self.import_lines, self.export_lines, batch_lines=batch_lines)
        if grouped:
            self.kind = self.kind._replace(group=lambda row: row["name"].split("-")[0])

    async def import_lines(self, lines: Sequence[Line], options: Mapping[str, str]) -> list[Result]:
        self.batches.append(len(lines))
        if any(line.value.get("name") == "poison" for line in lines):
            raise self.fault or ZeroDivisionError("internal detail")
        self.stored.append([line.value.get("name") for line in lines])
        return [self._keep(line, options) for line in lines]

    def _keep(self, line: Line, options: Mapping[str, str]) -> Result:
        name = line.value.get("name")
        if name == "bad":
            return Result(error="name is bad")
        if "known" in options and name == options["known"]:
            return Result(skipped=True)
        self.rows.append(name)
        return Result(id=f"id-{name}")

    async def export_lines(self, options: Mapping[str, str]) -> AsyncIterator[Any]:
        for name in self.rows:
            yield {"name": name}


def lines(*names: object) -> bytes:
    return b"".join(json.dumps({"name": name}).encode() + b"\n" for name in names)


async def run(shelf: Shelf, data: bytes, pieces: int = 1, **options: str) -> Report:
    step = max(1, len(data) // pieces)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return await transfer.import_stream(shelf.kind, chunks(), options, max_line_bytes=MAX_LINE)


def told(report: Report) -> list[tuple[int, str]]:
    return [(error.line, error.error) for error in report.errors]


async def test_good_bad_and_known_lines_are_counted_apart() -> None:
    shelf = Shelf()
    report = await run(shelf, lines("a", "bad", "b", "old", "c"), known="old")
    assert (report.kind, report.read, report.imported, report.skipped) == ("things", 5, 3, 1)
    assert told(report) == [(2, "name is bad")]
    assert shelf.rows == ["a", "b", "c"] and shelf.batches == [3, 2]
    assert report.ids == ["id-a", "id-b", "id-c"]


async def test_what_is_no_json_object_is_an_error_of_its_line() -> None:
    shelf = Shelf()
    data = lines("a") + b"{\n[1]\nnull\n\xff\xfe\n" + b"[" * 500 + b"\n\n   \n" + lines("b")
    report = await run(shelf, data)
    assert shelf.rows == ["a", "b"] and (report.read, report.imported) == (7, 2)
    assert [line for line, _ in told(report)] == [2, 3, 4, 5, 6]


async def test_a_batch_that_raises_is_tried_in_halves_down_to_the_line() -> None:
    shelf = Shelf(batch_lines=1024)
    names = [f"n{number}" for number in range(1024)]
    names[300] = "poison"
    report = await run(shelf, lines(*names))
    assert shelf.rows == names[:300] + names[301:]
    # Of 1024, 512 and so on down to 1 one half was good.
    assert len(shelf.batches) == 21
    assert told(report) == [(301, "Internal error, see the server's log")]
    shelf = Shelf()
    shelf.fault = errors.Conflict("two of them")
    assert told(await run(shelf, lines("poison"))) == [(1, "two of them")]


async def test_lines_of_a_group_share_a_batch_wherever_a_small_file_has_them() -> None:
    shelf = Shelf(batch_lines=3, grouped=True)
    report = await run(shelf, lines("a-1", "b-1", "b-2", "c-1", "d-1", "a-2", "d-2", "d-3", "d-4"))
    assert shelf.stored == [["a-1", "a-2"], ["b-1", "b-2", "c-1"], ["d-1", "d-2", "d-3", "d-4"]]
    # Told in the order of the lines all the same.
    assert report.ids is not None and report.ids[5] == "id-a-2"


@pytest.mark.parametrize("pieces", [1, 7, 50])
async def test_lines_of_a_group_that_follow_each_other_share_a_batch_in_a_file_of_any_size(
    pieces: int,
) -> None:
    shelf = Shelf(batch_lines=3, grouped=True)
    names = [f"g{group}-{number}" for group in range(40) for number in range(group % 6 + 1)]
    await run(shelf, lines(*names), pieces)
    assert shelf.rows == names
    groups = [{name.split("-")[0] for name in batch} for batch in shelf.stored]
    assert len(set().union(*groups)) == sum(map(len, groups)) == 40
    assert all(len(batch) <= 3 for batch, held in zip(shelf.stored, groups, strict=True) if len(held) > 1)


async def test_a_group_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_WINDOW_LINES", 20)
    shelf = Shelf(batch_lines=3, grouped=True)
    await run(shelf, lines(*(f"a-{number}" for number in range(50))))
    assert shelf.batches == [20, 20, 10]


async def test_a_group_fails_as_a_whole_and_alone() -> None:
    shelf = Shelf(batch_lines=9, grouped=True)
    await run(shelf, lines("a-1", "a-2", "poison", "b-1", "b-2", "c-1"))
    assert shelf.stored == [["a-1", "a-2"], ["b-1", "b-2", "c-1"]]
    shelf = Shelf(batch_lines=9)
    shelf.kind = shelf.kind._replace(group=lambda row: row["name"] in ("poison", "with it"))
    report = await run(shelf, lines("a", "poison", "with it", "b"))
    assert shelf.rows == ["a", "b"]
    assert [line for line, _ in told(report)] == [2, 3]


@pytest.mark.parametrize("fault", [errors.StorageFull(), errors.NotReady()])
async def test_when_the_server_itself_cannot_go_on_it_stops(fault: errors.AisleError) -> None:
    shelf = Shelf()
    shelf.fault = fault
    with pytest.raises(type(fault)):
        await run(shelf, lines("poison", "a"))
    assert shelf.rows == []


async def test_a_line_over_the_limit_is_skipped_whole() -> None:
    shelf = Shelf()
    report = await run(shelf, lines("a", "x" * 5000, "b"), pieces=50)
    assert shelf.rows == ["a", "b"] and told(report) == [
        (2, f"The line is over the limit of {MAX_LINE} bytes")
    ]
    report = await run(Shelf(), lines("x" * 5000).rstrip())
    assert len(report.errors) == 1


async def test_only_the_first_hundred_errors_are_told_and_all_are_counted() -> None:
    report = await run(Shelf(), lines(*["bad"] * 150))
    assert (report.read, report.imported, report.skipped, len(report.errors)) == (150, 0, 0, 100)
    assert told(report)[-1][0] == 100


async def test_ids_are_told_up_to_a_thousand_lines() -> None:
    assert len((await run(Shelf(100), lines(*range(1000)))).ids or []) == 1000
    assert (await run(Shelf(100), lines(*range(1001)))).ids is None


async def test_an_empty_body_has_no_lines() -> None:
    assert await run(Shelf(), b"") == Report(kind="things", read=0, imported=0, skipped=0, errors=[])


async def test_the_last_line_needs_no_line_end_and_a_mark_at_the_start_is_fine() -> None:
    shelf = Shelf()
    await run(shelf, b"\xef\xbb\xbf" + lines("a", "b").rstrip())
    assert shelf.rows == ["a", "b"]
    await run(shelf, b"{}")
    assert shelf.rows == ["a", "b", None]


@given(st.lists(st.text(max_size=20), max_size=30), st.integers(1, 200), st.booleans())
async def test_lines_survive_any_cut_into_pieces(names: list[str], pieces: int, packed: bool) -> None:
    shelf = Shelf()
    data = lines(*(f"_{name}" for name in names))
    await run(shelf, gzip.compress(data) if packed else data, pieces)
    assert shelf.rows == [f"_{name}" for name in names]


async def test_gzip_files_glued_together_are_one() -> None:
    shelf = Shelf()
    await run(shelf, gzip.compress(lines("a")) + gzip.compress(lines("b")) + b"\0" * 10, pieces=20)
    assert shelf.rows == ["a", "b"]


async def test_gzip_that_ends_early_keeps_what_came() -> None:
    shelf = Shelf()
    packed = gzip.compress(lines(*range(1000)), compresslevel=0)
    report = await run(shelf, packed[: len(packed) // 2])
    assert 100 < len(shelf.rows) < 900 and shelf.rows == list(range(len(shelf.rows)))
    assert told(report) == [(len(shelf.rows) + 1, "The gzip data ends early")]


async def test_damaged_gzip_keeps_what_came_before() -> None:
    shelf = Shelf()
    report = await run(
        shelf, gzip.compress(lines("a", "b")) + gzip.compress(lines("c"))[:10] + b"damage" * 20
    )
    assert shelf.rows == ["a", "b"] and told(report) == [(3, "The gzip data is damaged")]


async def test_a_small_gzip_that_unpacks_to_a_lot_stays_small_in_memory() -> None:
    report = await run(Shelf(), gzip.compress(b"x" * 50_000_000))
    assert told(report) == [(1, f"The line is over the limit of {MAX_LINE} bytes")]


async def test_what_was_exported_can_be_imported() -> None:
    first, second = Shelf(), Shelf()
    first.rows = [f"name {number} ä" for number in range(5000)]
    data = b"".join([piece async for piece in transfer.export_stream(first.kind, {})])
    await run(second, data)
    assert second.rows == first.rows


async def test_what_a_kind_cannot_do_is_not_found() -> None:
    with pytest.raises(errors.NotFound):
        await transfer.import_stream(Kind("x"), _one(lines("a")), {}, max_line_bytes=100)
    with pytest.raises(errors.NotFound):
        await anext(transfer.export_stream(Kind("x"), {}))
    with pytest.raises(errors.NotFound, match="known kinds: a, b"):
        transfer.find({"b": Kind("b"), "a": Kind("a")}, "c")


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
