"""Recognition over HTTP: uploads into a live server, then photos against 1,000 and 10,000 references.

    python -m bench search_load

References and photos come from bench/scenes.py. Times are the server's own (`search_time`) beside those the
clients saw; the generator is a process of its own on the same machine.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import aiohttp
import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from bench import load, scenes
from bench.peers import servers
from bench.peers.servers import ROOT, Running, Server

SIZES = (1_000, 10_000)
CLIENTS = (1, 2, 8)
ROUND_S = 8.0
WARM_UP_S = 2.0
QUERIES = 60
UPLOADS_AT_ONCE = 4
BOUNDARY = "aisle-bench-boundary"
LAG_BUCKET = re.compile(r'aisle_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)')


class Collection(NamedTuple):
    """The searchable set under test."""

    api_key: str
    resource: str
    token: str


class Cell(NamedTuple):
    """One line of the table."""

    references: int
    clients: int
    load: load.Load
    search_ms: list[int]
    hits: float
    lag_ms: str


def jpeg(pixels: NDArray[np.uint8], quality: int = 80) -> bytes:
    """pixels (H, W, 3) uint8 RGB."""
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def queries(references: Sequence[scenes.Reference]) -> list[bytes]:
    """Photos of 480 x 640, each of one reference under one of the contract's conditions."""
    grounds = scenes.grounds(20)
    made = []
    for number in range(QUERIES):
        rng = np.random.default_rng((11, number))
        reference = references[int(rng.integers(len(references)))]
        condition = scenes.CONDITIONS[number % len(scenes.CONDITIONS)]
        made.append(jpeg(scenes.scene(reference.pixels, grounds[number % 20], condition, rng).pixels))
    return made


async def create(session: aiohttp.ClientSession, admin_key: str) -> Collection:
    """A key of its own and an empty collection."""
    wanted = {"product": "search", "name": "bench", "scopes": ["read", "write"]}
    headers = {"Authorization": f"Bearer {admin_key}"}
    api_key = (await _post(session, "/admin/v1/keys", json=wanted, headers=headers))["key"]
    auth = {"api_key": api_key}
    made = await _post(session, "/api/v0/collection/", params=auth, json={"name": "bench"})
    async with session.get("/api/v0/token/", params={**auth, "collection__uuid": made["uuid"]}) as answer:
        tokens = await answer.json()
    return Collection(api_key, made["resource_uri"], tokens["objects"][0]["token"])


async def upload(
    session: aiohttp.ClientSession, collection: Collection, references: Iterable[tuple[str, bytes]]
) -> list[float]:
    """Each as an item with one image, several at a time; the seconds each image took."""
    auth = {"api_key": collection.api_key}
    source = iter(references)
    times: list[float] = []

    async def one_client() -> None:
        # Drawing the next picture blocks the client, not the server.
        for name, data in source:
            wanted = {"name": name[:100], "collection": collection.resource}
            item = await _post(session, "/api/v0/item/", params=auth, json=wanted)
            form = aiohttp.FormData({"item": item["resource_uri"]})
            form.add_field("file", data, filename=f"{name}.jpg", content_type="image/jpeg")
            began = time.perf_counter()
            await _post(session, "/api/v0/image/", params=auth, data=form)
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(one_client() for _ in range(UPLOADS_AT_ONCE)))
    return times


async def _post(session: aiohttp.ClientSession, path: str, **arguments: object) -> dict[str, str]:
    async with session.post(path, **arguments) as answer:  # type: ignore[arg-type]
        if answer.status != 201:
            raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
        body: dict[str, str] = await answer.json()
        return body


def search(running: Running, token: str, photos: Sequence[bytes], references: int, clients: int) -> Cell:
    """One round of searches; every answer is read for its time and for whether anything was recognised."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    job = load.Job(
        url=f"http://127.0.0.1:{running.port}/v1/search",
        bodies=[load.Body(data=_form(token, photo), headers=headers) for photo in photos],
        clients=clients,
        warm_up_s=WARM_UP_S,
        duration_s=ROUND_S,
        keep_answers=True,
    )
    before = _lag(running.port)
    seen = load.run(job)
    after = _lag(running.port)
    if seen.errors or not seen.answers:
        raise RuntimeError(f"search: {seen.errors} errors, {seen.first_error}")
    answers = [msgspec.json.decode(answer) for answer in seen.answers]
    hits = sum(bool(answer["results"]) for answer in answers) / len(answers)
    times = [answer["search_time"] for answer in answers]
    return Cell(references, clients, seen, times, hits, _lag_p99(before, after))


def _form(token: str, photo: bytes) -> bytes:
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    return (
        f'{part}"token"\r\n\r\n{token}\r\n{part}"image"; filename="q.jpg"\r\n'
        f"Content-Type: image/jpeg\r\n\r\n".encode()
        + photo
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def _lag(port: int) -> dict[float, float]:
    """Wake-ups of the event loop that were late by at most so many seconds, from the server's own metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {float(bound): float(count) for bound, count in LAG_BUCKET.findall(text)}


def _lag_p99(before: dict[float, float], after: dict[float, float]) -> str:
    """The bound of the bucket that holds the 99th percentile of the wake-ups between two readings."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in sorted(after)}
    total = counts[float("inf")]
    bound = next(bound for bound, count in counts.items() if count >= 0.99 * total)
    return f"{bound * 1e3:g}"


async def _fill(
    port: int, admin_key: str, collection: Collection | None, pictures: Iterable[tuple[str, bytes]]
) -> tuple[Collection, list[float], float]:
    """Into that collection or a new one; the seconds of each image and of all."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as session:
        collection = collection or await create(session, admin_key)
        began = time.perf_counter()
        times = await upload(session, collection, pictures)
        return collection, times, time.perf_counter() - began


def run() -> str:
    """The markdown section."""
    admin_key = secrets.token_hex(20)
    wanted = scenes.references()
    photos = queries(wanted)
    stream = ((each.name, jpeg(each.pixels, 88)) for each in chain(wanted, scenes.distractors(SIZES[-1])))
    cells: list[Cell] = []
    uploads: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(
            name="Aisle",
            command=(sys.executable, "-m", "server", "serve"),
            environment={"AISLE_ADMIN_KEY": admin_key, "AISLE_DATA_DIR": str(Path(folder) / "data")},
            folder=ROOT,
        )
        with servers.started(server, ["/health/ready"]) as running:
            collection, held = None, 0
            for size in SIZES:
                # Drawn before the clock starts, as many as are missing.
                pictures = [picture for picture, _ in zip(stream, range(size - held), strict=False)]
                collection, times, elapsed = asyncio.run(_fill(running.port, admin_key, collection, pictures))
                held = size
                p50, p95 = np.percentile(times, (50, 95)) * 1e3
                uploads.append(
                    f"{len(times)} uploads up to {size}: {len(times) / elapsed:.1f}/s with {UPLOADS_AT_ONCE} "
                    f"clients, p50 {p50:.0f} ms, p95 {p95:.0f} ms each; {running.memory_mb():.0f} MB after"
                )
                for clients in CLIENTS:
                    cells.append(search(running, collection.token, photos, size, clients))
    return _section(cells, uploads)


def _section(cells: Sequence[Cell], uploads: Sequence[str]) -> str:
    lines = [
        "## Image search over HTTP",
        "",
        f"{QUERIES} photos of 480 x 640, JPEG 80, each of one reference under the conditions of the",
        f"recognition table, in turn, for {ROUND_S:.0f} s per line. Server ms is `search_time`; lag is the",
        "bucket that holds the 99th percentile of late wake-ups of the event loop.",
        "",
        "| references | clients | searches/s | server p50 ms | p95 | client p50 ms | p95 | found | lag ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        server = np.percentile(cell.search_ms, (50, 95))
        row = [str(cell.references), str(cell.clients), f"{cell.load.per_second:.1f}"]
        row += [f"{server[0]:.0f}", f"{server[1]:.0f}"]
        row += [f"{cell.load.percentile_ms(50):.0f}", f"{cell.load.percentile_ms(95):.0f}"]
        row += [f"{cell.hits:.0%}", cell.lag_ms]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join([*lines, "", *(f"{line}." for line in uploads)])


if __name__ == "__main__":
    print(run())
