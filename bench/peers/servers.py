"""Starts a peer, or Aisle itself, as a session of processes; measures their memory and CPU time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# Not below bench/: the rules of the house are checked on every Python file there.
ENVIRONMENTS = ROOT / ".venvs"
START_S = 120


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A way to start one server: the command, and what it reads from the environment."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path = HERE


class Running:
    """A started server; its CPU time and memory are those of its whole process group."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port

    def cpu_s(self) -> float:
        tick = os.sysconf("SC_CLK_TCK")
        return sum(sum(map(int, fields[11:15])) for fields in self._stats()) / tick

    def memory_mb(self) -> float:
        """Resident memory; pages shared between the group's processes are counted in proportion."""
        total_kb = 0
        for fields in self._stats():
            with contextlib.suppress(OSError):
                rollup = Path(f"/proc/{fields[-1]}/smaps_rollup").read_text()
                total_kb += next(
                    int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
                )
        return total_kb / 1024

    def _stats(self) -> Iterator[list[str]]:
        """The fields of /proc/PID/stat after the name, then the PID, for every process of the session."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text()
            except OSError:
                continue
            fields = text.rsplit(")", 1)[1].split()
            if int(fields[3]) == self._process.pid:
                yield [*fields, path.parent.name]


def python_of(peer: str) -> Path:
    """The interpreter of the peer's own environment, made from its pinned list on first use."""
    python = ENVIRONMENTS / peer / "bin" / "python"
    wanted = HERE / f"requirements-{peer}.txt"
    done = ENVIRONMENTS / peer / "installed.txt"
    if not done.exists() or done.read_text() != wanted.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENTS / peer)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", str(wanted)]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        done.write_text(wanted.read_text())
    return python


def peer(name: str, script: str, options: Mapping[str, str]) -> Server:
    library = script.removesuffix("_peer.py")
    command = (str(python_of(library)), script)
    return Server(
        name=name, command=command, environment={f"PEER_{key}": value for key, value in options.items()}
    )


@contextlib.contextmanager
def started(server: Server, probes: Sequence[str]) -> Iterator[Running]:
    """The server in a session of its own, which ends after; yields once every probe path answers."""
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            server.command,
            cwd=server.folder,
            env={**os.environ, **_with_port(server.environment, port)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if not _is_up(process, port, probes):
                log.seek(0)
                raise RuntimeError(
                    f"{server.name} did not start: {log.read()[-2000:].decode(errors='replace')}"
                )
            yield Running(process, port)
        finally:
            _stop(process)


def _with_port(environment: Mapping[str, str], port: int) -> dict[str, str]:
    ports = {name: str(port) for name in ("PEER_PORT", "MOSEC_PORT", "AISLE_PORT")}
    return {**environment, **ports, "MOSEC_LOG_LEVEL": "warning", "MOSEC_ADDRESS": "127.0.0.1"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _is_up(process: subprocess.Popen[bytes], port: int, probes: Sequence[str]) -> bool:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            for path in probes:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                    pass
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the group, and SIGKILL to what is left of it: LitServe leaves children behind."""
    for number, wait_s in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(wait_s)
