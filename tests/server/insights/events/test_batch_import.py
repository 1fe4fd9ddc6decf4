"""POST /batch/import: its checks in order, its files, and what becomes of a bad folder (contract 1.2.32)."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from server import errors
from server.db import Database
from server.insights.events.batch_files import BatchFiles
from server.insights.events.batch_import import JOB
from server.settings import Settings
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker

URL = "/api/v1/batch/import"
KEY = {"Authorization": "Bearer batch-key-1"}
RIGHT = "Farine de blé, sucre, huile de tournesol, oeufs frais, sel, poudre à lever, arôme naturel de vanille"
WRONG = RIGHT.replace("sucre", "sucrre")
GOOD = {"job_type": "ingredients_spellcheck", "batch_dir": "run-1"}


def line(**changes: Any) -> bytes:
    row = {"code": "17", "text": WRONG, "correction": RIGHT, "lang": "fr"}
    return json.dumps(row | changes).encode() + b"\n"


async def jobs(database: Database) -> list[dict[str, Any]]:
    found = await database.fetch("SELECT payload FROM pgqueuer WHERE entrypoint = $1", JOB)
    return [msgspec.json.decode(row["payload"]) for row in found]


async def test_parameters_are_checked_before_the_header_and_the_header_before_the_key(
    http: httpx.AsyncClient, database: Database
) -> None:
    folder = {"batch_dir": "run-1"}
    for query, header, status, title, description in (
        ({}, None, 400, "Missing parameter", 'The "job_type" parameter is required.'),
        (
            folder | {"job_type": "X"},
            None,
            400,
            "400 Bad Request",
            "invalid job_type: X. Valid job_types are: ['ingredients-spellcheck']",
        ),
        (
            {"job_type": "ingredients_spellcheck"},
            None,
            400,
            "Missing parameter",
            'The "batch_dir" parameter is required.',
        ),
        (GOOD, None, 400, "Missing header value", 'The "Authorization" header is required.'),
        (GOOD, "batch-key-1", 401, "Invalid authentication scheme.", None),
        (GOOD, "Basic batch-key-1", 401, "Invalid authentication scheme: 'Bearer Token' expected.", None),
        (GOOD, "Bearer wrong", 401, "Invalid token.", None),
    ):
        headers = {} if header is None else {"Authorization": header}
        answer = await http.post(URL, params=query, headers=headers)
        assert answer.status_code == status, query
        assert (answer.json()["title"], answer.json().get("description")) == (title, description)
    assert await jobs(database) == []


async def test_no_folder_outside_of_the_batches_is_taken(http: httpx.AsyncClient, database: Database) -> None:
    for folder in (
        "..",
        "../x",
        "a/../b",
        "/etc",
        "a//b",
        ".hidden",
        "a b",
        "a\\b",
        "a%00",
        "é",
        "x" * 400,
        "*",
    ):
        answer = await http.post(f"{URL}?job_type=ingredients_spellcheck&batch_dir={folder}", headers=KEY)
        assert (answer.status_code, answer.json()["title"]) == (400, "Invalid parameter"), folder
    assert await jobs(database) == []


async def test_a_server_without_a_key_refuses_every_key(start_worker: StartWorker) -> None:
    async with start_worker(settings=Settings()) as worker:
        for key in ("None", "x"):
            answer = await worker.http.post(URL, params=GOOD, headers={"Authorization": f"Bearer {key}"})
            assert (answer.status_code, answer.json()) == (401, {"title": "Invalid token."})


async def test_the_import_is_queued_whether_asked_by_query_or_form_in_either_spelling(
    http: httpx.AsyncClient, database: Database
) -> None:
    for kwargs in (
        {"params": GOOD},
        {"data": GOOD},
        {"params": {"batch_dir": "run-1"}, "data": {"job_type": "ingredients-spellcheck"}},
    ):
        answer = await http.post(URL, headers=KEY, **kwargs)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()) == (
            200,
            {"status": "Request successful. Importing processed data."},
        )
    queued = await jobs(database)
    assert [job["batch_dir"] for job in queued] == ["run-1"] * 3
    assert all(job["version"].startswith("llm-v1-") for job in queued)


async def test_the_lines_of_a_batch_become_predictions(start_worker: StartWorker, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "batches" / "run-1"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(
        line() + b"no json\n" + line(code="x") + line(text="\x00") + line(lang="")
    )
    (folder / "b.ndjson.gz").write_bytes(gzip.compress(line(code="18") + line(code="19")))
    (folder / "notes.txt").write_bytes(line(code="20"))
    async with start_worker(run_jobs=True) as worker:
        for code in ("00000017", "00000018", "00000020"):
            await rows.add_product(worker.database, code, lang="fr", ingredients_text_fr=WRONG)
        await worker.http.post(URL, params=GOOD, headers=KEY)
        async with asyncio.timeout(60):
            while await worker.database.fetchval("SELECT count(*) FROM prediction") < 2:
                await asyncio.sleep(0.05)
        found = (await worker.http.get("/api/v1/predictions")).json()["predictions"]
    # 19 is no product that we know.
    assert [one["barcode"] for one in found] == ["00000017", "00000018"]
    (first, _) = found
    assert (first["type"], first["value_tag"]) == ("ingredient_spellcheck", "fr")
    assert (first["predictor"], first["predictor_version"][:7]) == ("fine-tuned-mistral-7b", "llm-v1-")
    assert first["data"]["original"] == WRONG
    assert first["data"]["correction"] == RIGHT
    assert first["data"]["lang"] == "fr" and 0 < first["data"]["lang_confidence"] <= 1


async def test_a_folder_without_a_readable_file_fails_by_name(tmp_path: Path) -> None:
    files = BatchFiles(None, tmp_path)
    for folder in ("missing", "empty"):
        (tmp_path / "batches" / "empty").mkdir(parents=True, exist_ok=True)
        with pytest.raises(errors.NotFound, match=f"batch {folder} has no file"):
            await files.names(folder)


async def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "batches" / "run" / "2"
    folder.mkdir(parents=True)
    for name in ("b.jsonl", "a.jsonl", "c.parquet"):
        (folder / name).write_bytes(name.encode())
    files = BatchFiles(None, tmp_path)
    assert await files.names("run/2/") == ["run/2/a.jsonl", "run/2/b.jsonl"]
    assert b"".join([chunk async for chunk in files.chunks("run/2/a.jsonl")]) == b"a.jsonl"
