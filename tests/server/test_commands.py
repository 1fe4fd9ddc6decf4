"""The commands: what they print, and how they fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import ROOT

COMMANDS = ("serve", "worker", "demo", "check", "migrate", "import", "export", "key", "models", "index")


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_help_lists_every_command() -> None:
    done = command("--help")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert set(COMMANDS) <= set(listed) and "serve-worker" not in listed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = command(name, "--help")
    assert done.returncode == 0 and "Usage:" in done.stdout


def test_a_bad_setting_is_one_line_that_names_it() -> None:
    done = command("check", AISLE_PORT="http")
    assert done.returncode != 0 and "AISLE_PORT" in done.stderr and "Traceback" not in done.stderr


def test_keys_are_made_listed_and_revoked(tmp_path: Path, database_url: str) -> None:
    environment = {"AISLE_DATA_DIR": str(tmp_path / "data"), "AISLE_DATABASE_URL": database_url}
    made = command("key", "create", "vision", "--scope", "read", **environment)
    assert made.returncode == 0 and '"scopes":["read"]' in made.stdout
    listed = command("key", "list", **environment).stdout
    key_id = made.stdout.split('"')[3]
    assert key_id in listed and made.stdout.split('"')[7] not in listed
    assert command("key", "delete", key_id, **environment).returncode == 0
    again = command("key", "delete", key_id, **environment)
    assert again.returncode != 0 and "No such key" in again.stderr


def test_a_database_that_is_not_there_is_told_in_a_line(tmp_path: Path) -> None:
    environment = {"AISLE_DATA_DIR": str(tmp_path), "AISLE_DATABASE_URL": "postgresql://x@/x?host=/nowhere"}
    done = command("migrate", **environment)
    assert done.returncode != 0 and "not reachable" in done.stderr and "Traceback" not in done.stderr


def test_check_says_what_a_server_would_have(tmp_path: Path, database_url: str) -> None:
    environment = {"AISLE_DATA_DIR": str(tmp_path / "data"), "AISLE_DATABASE_URL": database_url}
    done = command("check", **environment)
    assert done.returncode == 0, done.stderr
    assert "network stub: numpy" in done.stdout and "Ready." in done.stdout


def test_an_unknown_kind_to_import_names_the_known_ones(tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n")
    environment = {"AISLE_DATA_DIR": str(tmp_path / "data"), "AISLE_DATABASE_URL": database_url}
    done = command("import", "unheard-of", str(file), **environment)
    assert done.returncode != 0 and "known kinds" in done.stderr


def test_snapshots_are_built_and_verified(tmp_path: Path, database_url: str) -> None:
    environment = {"AISLE_DATA_DIR": str(tmp_path / "data"), "AISLE_DATABASE_URL": database_url}
    built = command("index", "build", **environment)
    assert built.returncode == 0, built.stderr
    assert command("index", "verify", **environment).returncode == 0
    damaged = tmp_path / "data" / "snapshots" / "search-0123"
    damaged.mkdir(parents=True)
    verified = command("index", "verify", **environment)
    assert verified.returncode == 1 and verified.stdout.startswith("0123: refused: no snapshot")
