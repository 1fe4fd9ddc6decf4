"""A worker of the image search for each test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from kernels.warm import warm
from tests.server.search import worker as workers
from tests.server.search.worker import Tenant, Worker

StartWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture(scope="session")
def compiled() -> None:
    """The kernels compiled, as the server has them before it is ready."""
    warm()


@pytest.fixture
def start_worker(database_url: str, tmp_path: Path, compiled: None) -> StartWorker:
    """`async with start_worker(quotas=...) as worker:`; every worker of a test shares database and blobs."""

    def start(**options: Any) -> AbstractAsyncContextManager[Worker]:
        return workers.start(database_url, tmp_path / "blobs", **options)

    return start


@pytest.fixture
async def worker(start_worker: StartWorker) -> AsyncIterator[Worker]:
    """A worker with the default settings."""
    async with start_worker() as started:
        yield started


@pytest.fixture
async def tenant(worker: Worker) -> Tenant:
    """A tenant with a key of both scopes."""
    return await worker.tenant()
