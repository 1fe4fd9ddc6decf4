"""The real server as a process: start, stop, drain, take over, recover."""

import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from server import postgres
from tests.server_process import ROOT, ServerProcess, free_port

Make = Callable[..., ServerProcess]

pytestmark = [pytest.mark.xdist_group("server-process"), pytest.mark.timeout(300)]


def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Worker processes of a supervisor."""
    found = subprocess.run(
        ["pgrep", "-P", str(pid), "-f", "serve-worker"], capture_output=True, text=True, check=False
    )
    return [int(number) for number in found.stdout.split()]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_answers_and_ends_cleanly(server_process: Make, signal_number: signal.Signals) -> None:
    server = server_process().start()
    assert server.process is not None
    workers = children(server.process.pid)
    assert httpx.get(f"{server.url}/health/live").json() == {"status": "live"}
    assert httpx.get(f"{server.url}/schema/openapi.json").status_code == 200
    made = httpx.post(f"{server.url}/admin/v1/keys", json={"product": "search"}, headers=server.admin)
    assert made.status_code == 201
    assert server.stop(signal_number) == 0
    assert not postgres.is_alive(server.data_dir / "postgres")
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert "Traceback" not in server.log()


def test_ctrl_c_in_a_terminal_reaches_every_process_and_still_ends_cleanly(server_process: Make) -> None:
    server = server_process().start()
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(30) == 0
    assert not postgres.is_alive(server.data_dir / "postgres")
    assert "Traceback" not in server.log()


def test_a_signal_during_the_start_ends_it_too(server_process: Make) -> None:
    server = server_process().start(wait=False)
    until(lambda: (server.data_dir / ".lock").exists())
    time.sleep(0.3)
    assert server.stop() == 0
    assert not postgres.is_alive(server.data_dir / "postgres")


def test_the_admin_key_is_printed_once_and_kept(server_process: Make) -> None:
    server = server_process(AISLE_ADMIN_KEY="").start()
    server.stop()
    key = (server.data_dir / "keys" / "admin").read_text().strip()
    assert server.log().count(key) == 1
    server.start()
    answer = httpx.get(f"{server.url}/admin/v1/keys", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200 and server.log().count(key) == 1


def test_no_request_is_dropped_while_it_drains(server_process: Make) -> None:
    server = server_process(AISLE_DRAIN_S="2").start()
    statuses: list[int] = []
    closed: list[bool] = []
    draining = threading.Event()
    stop_at = [time.monotonic() + 60]

    def ask() -> None:
        with httpx.Client() as http:
            while time.monotonic() < stop_at[0]:
                answer = http.get(f"{server.url}/admin/v1/keys", headers=server.admin)
                statuses.append(answer.status_code)
                if draining.is_set():
                    closed.append(answer.headers.get("connection") == "close")

    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        running = [clients.submit(ask) for _ in range(4)]
        until(lambda: len(statuses) > 20)
        # New connections may be refused in the last half second only.
        stop_at[0] = time.monotonic() + 1.4
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.ready_status() == 503, 1.0)
        draining.set()
        for done in running:
            done.result()
    assert set(statuses) == {200} and closed[4:] and all(closed[4:])
    assert server.process.wait(30) == 0


def test_a_long_answer_is_finished_before_the_end(server_process: Make) -> None:
    """A body that is still being sent when the drain is over is read to its end and answered."""
    server = server_process(AISLE_DRAIN_S="0.2").start()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        body = b'{"product":"search"}'
        client.sendall(
            b"POST /admin/v1/keys HTTP/1.1\r\nHost: test\r\nAuthorization: "
            + server.admin["Authorization"].encode()
            + b"\r\nContent-Length: "
            + str(len(body)).encode()
            + b"\r\n\r\n"
        )
        until(lambda: "aisle_requests_in_flight 1.0" in httpx.get(f"{server.url}/metrics").text)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1.0)
        client.sendall(body)
        assert client.recv(12) == b"HTTP/1.1 201"
    assert server.process.wait(30) == 0


def test_after_a_kill_the_next_start_takes_over(server_process: Make) -> None:
    server = server_process().start()
    made = httpx.post(f"{server.url}/admin/v1/keys", json={"product": "search"}, headers=server.admin).json()
    assert server.process is not None
    workers = children(server.process.pid)
    server.stop(signal.SIGKILL)
    server.start()
    listed = httpx.get(f"{server.url}/admin/v1/keys", headers=server.admin).json()["keys"]
    assert [key["id"] for key in listed] == [made["id"]]
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_lost_database_is_told_at_once_and_comes_back(server_process: Make) -> None:
    server = server_process().start()
    until(lambda: server.ready_status() == 200)
    pid = int((server.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert server.ready_status() == 503
    answer = httpx.get(f"{server.url}/admin/v1/keys", headers=server.admin)
    assert answer.status_code in (200, 503)
    server.wait_ready(120)
    assert httpx.get(f"{server.url}/admin/v1/keys", headers=server.admin).status_code == 200


def test_workers_share_the_port_the_metrics_and_the_keys(server_process: Make) -> None:
    server = server_process(AISLE_WORKERS="2").start()
    assert server.process is not None
    until(lambda: len(children(server.process.pid)) == 2)  # type: ignore[union-attr]
    made = httpx.post(f"{server.url}/admin/v1/keys", json={"product": "vision"}, headers=server.admin).json()
    for _ in range(20):
        assert httpx.get(f"{server.url}/admin/v1/keys", headers=server.admin).status_code == 200
    text = httpx.get(f"{server.url}/metrics").text
    counted = [line for line in text.splitlines() if line.startswith("aisle_requests_total")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) >= 21
    assert "aisle_requests_in_flight 0.0" in text
    assert httpx.delete(f"{server.url}/admin/v1/keys/{made['id']}", headers=server.admin).status_code == 204
    for _ in range(10):
        assert httpx.get(f"{server.url}/admin/v1/keys", headers=server.admin).json() == {"keys": []}


def test_a_worker_beside_others_takes_no_request_before_it_is_ready(server_process: Make) -> None:
    server = server_process(AISLE_WORKERS="2").start()
    assert server.process is not None
    statuses: set[int] = set()

    def ask(ready: int) -> None:
        """Until that many workers have said that they are ready."""
        while server.log().count('"message":"ready"') < ready:
            # The first new connection after a kill may still be one that the dead worker had queued.
            with contextlib.suppress(httpx.TransportError):
                statuses.add(httpx.get(f"{server.url}/admin/v1/keys", headers=server.admin).status_code)
            time.sleep(0.02)

    ask(2)
    os.kill(children(server.process.pid)[0], signal.SIGKILL)
    ask(3)
    assert statuses == {200}


def test_a_worker_that_dies_is_replaced(server_process: Make) -> None:
    server = server_process().start()
    assert server.process is not None
    (worker,) = children(server.process.pid)
    os.kill(worker, signal.SIGKILL)
    until(lambda: children(server.process.pid) not in ([], [worker]))  # type: ignore[union-attr]
    server.wait_ready()
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"AISLE_PORT": "http"}, "AISLE_PORT"),
        ({"AISLE_REQUIRE_GPU": "1", "AISLE_PROVIDERS": "cpu"}, "AISLE_REQUIRE_GPU"),
        ({"AISLE_DATABASE_URL": "postgresql://x@/x?host=/nowhere"}, "database"),
    ],
)
def test_what_cannot_work_ends_with_a_reason(
    server_process: Make, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], reason: str
) -> None:
    server = server_process(**environment).start(wait=False)
    assert server.process is not None
    assert server.process.wait(60) not in (0, None)
    assert reason in server.log()


def test_a_port_in_use_is_refused(server_process: Make) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        server = server_process(AISLE_PORT=str(other.getsockname()[1])).start(wait=False)
        assert server.process is not None
        assert server.process.wait(60) != 0
    assert "cannot listen" in server.log()


def test_two_servers_do_not_share_a_data_folder(server_process: Make) -> None:
    first = server_process().start()
    second = server_process(first.data_dir).start(wait=False)
    assert second.process is not None
    assert second.process.wait(60) != 0 and "used by another server" in second.log()
    assert first.ready_status() == 200


def test_commands_work_beside_a_running_server(server_process: Make) -> None:
    server = server_process().start()

    def command(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            cwd=ROOT,
            env=server.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    made = httpx.Response(200, content=command("key", "create", "search", "--name", "cli")).json()
    listed = httpx.get(f"{server.url}/admin/v1/keys", headers=server.admin).json()["keys"]
    assert [key["id"] for key in listed] == [made["id"]]
    assert made["id"] in command("key", "list")
    command("key", "delete", made["id"])
    assert "up to date" in command("migrate")


def test_a_worker_of_its_own_runs_beside_the_server_and_ends_cleanly(server_process: Make) -> None:
    server = server_process().start()
    worker = server_process(server.data_dir).start(wait=False, command="worker")
    assert worker.process is not None
    until(lambda: '"message":"ready"' in worker.log())
    assert worker.stop() == 0
    assert server.ready_status() == 200
