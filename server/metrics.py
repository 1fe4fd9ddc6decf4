"""What the server counts and times, in a registry of its own, in Prometheus' text format.

With several workers each process writes memory-mapped files in one folder and whoever is asked adds them up,
so a scrape that lands on any worker sees the whole server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from litestar import MediaType, Response, Router, get
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = "text/plain; version=0.0.4"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

# Seconds by stage of the request being answered, for its Server-Timing header; None outside a request.
request_stages: ContextVar[dict[str, float] | None] = ContextVar("request_stages", default=None)


class Metrics:
    """All counters of one process. Safe to call from any thread."""

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
        registry = self._registry = CollectorRegistry()
        if shared is None:
            ProcessCollector(registry=registry)
        self.in_flight = Gauge(
            "aisle_requests_in_flight",
            "Requests being answered, without health checks and scrapes",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.requests = Counter(
            "aisle_requests", "Answers by part of the API and status", ["part", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "aisle_request_seconds", "Time to answer", ["part"], buckets=SECONDS, registry=registry
        )
        self._stage_seconds = Histogram(
            "aisle_stage_seconds", "Time by stage", ["stage"], buckets=SECONDS, registry=registry
        )
        self._batch_size = Histogram(
            "aisle_batch_size", "Items a network ran at once", ["network"], buckets=SIZES, registry=registry
        )
        self._batch_wait = Histogram(
            "aisle_batch_wait_seconds",
            "How long the oldest item waited",
            ["network"],
            buckets=SECONDS,
            registry=registry,
        )
        self._batches = Counter(
            "aisle_batches", "Batches by why they were closed", ["network", "reason"], registry=registry
        )
        self._queue_depth = Gauge(
            "aisle_queue_depth",
            "Work that waits",
            ["queue"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._rejected = Counter(
            "aisle_images_rejected", "Images refused by reason", ["reason"], registry=registry
        )
        self.loop_lag = Histogram(
            "aisle_event_loop_lag_seconds",
            "How late the event loop woke up",
            buckets=SECONDS,
            registry=registry,
        )
        self.jobs = Counter(
            "aisle_jobs", "Background jobs by kind and outcome", ["kind", "outcome"], registry=registry
        )
        # The histogram of each stage: finding it by its label takes as long as counting.
        self._stages: dict[str, Histogram] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as a stage of the request, whether it succeeds or not."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.observe(name, time.perf_counter() - start)

    def observe(self, stage: str, seconds: float) -> None:
        """Count seconds spent in a stage; repeated stages of a request add up in its Server-Timing."""
        histogram = self._stages.get(stage)
        if histogram is None:
            histogram = self._stages[stage] = self._stage_seconds.labels(stage)
        histogram.observe(seconds)
        stages = request_stages.get()
        if stages is not None:
            stages[stage] = stages.get(stage, 0.0) + seconds

    def rejected(self, reason: str) -> None:
        """Count an image that was refused."""
        self._rejected.labels(reason).inc()

    def observe_batch(self, network: str, size: int, waited_s: float, reason: str) -> None:
        """Count a batch: items, wait of the oldest, and why it was closed ("full", "idle", "late")."""
        self._batch_size.labels(network).observe(size)
        self._batch_wait.labels(network).observe(waited_s)
        self._batches.labels(network, reason).inc()

    def queue_depth(self, queue: str, depth: int) -> None:
        """How much waits in a queue now."""
        self._queue_depth.labels(queue).set(depth)

    def render(self) -> bytes:
        """The exposition text: of all workers when they share a folder."""
        if self._shared is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together, path=str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(together)


def router(metrics: Metrics) -> Router:
    """What Prometheus scrapes."""

    @get("/metrics", summary="Counters of all workers together", media_type=MediaType.TEXT)
    async def scrape() -> Response[bytes]:
        text = await asyncio.to_thread(metrics.render)
        return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE)

    return Router("/", route_handlers=[scrape], tags=["operation"])
