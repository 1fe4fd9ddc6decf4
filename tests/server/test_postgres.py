"""The embedded database: made once, taken over after any end, never left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from server import postgres
from server.postgres import Postgres, PostgresFailed
from tests.server_process import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from server.postgres import Postgres
server = Postgres(Path(sys.argv[1]))
server.start()
print(server.url, flush=True)
time.sleep(600)
"""


async def answers(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


def gone(folder: Path, timeout_s: float = 30) -> bool:
    end = time.monotonic() + timeout_s
    while postgres.is_alive(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not postgres.is_alive(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cluster for these tests: making it is the slow part."""
    return tmp_path_factory.mktemp("embedded") / "postgres"


@pytest.mark.xdist_group("embedded-postgres")
class TestEmbedded:
    async def test_it_starts_answers_stops_and_starts_again(self, folder: Path) -> None:
        server = Postgres(folder)
        for _ in range(2):
            server.start()
            assert server.is_running and await answers(server.url)
            server.stop()
            assert not server.is_running and gone(folder)
        assert not folder.with_name("postgres.new").exists()

    async def test_it_does_not_outlive_a_killed_parent(self, folder: Path) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        assert await answers(holder.stdout.readline().decode().strip())
        holder.kill()
        holder.wait()
        holder.stdout.close()
        if sys.platform == "linux":
            assert gone(folder)
        server = Postgres(folder)
        server.start()
        assert await answers(server.url)
        server.stop()

    async def test_after_a_kill_of_the_database_the_next_start_recovers(self, folder: Path) -> None:
        server = Postgres(folder)
        server.start()
        os.kill(int((folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        while server.is_running:
            time.sleep(0.01)
        server.start()
        assert await answers(server.url)
        server.stop()

    async def test_a_stale_process_number_that_now_is_somebody_else_is_no_rival(self, folder: Path) -> None:
        lines = [str(os.getpid()), str(folder), "1", "5432", str(folder), "", "  1  1", "ready   "]
        (folder / "postmaster.pid").write_text("\n".join(lines))
        server = Postgres(folder)
        server.start()
        assert await answers(server.url)
        server.stop()

    async def test_a_server_left_running_is_stopped_first(self, folder: Path) -> None:
        first, second = Postgres(folder), Postgres(folder)
        first.start()
        second.start()
        assert not first.is_running and await answers(second.url)
        second.stop()

    def test_a_half_made_cluster_is_made_again(self, tmp_path: Path) -> None:
        aside = tmp_path / "postgres.new"
        aside.mkdir()
        (aside / "PG_VERSION").write_text("18\n")
        server = Postgres(tmp_path / "postgres")
        server.start()
        assert server.is_running
        server.stop()

    def test_a_folder_of_something_else_is_left_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "postgres"
        folder.mkdir()
        (folder / "holiday.jpg").touch()
        with pytest.raises(PostgresFailed, match="not a PostgreSQL folder"):
            Postgres(folder).start()
        assert [path.name for path in folder.iterdir()] == ["holiday.jpg"]


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    short, long = tmp_path / "p", tmp_path / ("x" * 120)
    assert str(short).replace("/", "%2F") in postgres.socket_url(short)
    assert len(postgres.socket_url(long)) < 120 and "xxx" not in postgres.socket_url(long)
