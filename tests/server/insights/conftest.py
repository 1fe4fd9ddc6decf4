"""A worker of the insights for each test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.db import Database
from tests.server.insights import worker as workers
from tests.server.insights.worker import Worker

StartWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def start_worker(database_url: str, tmp_path: Path) -> StartWorker:
    """`async with start_worker(count_cap=100) as worker:`; every worker of a test shares the database."""

    def start(**options: Any) -> AbstractAsyncContextManager[Worker]:
        return workers.start(database_url, tmp_path / "data", **options)

    return start


@pytest.fixture
async def worker(start_worker: StartWorker) -> AsyncIterator[Worker]:
    """A worker with the default settings."""
    async with start_worker() as started:
        yield started


@pytest.fixture
def http(worker: Worker) -> httpx.AsyncClient:
    """HTTP to that worker."""
    return worker.http


@pytest.fixture
def database(worker: Worker) -> Database:
    """Its database."""
    return worker.database
