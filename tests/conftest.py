"""Fixtures that every test folder may use."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import msgspec
import pytest

from server.db import Database
from server.settings import Settings
from tests.postgres_cluster import Cluster
from tests.server_process import ADMIN_KEY, ROOT, ServerProcess

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

ClientFactory = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of sample pictures beside the checkout; the test is skipped without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return folder


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The PostgreSQL of this test run."""
    folder = tmp_path_factory.getbasetemp()
    # Worker processes of one run share the folder above their own.
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    cluster = Cluster(folder / "cluster")
    yield cluster
    cluster.stop()


@pytest.fixture
async def database_url(cluster: Cluster) -> AsyncIterator[str]:
    """The address of a fresh migrated database, dropped afterwards."""
    name = await cluster.create()
    yield cluster.url(name)
    await cluster.drop(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh migrated database, open."""
    database = Database(database_url, connections=5)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a server with that database and a data folder of its own."""
    return Settings(database_url=database_url, data_dir=tmp_path / "data", admin_key=ADMIN_KEY, port=0)


@pytest.fixture
def client(settings: Settings) -> ClientFactory:
    """`async with client(vision_open=True) as http:` starts the whole app in this process."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        from server.app import create_app

        app = create_app(msgspec.structs.replace(settings, **changes))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://test.local", timeout=60) as http,
        ):
            yield http

    return start


@pytest.fixture
def admin() -> dict[str, str]:
    """The header that opens /admin/v1."""
    return {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def server_process(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """`server_process(AISLE_WORKERS="2")` makes a real server with a database of its own, not yet started."""
    made: list[ServerProcess] = []

    def make(data_dir: Path | None = None, **environment: str) -> ServerProcess:
        server = ServerProcess(data_dir or tmp_path / "data", **environment)
        made.append(server)
        return server

    yield make
    for server in made:
        server.clean_up()
