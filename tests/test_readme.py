"""The README's shell blocks are run as written, against a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server_process import ROOT, ServerProcess

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.S)


@pytest.fixture
def run(server_process: Callable[..., ServerProcess]) -> Callable[[str], str]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = server_process().start()

    def execute(script: str) -> str:
        environment = {**server.environment, "HOST": server.url}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return execute


def last_json(output: str) -> dict[str, object]:
    """The last JSON object that a block printed."""
    decoder, position, found = json.JSONDecoder(), 0, {}
    while (position := output.find("{", position)) >= 0:
        found, position = decoder.raw_decode(output, position)
    return found


def test_the_block_on_own_objects_finds_the_tea_in_the_photo(run: Callable[[str], str]) -> None:
    (block,) = (block for block in BLOCKS if "My packs" in block)
    answer = last_json(run(block))
    assert [result["item"]["name"] for result in answer["results"]] == ["Green tea"]
    assert len(answer["results"][0]["bbox"]) == 4


def test_the_block_on_the_hot_path_gives_an_embedding(run: Callable[[str], str]) -> None:
    (block,) = (block for block in BLOCKS if "vision/v1" in block)
    answer = last_json(run(block))
    assert answer["model"] == "aisle-encoder"
    assert len(answer["results"][0]["embedding"]) == 512


def test_the_block_on_questions_ends_with_an_accepted_label(run: Callable[[str], str]) -> None:
    (block,) = (block for block in BLOCKS if "questions/" in block)
    printed = run(block)
    assert '"status":"updated"' in printed
    assert "en:eu-organic" in json.dumps(last_json(printed))


def test_every_shell_block_is_covered_by_a_test() -> None:
    assert len(BLOCKS) == 3


def test_every_variable_of_the_table_is_read_by_the_settings() -> None:
    settings = (ROOT / "server" / "settings.py").read_text()
    documented = README + (ROOT / "docs" / "insights.md").read_text()
    for name in re.findall(r"`(AISLE_\w+)`", documented):
        assert f'"{name}"' in settings, name


def test_every_command_the_readme_names_exists() -> None:
    listed = re.search(r"lists the commands: `([a-z ]+)`", README)
    shown = subprocess.run(
        [sys.executable, "-m", "server", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    commands = {line.split()[0] for line in shown.stdout.splitlines() if line.startswith("  ")}
    assert listed is not None and set(listed[1].split()) <= commands


def test_every_file_the_readme_names_exists() -> None:
    names = re.findall(r"`((?:server|kernels|index|models|bench|tests)/[\w/.]+)`", README)
    names += re.findall(r"\]\(([\w/.]+)\)", README)
    missing = [name for name in names if not Path(ROOT, name).exists()]
    assert not missing
