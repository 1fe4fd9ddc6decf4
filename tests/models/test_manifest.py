from __future__ import annotations

from pathlib import Path

import pytest

from models import manifest
from models.manifest import Hub, ManifestRejected, Shipped

GOOD = {
    "name": '"extra"',
    "version": '"1"',
    "task": '"embed"',
    "licence": '"MIT"',
    "source": '{ kind = "code" }',
    "embedding_space": '"extra"',
    "dimension": "8",
    "batch_buckets": "[1, 2]",
    "input": '{ size = 32, geometry = "stretch" }',
}


def write(path: Path, defaults: str = "", **changes: str | None) -> Path:
    """A manifest of one good network with some fields changed, or left out when None."""
    fields = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    lines = [f"{key} = {value}" for key, value in fields.items()]
    path.write_text("\n".join([defaults, "[[networks]]", *lines]))
    return path


def test_the_shipped_manifest_loads_and_pins_every_public_network() -> None:
    shipped = manifest.load()
    assert shipped.find("stub") is not None
    for spec in shipped.networks:
        if isinstance(spec.source, Hub):
            assert len(spec.source.revision) == 40, f"{spec.name} follows a branch"
            assert spec.licence


def test_the_default_of_a_task_is_an_order_of_preference() -> None:
    names = [spec.name for spec in manifest.load().preferred("embed")]
    assert names[-1] == "stub"
    assert manifest.load().preferred("classify") == ()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"task": '"guess"'}, "task"),
        ({"batch_buckets": "[4, 1]"}, "batch_buckets"),
        ({"batch_buckets": "[0, 1]"}, "batch_buckets"),
        ({"batch_buckets": "[]"}, "batch_buckets"),
        ({"gpu_batch_buckets": "[2, 2]"}, "gpu_batch_buckets"),
        ({"source": '{ kind = "file", path = "x.onnx" }'}, "sha256"),
        ({"sha256": '"abc"'}, "sha256"),
        ({"licence": None}, "licence"),
        ({"input": None}, "input"),
        ({"dimension": None}, "dimension"),
        ({"embedding_space": None}, "embedding_space"),
        ({"task": '"classify"'}, "labels"),
        ({"name": '"Extra Network"'}, "name"),
        ({"version": '"../1"'}, "version"),
        ({"concurrency": "0"}, "concurrency"),
        ({"threads": '"all"'}, "threads"),
        ({"delay_ms": "-1.0"}, "delay_ms"),
        ({"input": '{ size = 0, geometry = "stretch" }'}, "size"),
        ({"input": '{ size = 32, geometry = "squeeze" }'}, "geometry"),
        ({"input": '{ size = 32, geometry = "stretch", std = [1.0, 0.0, 1.0] }'}, "std"),
        ({"input": '{ size = 32, geometry = "stretch", fill = 256 }'}, "fill"),
        ({"input": '{ size = 32, geometry = "stretch", filter = "cubic" }'}, "filter"),
        ({"input": '{ size = 32, geometry = "stretch", object_geometry = "x" }'}, "object_geometry"),
        ({"same_object_iou": "0.0"}, "same_object_iou"),
        ({"constants": '{ input_ids = ["a"] }'}, "constants"),
        ({"inputs": '{ input_ids = { dtype = "int32", shape = ["N"] } }'}, "dtype"),
        ({"batch_size": "3"}, "batch_size"),
        ({"labels_file": '"none.txt"'}, "none.txt"),
    ],
)
def test_a_bad_network_is_refused_with_its_name_and_field(
    tmp_path: Path, changes: dict[str, str | None], complaint: str
) -> None:
    path = write(tmp_path / "bad.toml", **changes)
    with pytest.raises(ManifestRejected) as raised:
        manifest.load(path)
    assert str(path) in str(raised.value)
    assert changes.get("name", '"extra"')[1:-1] in str(raised.value)  # type: ignore[index]
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("defaults", "complaint"),
    [
        ('[defaults]\nembed = ["nobody"]', "nobody"),
        ('[defaults]\ndetect = ["extra"]', "does embed"),
        ('[defaults]\npaint = ["extra"]', "paint"),
    ],
)
def test_a_default_must_name_a_network_that_does_the_task(
    tmp_path: Path, defaults: str, complaint: str
) -> None:
    with pytest.raises(ManifestRejected, match=complaint):
        manifest.load(write(tmp_path / "bad.toml", defaults))


@pytest.mark.parametrize(
    ("purposes", "complaint"),
    [
        ('[purposes]\nwine = ["nobody"]', "nobody"),
        ('[purposes]\nextra = ["extra"]', "name of a network"),
    ],
)
def test_a_purpose_names_networks_and_is_none(tmp_path: Path, purposes: str, complaint: str) -> None:
    with pytest.raises(ManifestRejected, match=complaint):
        manifest.load(write(tmp_path / "bad.toml", purposes))


def test_the_networks_of_a_purpose_come_in_order_and_an_extra_manifest_replaces_it(tmp_path: Path) -> None:
    path = write(tmp_path / "extra.toml", '[purposes]\nlogo = ["extra", "universal_logo_detector_yolo"]')
    both = manifest.load(path)
    assert [spec.name for spec in both.suited("logo")] == ["extra", "universal_logo_detector_yolo"]
    assert both.suited("price-tag") == manifest.load().suited("price-tag") != ()
    assert both.suited("nothing") == ()


def test_what_is_no_toml_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("networks = [")
    for name in ("bad.toml", "missing.toml"):
        with pytest.raises(ManifestRejected, match=name):
            manifest.load(tmp_path / name)


def test_two_networks_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "twice.toml")
    text = path.read_text()
    path.write_text(text + "\n" + text)
    with pytest.raises(ManifestRejected, match="twice: extra"):
        manifest.load(path)


def test_an_extra_manifest_adds_networks_and_puts_its_defaults_first(tmp_path: Path) -> None:
    both = manifest.load(write(tmp_path / "extra.toml", '[defaults]\nembed = ["extra"]'))
    assert [spec.name for spec in both.preferred("embed")] == ["extra"]
    assert both.find("stub") is not None


def test_an_extra_manifest_replaces_a_namesake(tmp_path: Path) -> None:
    both = manifest.load(write(tmp_path / "extra.toml", name='"stub"', version='"9"'))
    assert [spec.version for spec in both.networks if spec.name == "stub"] == ["9"]


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    source = '{ kind = "file", path = "nets/x.onnx" }'
    spec = manifest.load(write(tmp_path / "extra.toml", source=source, sha256=f'"{"0" * 64}"')).find("extra")
    assert spec is not None and isinstance(spec.source, Shipped)
    assert spec.source.path == str(tmp_path / "nets" / "x.onnx")


def test_labels_come_from_a_file_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("front\n\nother \n", "utf-8")
    path = write(tmp_path / "extra.toml", task='"classify"', labels_file='"labels.txt"')
    spec = manifest.load(path).find("extra")
    assert spec is not None and spec.labels == ("front", "other")


def test_a_network_can_be_added_and_preferred_in_code(tmp_path: Path) -> None:
    extra = manifest.load(write(tmp_path / "extra.toml")).find("extra")
    assert extra is not None
    shipped = manifest.load()
    assert shipped.with_network(extra).preferred("embed") == shipped.preferred("embed")
    preferred = shipped.with_network(extra, default=True).preferred("embed")
    assert preferred[0].name == "extra"
    assert len(preferred) == len(shipped.preferred("embed")) + 1
