"""The parent process: what it refuses before anything starts, and when it gives up."""

import socket
from pathlib import Path

import pytest

from server import supervisor
from server.settings import Settings
from server.supervisor import GaveUp, Supervisor


def made(tmp_path: Path) -> Supervisor:
    return Supervisor(Settings(data_dir=tmp_path), {})


def test_port_zero_becomes_a_free_one() -> None:
    port = supervisor._free_port("127.0.0.1", 0)
    assert port > 0 and supervisor._free_port("127.0.0.1", port) == port


def test_a_port_that_somebody_has_is_refused_even_when_sharing_would_work() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(GaveUp, match=r"cannot listen on 127\.0\.0\.1"):
            supervisor._free_port("127.0.0.1", other.getsockname()[1])


def test_a_few_deaths_are_borne_and_many_in_a_row_are_not(tmp_path: Path) -> None:
    parent = made(tmp_path)
    for _ in range(supervisor.MAX_DEATHS):
        parent._count_death("a worker")
    with pytest.raises(GaveUp, match="a worker died again"):
        parent._count_death("a worker")


def test_deaths_long_ago_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = made(tmp_path)
    now = [0.0]
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now[0])
    for _ in range(3 * supervisor.MAX_DEATHS):
        parent._count_death("a worker")
        now[0] += supervisor.DEATHS_WITHIN_S / supervisor.MAX_DEATHS + 1
