"""Questions, insights and votes over HTTP on a million insights, everything on one core as the original was measured.

    python -m bench insight_load

Imports the rows of `insight_rows` with both cores, then pins server, database and client (wrk, from Debian) to
one core and asks each route with 1, 8 and 32 connections.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import msgspec

from bench import insight_rows
from bench.start import free_port, is_ready, python_children, resident_mb
from server.postgres import socket_url

INSIGHTS, PRODUCTS = 1_000_000, 300_000
CONNECTIONS = (1, 8, 32)
ROUND_S, WARM_UP_S = 4, 1
RANDOM_BARCODES, VOTES = 20_000, 400_000
# What a round of votes may use up; the next round begins behind it, or it would cast the votes that decide.
VOTES_PER_ROUND = 50_000
ADMIN_KEY = "bench-admin-key"
KINDS = ("products", "insights", "votes", "predictions")
LATENCY = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s)$", re.MULTILINE)
RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
FAILED = re.compile(r"(Socket errors: .*|Non-2xx or 3xx responses: .*)")
IN_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}

# Each thread of wrk takes the next line of a file that was drawn before.
BY_BARCODE = """
local barcodes = {}
for line in io.lines("%s") do barcodes[#barcodes + 1] = line end
local at = 0
request = function()
  at = at %% #barcodes + 1
  return wrk.format("GET", "/api/v1/questions/" .. barcodes[at])
end
"""
BY_TAG = """
local at = 0
request = function()
  at = at %% 300 + 1
  return wrk.format("GET", string.format("/api/v1/questions?count=25&value_tag=en:category-%%04d", at * 6))
end
"""
ANNOTATE = """
local ids = {}
for line in io.lines("%s") do ids[#ids + 1] = line end
local at = %d
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
request = function()
  at = at + 1
  local body = "insight_id=" .. ids[at] .. "&annotation=" .. (at %% 4 == 0 and 0 or 1) .. "&device_id=d" .. at %% 50000
  return wrk.format(nil, "/api/v1/insights/annotate", nil, body)
end
"""


class Route(NamedTuple):
    """What is asked, the original's requests/s at 32 connections with its caches kept, and what we ask of us."""

    name: str
    path: str
    original: str
    wanted: str
    script: str | None = None


class Cell(NamedTuple):
    """Requests/s, median and 99th percentile in ms, and what went wrong."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: str


ROUTES = (
    Route("/status", "/api/v1/status", "4,917", ""),
    Route("/questions?count=25", "/api/v1/questions?count=25", "257", "2,000/s"),
    Route("... insight_types=category", "/api/v1/questions?count=25&insight_types=category", "308", ""),
    Route("... countries=fr", "/api/v1/questions?count=25&countries=fr", "210", ""),
    Route("... brands=brand-1", "/api/v1/questions?count=25&brands=brand-1", "", ""),
    Route("... campaigns=missing-category", "/api/v1/questions?count=25&campaigns=missing-category", "", ""),
    Route("... value_tag, 300 in turn", "/", "", "", BY_TAG),
    Route("/questions/{barcode}", "/", "539", "4,000/s", BY_BARCODE),
    Route("/questions/random?count=25", "/api/v1/questions/random?count=25", "1.5", "p50 10 ms"),
    Route("... order_by=confidence", "/api/v1/questions?count=25&order_by=confidence", "2.5", "p50 10 ms"),
    Route("/questions/unanswered?type=label", "/api/v1/questions/unanswered?type=label", "2.8", "p50 10 ms"),
    Route("/insights?count=25", "/api/v1/insights?count=25", "325", "2,000/s"),
    Route("POST /insights/annotate, anonymous", "/", "252", "1,000/s", ANNOTATE),
)


def start(data_dir: Path, port: int, cores: Sequence[int]) -> subprocess.Popen[bytes]:
    """A server on these cores, ready."""
    environment = os.environ | {
        "AISLE_DATA_DIR": str(data_dir),
        "AISLE_PORT": str(port),
        "AISLE_ADMIN_KEY": ADMIN_KEY,
        "AISLE_LOG_LEVEL": "warning",
        "AISLE_DRAIN_S": "0",
        "AISLE_AUTOMATIC_EVERY_S": "86400",
    }
    command = ["taskset", "-c", ",".join(map(str, cores)), sys.executable, "-m", "server", "serve"]
    process = subprocess.Popen(command, env=environment)
    while not is_ready(port):
        if process.poll() is not None:
            raise RuntimeError("the server did not become ready")
        time.sleep(0.1)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)


def fill(port: int, rows: Path) -> list[str]:
    """Import all kinds; a line of the table each."""
    table = []
    for kind in KINDS:
        began = time.perf_counter()
        with (rows / f"{kind}.ndjson").open("rb") as file:
            answer = httpx.post(
                f"http://127.0.0.1:{port}/admin/v1/import/{kind}",
                content=iter(lambda: file.read(2**18), b""),
                headers={"Authorization": f"Bearer {ADMIN_KEY}"},
                timeout=3600,
            )
        seconds = time.perf_counter() - began
        report = answer.raise_for_status().json()
        assert not report["errors"], report["errors"][:3]
        table.append(f"| {kind} | {report['read']:,} | {seconds:.1f} | {report['read'] / seconds:,.0f} |")
    return table


def settle(data_dir: Path) -> None:
    """What autovacuum would do in its own time."""

    async def run() -> None:
        connection = await asyncpg.connect(socket_url(data_dir / "postgres"))
        await connection.execute("VACUUM (ANALYZE)", timeout=600)
        await connection.close()

    asyncio.run(run())


def scripts(rows: Path, folder: Path) -> dict[str, str]:
    """The files that wrk's scripts read: barcodes, and ids of open insights without votes, in random order."""
    rng = random.Random(11)
    barcodes, identities = [], []
    with (rows / "insights.ndjson").open("rb") as file:
        for line in file:
            row = msgspec.json.decode(line)
            barcodes.append(row["barcode"])
            if row["annotation"] is None and not row["automatic_processing"] and not row["n_votes"]:
                identities.append(row["id"])
    (folder / "barcodes").write_text("\n".join(rng.sample(barcodes, min(RANDOM_BARCODES, len(barcodes)))))
    (folder / "ids").write_text("\n".join(rng.sample(identities, min(VOTES, len(identities)))))
    return {BY_BARCODE: str(folder / "barcodes"), ANNOTATE: str(folder / "ids"), BY_TAG: ""}


def wrk(port: int, route: Route, connections: int, script: Path | None, core: int, *, keep: bool) -> Cell:
    """One round against one route."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", "--latency", "--timeout", "60s"]
    if not keep:
        command += ["-H", "Connection: close"]
    if script is not None:
        command += ["-s", str(script)]
    url = f"http://127.0.0.1:{port}{route.path}"
    if script is None:
        subprocess.run([*command, f"-d{WARM_UP_S}s", url], check=True, capture_output=True)
    printed = subprocess.run(
        [*command, f"-d{ROUND_S}s", url], check=True, capture_output=True, text=True
    ).stdout
    times = {place: float(value) * IN_MS[unit] for place, value, unit in LATENCY.findall(printed)}
    rate = RATE.search(printed)
    assert rate is not None, printed
    return Cell(float(rate[1]), times["50"], times["99"], "; ".join(FAILED.findall(printed)))


def run() -> str:
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed: apt install wrk")
    cores = sorted(os.sched_getaffinity(0))
    core = cores[-1]
    with tempfile.TemporaryDirectory() as folder:
        rows, data_dir = Path(folder) / "rows", Path(folder) / "data"
        rows.mkdir()
        insight_rows.write(rows, INSIGHTS, PRODUCTS)
        port = free_port()
        process = start(data_dir, port, cores)
        try:
            imported = fill(port, rows)
        finally:
            stop(process)
        files = scripts(rows, Path(folder))
        process = start(data_dir, port, [core])
        try:
            settle(data_dir)
            table, close = [], []
            for route in ROUTES:
                cells = []
                for number, count in enumerate(CONNECTIONS):
                    script = _script(route, files, Path(folder), number)
                    cells.append(wrk(port, route, count, script, core, keep=True))
                table.append(_row(route, cells))
                script = _script(route, files, Path(folder), len(CONNECTIONS))
                close.append(f"| {route.name} | {wrk(port, route, 32, script, core, keep=False).rate:,.0f} |")
            memory = [resident_mb(process.pid), *map(resident_mb, python_children(process.pid))]
        finally:
            stop(process)
    return _section(imported, table, close, memory)


def _script(route: Route, files: dict[str, str], folder: Path, number: int) -> Path | None:
    """The script of a route for its round of that number; None where it needs none."""
    if route.script is None:
        return None
    values: dict[str, tuple[object, ...]] = {
        BY_BARCODE: (files[BY_BARCODE],),
        ANNOTATE: (files[ANNOTATE], number * VOTES_PER_ROUND),
        BY_TAG: (),
    }
    script = folder / "script.lua"
    script.write_text(route.script % values[route.script])
    return script


def _row(route: Route, cells: Sequence[Cell]) -> str:
    shown = " | ".join(f"{cell.rate:,.0f}: {cell.p50_ms:.2f} / {cell.p99_ms:.1f}" for cell in cells)
    failed = "; ".join(filter(None, (cell.failed for cell in cells))) or "none"
    return f"| {route.name} | {shown} | {route.original} | {route.wanted} | {failed} |"


def _section(imported: list[str], table: list[str], close: list[str], memory: list[float]) -> str:
    return (
        "## Insights: a million rows on one core\n\n"
        f"{INSIGHTS:,} insights on {PRODUCTS:,} products (`bench/insight_rows.py`), embedded PostgreSQL. Imports over\n"
        "HTTP on all cores:\n\n"
        "| kind | lines | s | lines/s |\n|---|---|---|---|\n" + "\n".join(imported) + "\n\n"
        "Then server, database and wrk on one core, keep-alive; each cell is requests/s: p50 / p99 in ms. The column\n"
        "of the original (its release 1.85.10 with its caches kept, 32 connections) was measured on another\n"
        "processor, so it is an anchor, not a race.\n\n"
        "| request | 1 connection | 8 | 32 | original | wanted | errors |\n|---|---|---|---|---|---|---|\n"
        + "\n".join(table)
        + "\n\nA new connection for each request, 32 at once:\n\n| request | requests/s |\n|---|---|\n"
        + "\n".join(close)
        + f"\n\nMemory after it: parent {memory[0]:.0f} MB, worker {max(memory[1:], default=0):.0f} MB resident"
        " (PostgreSQL not counted).\n"
    )
