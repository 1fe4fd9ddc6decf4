from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models import manifest
from models.installed import Installed
from models.manifest import Hub
from server.models_command import models
from server.settings import Settings


def call(data_dir: Path, *words: str) -> Result:
    return CliRunner().invoke(models, list(words), obj=Settings(data_dir=data_dir))


@pytest.fixture
def pulled(tmp_path: Path) -> Path:
    """The ONNX file of a public network that counts as pulled."""
    spec = manifest.load().find("clip-vit-b-32")
    assert spec is not None and isinstance(spec.source, Hub)
    installed = Installed(tmp_path / "models")
    path = installed.folder_of(spec) / spec.source.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    installed.keep(spec, spec.source, "9a129e76a0c0e8a9c5f8b3e54c0e1c9a2c6c2d2c61a8f3b7a1f0d4b1c5e6f708", 7)
    return path


def test_the_list_marks_the_network_that_serves(tmp_path: Path) -> None:
    rows = {line.split()[-1]: line for line in call(tmp_path, "list").output.splitlines()}
    assert "stub" in rows["shipped"] and rows["shipped"].startswith("*")
    (public,) = [line for line in rows.values() if "clip-vit-b-32" in line]
    assert " no " in public and not public.startswith("*")


def test_a_pulled_network_shows_its_size_and_serves(tmp_path: Path, pulled: Path) -> None:
    (row,) = [line for line in call(tmp_path, "list").output.splitlines() if "clip-vit-b-32" in line]
    assert row.startswith("*") and " yes " in row and "0.0 MB" in row


def test_verify_fails_on_a_file_that_is_not_as_pinned(tmp_path: Path, pulled: Path) -> None:
    result = call(tmp_path, "verify")
    assert result.exit_code == 1
    assert result.output.splitlines() == ["stub: ok", "clip-vit-b-32: changed"]


def test_verify_passes_over_what_is_not_installed_unless_it_is_named(tmp_path: Path) -> None:
    assert call(tmp_path, "verify").exit_code == 0
    named = call(tmp_path, "verify", "clip-vit-b-32")
    assert named.exit_code == 1 and named.output == "clip-vit-b-32: missing\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(("pull", "nobody"), "no such network: nobody"), (("pull", "stub"), "nothing to pull")],
)
def test_a_pull_that_cannot_be_says_why(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    result = call(tmp_path, *words)
    assert result.exit_code == 1 and complaint in result.output


def test_a_bad_manifest_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("nonsense")
    result = CliRunner().invoke(models, ["list"], obj=Settings(data_dir=tmp_path, manifest=path))
    assert result.exit_code == 1 and str(path) in result.output
