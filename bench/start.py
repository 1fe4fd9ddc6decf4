"""How long the server takes from the command to ready, and how much memory it holds when idle."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

STARTS = 4
READY_WITHIN_S = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_mb(pid: int) -> float:
    """Resident memory of one process in MB, files mapped by it included."""
    line = next(
        row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def python_children(pid: int) -> list[int]:
    """The worker processes below the server's parent process (PostgreSQL's own are left out)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == pid and b"server" in command and b"postgres" not in command:
            found.append(int(status.parent.name))
    return found


def start_once(data_dir: str) -> tuple[float, float, float]:
    """Seconds from the command to ready, and the resident MB of the parent and of its worker."""
    port = free_port()
    environment = os.environ | {"AISLE_DATA_DIR": data_dir, "AISLE_PORT": str(port), "AISLE_DRAIN_S": "0"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not is_ready(port):
            if process.poll() is not None or time.perf_counter() - began > READY_WITHIN_S:
                raise RuntimeError("the server did not become ready")
            time.sleep(0.02)
        ready_s = time.perf_counter() - began
        time.sleep(2)
        workers = python_children(process.pid)
        return ready_s, resident_mb(process.pid), max(map(resident_mb, workers), default=0.0)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def run() -> str:
    with tempfile.TemporaryDirectory() as data_dir:
        rows = [start_once(data_dir) for _ in range(STARTS)]
    later = rows[1:]
    return (
        "## Start and idle memory\n\n"
        f"{STARTS} starts on one data directory; the first one also creates the database. The numba cache\n"
        "is warm after it.\n\n"
        "| | first | later, median |\n|---|---|---|\n"
        f"| command to ready, s | {rows[0][0]:.2f} | {statistics.median(r[0] for r in later):.2f} |\n"
        f"| parent process, MB resident | {rows[0][1]:.0f} | {statistics.median(r[1] for r in later):.0f} |\n"
        f"| worker process, MB resident | {rows[0][2]:.0f} | {statistics.median(r[2] for r in later):.0f} |\n"
    )
