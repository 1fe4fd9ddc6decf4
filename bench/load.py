"""A closed-loop HTTP load generator in a process of its own, and servers started as processes for it.

Each of N clients keeps one connection and sends the next request as soon as the last answer is complete.
Requests are rendered to bytes before the clock starts, answers are read by a few lines of our own on uvloop,
so that the generator takes little of the machine it shares with the server: `generator_cpu_s` says how much.

    python -m bench.load --url http://127.0.0.1:8000/vision/v1/embed --body picture.jpg --clients 8
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import click
import msgspec
import numpy as np
import uvloop

ROOT = Path(__file__).parent.parent


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """One request to repeat: its body and the headers beside Host and Content-Length."""

    data: bytes
    headers: dict[str, str] = {}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to send and for how long; the clients take the bodies in turn."""

    url: str
    bodies: list[Body]
    clients: int
    warm_up_s: float = 1.0
    duration_s: float = 3.0
    # A good answer is status 200 and, where a length is given, exactly this many bytes.
    answer_bytes: int | None = None
    keep_answers: bool = False


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients saw between the end of the warm-up and the end of the run; times in milliseconds."""

    clients: int
    duration_s: float
    times_ms: list[float]
    errors: int
    first_error: str | None
    distinct_answers: list[bytes]
    server_timing: list[str]
    generator_cpu_s: float
    answers: list[bytes]

    @property
    def per_second(self) -> float:
        return len(self.times_ms) / self.duration_s

    def percentile_ms(self, percent: float) -> float:
        return float(np.percentile(self.times_ms, percent)) if self.times_ms else float("nan")


class _Client(asyncio.Protocol):
    """One keep-alive connection: writes a request, reads the whole answer, writes the next."""

    def __init__(self, run: _Run, offset: int) -> None:
        self._run = run
        self._turn = offset
        self._buffer = bytearray()
        self._needed = 0
        self._body_at = 0
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._buffer.clear()
        self._needed = 0
        requests = self._run.requests
        self._sent_at = time.perf_counter()
        self._transport.write(requests[self._turn % len(requests)])
        self._turn += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._body_at = end + 4
            length = _content_length(bytes(self._buffer[:end]))
            if length is None:
                self._run.failed(f"an answer without Content-Length: {bytes(self._buffer[:end])!r}")
                return
            self._needed = self._body_at + length
        if len(self._buffer) >= self._needed:
            self._run.answered(
                self._sent_at, bytes(self._buffer[: self._body_at]), bytes(self._buffer[self._body_at :])
            )
            if not self._run.is_over:
                self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.is_over:
            self._run.lost(exc)


def _content_length(head: bytes) -> int | None:
    value = _header(head, b"content-length")
    return int(value) if value else None


class _Run:
    """The shared record of one job; counts the answers that end between the warm-up and the end."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.is_over = False
        self.requests = [_rendered(job.url, body) for body in job.bodies]
        self.starts_at = float("inf")
        self.times_ms: list[float] = []
        self.errors = 0
        self.first_error: str | None = None
        self.distinct: set[bytes] = set()
        self.server_timing: list[str] = []
        self.answers: list[bytes] = []

    def answered(self, sent_at: float, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        if now < self.starts_at or self.is_over:
            return
        wrong_length = self.job.answer_bytes is not None and len(body) != self.job.answer_bytes
        if head[9:12] != b"200" or wrong_length:
            self.failed(f"{head[:15]!r}, {len(body)} bytes: {body[:200]!r}")
            return
        self.times_ms.append((now - sent_at) * 1e3)
        if len(self.distinct) < 64:
            self.distinct.add(body)
        if self.job.keep_answers:
            self.answers.append(body)
            self.server_timing.append(_header(head, b"server-timing"))

    def lost(self, exc: Exception | None) -> None:
        self.failed(f"connection lost: {exc!r}")

    def failed(self, why: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or why


def _header(head: bytes, name: bytes) -> str:
    at = head.lower().find(b"\r\n" + name + b":")
    return head[at + len(name) + 3 :].split(b"\r\n", 1)[0].strip().decode() if at >= 0 else ""


def _rendered(url: str, body: Body) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body.data)}"]
    head += [f"{name}: {value}" for name, value in body.headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body.data


async def _drive(job: Job) -> Load:
    run = _Run(job)
    parts = urlsplit(job.url)
    loop = asyncio.get_running_loop()
    assert parts.hostname is not None and parts.port is not None
    transports = []
    for number in range(job.clients):
        transport, _ = await loop.create_connection(partial(_Client, run, number), parts.hostname, parts.port)
        transports.append(transport)
    await asyncio.sleep(job.warm_up_s)
    cpu = _cpu_s()
    run.starts_at = time.perf_counter()
    await asyncio.sleep(job.duration_s)
    run.is_over = True
    duration_s, used_s = time.perf_counter() - run.starts_at, _cpu_s() - cpu
    for transport in transports:
        transport.abort()
    return Load(
        clients=job.clients,
        duration_s=duration_s,
        times_ms=run.times_ms,
        errors=run.errors,
        first_error=run.first_error,
        distinct_answers=sorted(run.distinct),
        server_timing=run.server_timing,
        generator_cpu_s=used_s,
        answers=run.answers,
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(job: Job) -> Load:
    """The job in a fresh process; raises if it gave no answer."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", "--job"],
        input=msgspec.msgpack.encode(job),
        capture_output=True,
        cwd=ROOT,
        timeout=60 + job.warm_up_s + job.duration_s,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-2000:])
    return msgspec.msgpack.decode(done.stdout, type=Load)


def median(loads: Sequence[Load]) -> Load:
    """The round in the middle by throughput: a whole round, so that its percentiles belong together."""
    return sorted(loads, key=lambda load: load.per_second)[len(loads) // 2]


@click.command()
@click.option("--job", is_flag=True, help="Read a msgpack Job from stdin, write a msgpack Load to stdout.")
@click.option("--url", default="http://127.0.0.1:8000/vision/v1/embed")
@click.option("--body", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--header", multiple=True, help="name: value; may be repeated")
@click.option("--clients", default=8, show_default=True)
@click.option("--warm-up-s", default=1.0, show_default=True)
@click.option("--duration-s", default=5.0, show_default=True)
def main(
    job: bool,
    url: str,
    body: Path | None,
    header: tuple[str, ...],
    clients: int,
    warm_up_s: float,
    duration_s: float,
) -> None:
    """Send one body again and again, and print what the clients saw."""
    if job:
        load = uvloop.run(_drive(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)))
        sys.stdout.buffer.write(msgspec.msgpack.encode(load))
        return
    if body is None:
        raise click.UsageError("--body is needed")
    headers = {"Content-Type": "image/jpeg"} | dict(line.split(": ", 1) for line in header)
    bodies = [Body(data=body.read_bytes(), headers=headers)]
    load = uvloop.run(
        _drive(Job(url=url, bodies=bodies, clients=clients, warm_up_s=warm_up_s, duration_s=duration_s))
    )
    points = ", ".join(f"p{p} {load.percentile_ms(p):.1f} ms" for p in (50, 95, 99))
    click.echo(f"{load.per_second:.1f} req/s, {points}, {load.errors} errors {load.first_error or ''}")


if __name__ == "__main__":
    main()
