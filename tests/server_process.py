"""The real server as a process of its own, for tests that speak HTTP to it or take it down."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
ADMIN_KEY = "test-admin-key-0123456789"


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """`python -m server serve` on a free port with a data folder of its own; output goes to a file."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AISLE_")},
            "AISLE_PORT": str(self.port),
            "AISLE_DATA_DIR": str(data_dir),
            "AISLE_ADMIN_KEY": ADMIN_KEY,
            "AISLE_DRAIN_S": "0.5",
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self.log_path = data_dir.parent / f"server-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def admin(self) -> dict[str, str]:
        """The header of /admin/v1."""
        return {"Authorization": f"Bearer {self.environment['AISLE_ADMIN_KEY']}"}

    def log(self) -> str:
        """Everything the process printed so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, *, wait: bool = True, command: str = "serve") -> "ServerProcess":
        """Start it and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server", command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_s: float = 90) -> None:
        """Return when /health/ready says 200; fail with the log when it dies or never does."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            if self.ready_status() == 200:
                return
            time.sleep(0.05)
        raise AssertionError(f"the server is not ready after {timeout_s} s:\n{self.log()}")

    def ready_status(self) -> int | None:
        """The status of /health/ready, None when nobody answers."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code
        except httpx.HTTPError:
            return None

    def stop(self, signal_number: int = signal.SIGTERM, timeout_s: float = 30) -> int:
        """Send a signal, wait for the end, return the exit code."""
        if self.process is None:
            raise AssertionError("it was never started")
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.process.wait(timeout_s)

    def clean_up(self) -> None:
        """Whatever state it is in, leave nothing running."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
