"""The parent process: starts the database and the workers, replaces what dies, stops all in order."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from types import FrameType

from server import db, errors, jobs, logs, migrate
from server.data_folder import DataFolder
from server.exit_codes import CANNOT_START
from server.postgres import Postgres
from server.settings import Settings

logger = logging.getLogger(__name__)

# Connections of one worker: its pool, those for questions and for votes, the job queue, the listener for
# changes; and a few for people.
CONNECTIONS_PER_WORKER = db.CONNECTIONS + 12 + jobs.CONNECTIONS + 1
SPARE_CONNECTIONS = 20
# An external database may come up at the same time as we do.
DATABASE_PATIENCE_S = 30.0
# More deaths than this within the time, and starting again will not help.
MAX_DEATHS, DEATHS_WITHIN_S = 5, 60.0
MAX_PAUSE_S = 10.0
POLL_S = 0.2
STOP_SLACK_S = 20.0
# A lost database is back, or we are gone, within two minutes.
RESTART_TIMEOUT_S = 70.0


class GaveUp(RuntimeError):
    """Something cannot be kept running; the message says what."""


class _Stopped(BaseException):
    """A signal that came while we were starting."""


class Supervisor:
    """Runs one server until it is told to stop."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = dict(environ)
        self._folder = DataFolder(settings.data_dir)
        self._postgres: Postgres | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._missing: list[float] = []
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self._wake = threading.Event()
        self._is_starting = True
        self._is_stopping = False

    def run(self) -> int:
        """Serve; the exit code."""
        logs.configure(self._settings.log_level)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: self._wake.set())
        with ExitStack() as stack:
            try:
                self._start(stack)
                self._is_starting = False
                self._watch()
                return 0
            except _Stopped:
                return 0
            except (GaveUp, errors.NotReady, OSError, RuntimeError) as fault:
                logger.error("giving up", extra={"reason": str(fault)})
                return CANNOT_START if isinstance(fault, _CannotStart) else 1
            finally:
                self._is_starting = False

    def _start(self, stack: ExitStack) -> None:
        settings = self._settings
        logger.info(
            "starting",
            extra={
                "workers": settings.workers,
                "data": str(settings.data_dir),
                "openblas": self._environ.get("OPENBLAS_CORETYPE", "its own choice"),
            },
        )
        self._folder.create()
        host = _address(settings.host)
        port = _free_port(host, settings.port)
        self._environ["AISLE_HOST"] = host
        self._environ["AISLE_PORT"] = str(port)
        self._environ["AISLE_DATA_DIR"] = str(settings.data_dir)
        if settings.database_url is None:
            self._folder.hold()
            stack.callback(self._folder.release)
            count = settings.workers * CONNECTIONS_PER_WORKER + SPARE_CONNECTIONS
            self._postgres = Postgres(self._folder.postgres, max_connections=max(count, 100))
            stack.callback(self._postgres.stop)
            self._postgres.start()
            self._environ["AISLE_DATABASE_URL"] = self._postgres.url
        self._migrate(settings.database_url or self._environ["AISLE_DATABASE_URL"])
        self._environ["AISLE_ADMIN_KEY"] = self._admin_key()
        if settings.workers > 1 and settings.metrics_dir is None:
            metrics = tempfile.mkdtemp(prefix="aisle-metrics-")
            stack.callback(shutil.rmtree, metrics, ignore_errors=True)
            self._environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        stack.callback(self._stop_workers)
        for _ in range(settings.workers):
            self._spawn()
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"Starting on http://{shown}:{port}", flush=True)

    def _migrate(self, url: str) -> None:
        end = time.monotonic() + DATABASE_PATIENCE_S
        while True:
            try:
                asyncio.run(migrate.apply(url))
                return
            except errors.NotReady:
                if self._postgres is not None or time.monotonic() > end:
                    raise
            time.sleep(0.5)

    def _admin_key(self) -> str:
        if self._settings.admin_key is not None:
            return self._settings.admin_key
        key, is_new = self._folder.admin_key()
        if is_new:
            print(f"Admin key, shown only now, kept in {self._folder.keys / 'admin'}: {key}", flush=True)
        return key

    def _watch(self) -> None:
        """Until a signal: replace what died, within reason."""
        while not self._is_stopping:
            self._wake.wait(POLL_S)
            self._wake.clear()
            if self._is_stopping:
                return
            if self._postgres is not None and not self._postgres.is_running:
                logger.error("the database died, starting it again")
                self._count_death("the database")
                self._postgres.start(RESTART_TIMEOUT_S)
            self._check_workers()

    def _check_workers(self) -> None:
        for worker in list(self._workers):
            code = worker.poll()
            if code is None:
                continue
            self._forget(worker)
            if code == CANNOT_START:
                raise _CannotStart("a worker cannot start, see above")
            logger.error("a worker died, starting another", extra={"pid": worker.pid, "code": code})
            self._count_death("a worker")
            pause_s = min(0.25 * 2 ** len(self._deaths), MAX_PAUSE_S)
            self._missing.append(time.monotonic() + pause_s)
        due = [at for at in self._missing if at <= time.monotonic()]
        self._missing = [at for at in self._missing if at not in due]
        for _ in due:
            self._spawn()

    def _count_death(self, what: str) -> None:
        now = time.monotonic()
        if len(self._deaths) == MAX_DEATHS and now - self._deaths[0] < DEATHS_WITHIN_S:
            raise GaveUp(f"{what} died again: {MAX_DEATHS + 1} deaths within {DEATHS_WITHIN_S:.0f} s")
        self._deaths.append(now)

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "server", "serve-worker"]
        if not self._workers:
            # Nobody else answers health checks.
            command.append("--early")
        # Nothing is ever written to its input: it ends when we do.
        self._workers.append(
            subprocess.Popen(command, env=self._environ, stdin=subprocess.PIPE)  # noqa: S603
        )

    def _forget(self, worker: subprocess.Popen[bytes]) -> None:
        self._workers.remove(worker)
        if worker.stdin is not None:
            worker.stdin.close()
        if "PROMETHEUS_MULTIPROC_DIR" in self._environ:
            from prometheus_client.multiprocess import mark_process_dead

            path = self._environ["PROMETHEUS_MULTIPROC_DIR"]
            mark_process_dead(worker.pid, path)  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        """Let them drain; kill those that do not end."""
        for worker in self._workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        end = time.monotonic() + self._settings.drain_s + self._settings.request_timeout_s + STOP_SLACK_S
        for worker in list(self._workers):
            try:
                worker.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                logger.error("a worker does not stop, killing it", extra={"pid": worker.pid})
                worker.kill()
                worker.wait()
            self._forget(worker)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._is_starting:
            self._is_starting = False
            raise _Stopped
        if self._is_stopping:
            # Asked twice: hand the impatience on.
            for worker in self._workers:
                if worker.poll() is None:
                    worker.send_signal(signal.SIGTERM)
        self._is_stopping = True
        self._wake.set()


class _CannotStart(GaveUp):
    """A worker says that starting it again is no use."""


def _address(host: str) -> str:
    """The number behind a host's name: that is what can be listened on."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as fault:
        raise _CannotStart(
            f"AISLE_HOST {host!r} is not an address of this machine: {fault.strerror}"
        ) from fault
    return str(found[0][4][0])


def _free_port(host: str, port: int) -> int:
    """The port to listen on, chosen now when it is 0; `GaveUp` when somebody else has it.

    Workers share the port by an option that would also let two servers share it unnoticed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            raise _CannotStart(f"cannot listen on {host}:{port}: {fault.strerror}") from fault
        chosen: int = probe.getsockname()[1]
        return chosen


def run(settings: Settings, environ: Mapping[str, str]) -> int:
    """Serve until told to stop; the exit code."""
    return Supervisor(settings, environ).run()
