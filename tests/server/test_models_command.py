from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models import manifest
from models.installed import Installed, file_sha256
from models.manifest import Hub
from server.models_command import models
from server.settings import Settings
from tests.models import tiny_onnx


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.selfcheck.MEASURE_S", 0.0)


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
    rows = call(tmp_path, "list").output.splitlines()
    served = [line.split()[1] for line in rows if line.startswith("*")]
    chosen = [Installed(tmp_path).choose(manifest.load(), task) for task in ("embed", "text")]
    assert {spec.name for spec in chosen if spec is not None} <= set(served) and len(served) <= 4
    (public,) = [line for line in rows if "clip-vit-b-32 " in line]
    assert " no " in public and not public.startswith("*")


def test_a_pulled_network_shows_its_size_and_serves(tmp_path: Path, pulled: Path) -> None:
    (row,) = [line for line in call(tmp_path, "list").output.splitlines() if "clip-vit-b-32 " in line]
    assert row.startswith("*") and " yes " in row and "0.0 MB" in row


@pytest.fixture
def manifest_of(tmp_path: Path) -> Callable[..., Path]:
    """A manifest with one tiny network of our own, with some fields changed."""

    def write(**changes: str) -> Path:
        file = tiny_onnx.write(tmp_path / "tiny.onnx")
        fields = {
            "name": '"tiny"',
            "version": '"1"',
            "task": '"embed"',
            "licence": '"MIT"',
            "source": '{ kind = "file", path = "tiny.onnx" }',
            "sha256": f'"{file_sha256(file)}"',
            "embedding_space": '"tiny"',
            "dimension": "4",
            "batch_buckets": "[1, 4]",
            "input": '{ size = 8, geometry = "stretch" }',
            **changes,
        }
        path = tmp_path / "networks.toml"
        path.write_text("\n".join(["[[networks]]", *(f"{name} = {value}" for name, value in fields.items())]))
        return path

    return write


def verify(tmp_path: Path, path: Path, *words: str) -> Result:
    settings = Settings(data_dir=tmp_path / "data", manifest=path, providers=("cpu",))
    return CliRunner().invoke(models, ["verify", *words], obj=settings)


def test_verify_tells_provider_and_speed_of_what_is_installed(
    tmp_path: Path, manifest_of: Callable[..., Path]
) -> None:
    result = verify(tmp_path, manifest_of())
    assert result.exit_code == 0, result.output
    lines = dict(line.split(": ") for line in result.output.splitlines())
    assert re.fullmatch(
        r"ok, CPUExecutionProvider, [\d.]+ ms alone, [\d.]+ ms for 4, \d+ a second", lines["tiny"]
    )
    assert lines["stub"].startswith("ok, numpy, ")
    quick = verify(tmp_path, manifest_of(), "--files-only", "stub", "tiny")
    assert quick.output == "stub: ok\ntiny: ok\n"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"fingerprint": "[1.0, 2.0, 3.0, 4.0]"}, "the manifest says [1.0, 2.0, 3.0, 4.0]"),
        ({"dimension": "5"}, "the manifest says (any, 5)"),
        ({"sha256": f'"{"0" * 64}"'}, "tiny: changed"),
    ],
)
def test_verify_fails_on_a_network_that_is_not_what_the_manifest_says(
    tmp_path: Path, manifest_of: Callable[..., Path], changes: dict[str, str], complaint: str
) -> None:
    result = verify(tmp_path, manifest_of(**changes), "tiny")
    assert result.exit_code == 1
    assert complaint in result.output


def test_one_bad_network_does_not_keep_the_others_from_being_checked(tmp_path: Path, pulled: Path) -> None:
    result = call(tmp_path, "verify")
    assert result.exit_code == 1
    assert "clip-vit-b-32: changed" in result.output and "stub: ok, numpy" in result.output


def test_verify_passes_over_what_is_not_installed_unless_it_is_named(tmp_path: Path) -> None:
    assert call(tmp_path, "verify").exit_code == 0
    named = call(tmp_path, "verify", "clip-vit-b-32")
    assert named.exit_code == 1 and named.output == "clip-vit-b-32: missing\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("pull", "nobody"), "no such network: nobody"),
        (("pull", "stub"), "nothing to pull"),
        (("pull", "category-classifier-keras-image-embeddings-3.0"), "cannot be run here"),
        (("pull", "--offline", "nutriscore"), "offline"),
    ],
)
def test_a_pull_that_cannot_be_says_why(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    result = call(tmp_path, *words)
    assert result.exit_code == 1 and complaint in result.output


def test_a_bad_manifest_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("nonsense")
    result = CliRunner().invoke(models, ["list"], obj=Settings(data_dir=tmp_path, manifest=path))
    assert result.exit_code == 1 and str(path) in result.output
