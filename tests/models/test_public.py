"""Every public network of the manifest, from hub to answer, with the true tensors and made-up weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models import manifest, network, text_network
from models.installed import Installed
from models.manifest import Hub, Input, NetworkSpec
from models.network import NetworkRejected
from models.pull import pull
from models.selfcheck import check, check_text
from models.tensors import check_shape
from tests.models import public_onnx
from tests.models.hub_server import HubServer, running

PUBLIC = [
    spec for spec in manifest.load().networks if isinstance(spec.source, Hub) and spec.unsupported is None
]
PICTURES = [spec for spec in PUBLIC if spec.task != "text"]
TEXTS = [spec for spec in PUBLIC if spec.task == "text"]
CPU = ("cpu",)


def named(specs: list[NetworkSpec]) -> Any:
    return pytest.mark.parametrize("spec", specs, ids=[spec.name for spec in specs])


def entry(name: str) -> NetworkSpec:
    found = manifest.load().find(name)
    assert found is not None
    return found


@pytest.fixture
def hub() -> Iterator[HubServer]:
    pytest.importorskip("huggingface_hub", reason="the extra 'hub' is not installed")
    with running() as server:
        yield server


@named(PUBLIC)
def test_it_is_pulled_loaded_and_run(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: NetworkSpec
) -> None:
    monkeypatch.setattr("models.selfcheck.MEASURE_S", 0.0)
    assert isinstance(spec.source, Hub)
    graph = public_onnx.write(tmp_path / "made.onnx", spec).read_bytes()
    beside = {each.replace("*", "model.onnx_data"): b"{}" for each in spec.source.others}
    hub.repositories[spec.source.repository] = {spec.source.file: graph, **beside}
    # The real weights are pinned by hash; these are not they.
    spec = msgspec.structs.replace(spec, sha256=None)
    installed = Installed(tmp_path / "models")
    pull(spec, installed, endpoint=hub.endpoint)
    if spec.task == "text":
        report = check_text(text_network.load(spec, installed, providers=CPU))
    else:
        report = check(network.load(spec, installed, providers=CPU))
    assert report.faults == ()
    assert report.provider == "CPUExecutionProvider" and report.single_ms > 0
    assert report.batch == spec.batch_buckets[-1]


def test_weights_beside_the_graph_are_pulled_and_read(hub: HubServer, tmp_path: Path) -> None:
    spec = entry("ingredient-ner")
    assert isinstance(spec.source, Hub)
    whole = public_onnx.write(tmp_path / "whole.onnx", spec)
    folder = tmp_path / "split"
    folder.mkdir()
    onnx.save(
        onnx.load(whole),
        folder / "model.onnx",
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=44,  # of the Python object: the shapes of reshapes stay in the graph
    )
    hub.repositories[spec.source.repository] = {
        f"onnx/{path.name}": path.read_bytes() for path in folder.iterdir()
    }
    installed = Installed(tmp_path / "models")
    record = pull(spec, installed, endpoint=hub.endpoint)
    assert set(record.others) == {"onnx/model.onnx_data"}
    ids = {name: np.arange(1, 7, dtype=np.int64)[None] for name in spec.inputs}
    expected = text_network.TextNetwork(spec, whole, providers=CPU).run(ids)
    found = text_network.load(spec, installed, providers=CPU).run(ids)
    np.testing.assert_array_equal(found, expected)
    (installed.folder_of(spec) / "onnx" / "model.onnx_data").write_bytes(b"0" * 100)
    with pytest.raises(NetworkRejected, match=r"onnx_data has sha256"):
        text_network.load(spec, installed, providers=CPU)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("nutriscore", (1, 9, 8400)),
        ("nutrition_table", (1, 5, 8400)),
        ("universal_logo_detector_yolo", (1, 5, 8400)),
        ("price_tag_detection", (1, 5, 18900)),
        ("price_proof_classification", (1, 6)),
        ("front_image_classification", (1, 2)),
        ("clip", (1, 512)),
        ("clip-vit-b-32", (1, 512)),
        ("siglip-base-patch16-224", (1, 768)),
    ],
)
def test_the_answers_have_the_shapes_of_the_contract(
    tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    spec = entry(name)
    path = public_onnx.write(tmp_path / "made.onnx", spec)
    made = network.Network(spec, path, providers=CPU)
    assert spec.input is not None
    side = spec.input.size
    assert made.run(np.zeros((1, 3, side, side), np.float32)).shape == shape
    check_shape(spec, 1, shape)


def test_clip_gets_an_empty_text_for_every_picture(tmp_path: Path) -> None:
    spec = entry("clip")
    made = network.Network(spec, public_onnx.write(tmp_path / "made.onnx", spec), providers=CPU)
    text, _ = made.run_all(np.zeros((4, 3, 224, 224), np.float32))
    np.testing.assert_array_equal(text, np.tile([49407, 49408], (4, 1)))


def test_the_named_output_is_taken_wherever_it_stands(tmp_path: Path) -> None:
    spec = entry("clip")
    made = network.Network(spec, public_onnx.write(tmp_path / "made.onnx", spec), providers=CPU)
    assert made.run(np.zeros((2, 3, 224, 224), np.float32)).shape == (2, 512)


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        (
            "nutriscore",
            {"labels": ("a", "b")},
            r"output is \(1, 9, 8400\), the manifest says \(any, 6, any\)",
        ),
        ("nutriscore", {"batch_buckets": (1, 4)}, r"images takes \(1, 3, 640, 640\)"),
        ("nutriscore", {"output": "output1"}, "no output 'output1', only output0"),
        (
            "nutriscore",
            {"input": Input(size=960, geometry="letterbox", name="images")},
            r"says \(1, 3, 960, 960\)",
        ),
        ("nutriscore", {"input": Input(size=640, geometry="letterbox", name="image")}, "no input image"),
        ("clip", {"constants": {}}, "asks for attention_mask, input_ids, which the manifest lacks"),
        (
            "clip",
            {"constants": {}, "input": Input(size=224, geometry="stretch")},
            "constants what the others get",
        ),
        ("clip", {"dimension": 768}, r"\(any, 768\)"),
        (
            "clip",
            {"constants": {"input_ids": (1,), "attention_mask": (1,), "bbox": (1,)}},
            "no input bbox",
        ),
    ],
)
def test_a_graph_that_is_another_is_refused_when_it_is_loaded(
    tmp_path: Path, name: str, changes: dict[str, Any], complaint: str
) -> None:
    path = public_onnx.write(tmp_path / "made.onnx", entry(name))
    with pytest.raises(NetworkRejected, match=complaint):
        network.Network(msgspec.structs.replace(entry(name), **changes), path, providers=CPU)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"inputs": {}}, "names no inputs"),
        ({"output_shape": ("N", "T", 72)}, r"\(any, any, 72\)"),
        ({"output_shape": ("N", 71)}, r"\(any, 71\)"),
        ({"input": None}, "asks for pixel_values"),
    ],
)
def test_a_text_graph_that_is_another_is_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    spec = entry("nutrition_extractor")
    path = public_onnx.write(tmp_path / "made.onnx", spec)
    with pytest.raises(NetworkRejected, match=complaint):
        text_network.TextNetwork(msgspec.structs.replace(spec, **changes), path, providers=CPU)


def test_a_text_graph_with_other_types_is_refused(tmp_path: Path) -> None:
    spec = entry("ingredient-ner")
    path = public_onnx.save(
        tmp_path / "made.onnx",
        [
            helper.make_node("Cast", ["input_ids"], ["plain"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["plain", "last"], ["logits"]),
        ],
        [(name, TensorProto.INT32, ("b", "s")) for name in ("input_ids", "attention_mask")],
        [("logits", TensorProto.FLOAT, ("b", "s", 1))],
        {"last": np.array([2], np.int64)},
    )
    with pytest.raises(NetworkRejected, match=r"takes tensor\(int32\), the manifest says int64"):
        text_network.TextNetwork(spec, path, providers=CPU)


def test_text_networks_refuse_what_they_cannot_read(tmp_path: Path) -> None:
    spec = entry("ingredient-ner")
    made = text_network.TextNetwork(spec, public_onnx.write(tmp_path / "made.onnx", spec), providers=CPU)

    def ids(rows: int, tokens: int) -> np.ndarray:
        return np.ones((rows, tokens), np.int64)

    assert made.run({"input_ids": ids(2, 512), "attention_mask": ids(2, 512)}).shape == (2, 512, 3)
    for inputs, complaint in (
        ({"input_ids": ids(1, 4)}, "takes"),
        ({"input_ids": ids(1, 4), "attention_mask": ids(1, 5)}, "attention_mask must be"),
        ({"input_ids": ids(1, 4), "attention_mask": ids(1, 4)[0]}, "attention_mask must be"),
        ({"input_ids": ids(1, 4).astype(np.int32), "attention_mask": ids(1, 4)}, "int64"),
        ({"input_ids": ids(1, 513), "attention_mask": ids(1, 513)}, "reads 512 tokens"),
        ({"input_ids": ids(33, 1), "attention_mask": ids(33, 1)}, "takes 32 texts"),
    ):
        with pytest.raises(ValueError, match=complaint):
            made.run(inputs)


@named([spec for spec in PICTURES if spec.input is not None and spec.input.bytes_on_gpu])
def test_the_variant_that_takes_bytes_agrees(tmp_path: Path, spec: NetworkSpec) -> None:
    from models.normalise import variant

    assert spec.input is not None
    path = public_onnx.write(tmp_path / "made.onnx", spec)
    other, file = variant(spec, path, tmp_path / "cache")
    assert other.input is not None and other.input.dtype == "uint8"
    plain = network.Network(spec, path, providers=CPU)
    takes_bytes = network.Network(other, file, providers=CPU)
    side, count = spec.input.size, spec.batch_buckets[-1]
    pixels = np.random.default_rng(3).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    mean, std = (np.array(each, np.float32).reshape(3, 1, 1) for each in (spec.input.mean, spec.input.std))
    expected = plain.run(((pixels / np.float32(255)) - mean) / std)
    np.testing.assert_allclose(takes_bytes.run(pixels), expected, rtol=1e-4, atol=1e-4)
    # Made once.
    stamp = file.stat().st_mtime_ns
    assert variant(spec, path, tmp_path / "cache")[1].stat().st_mtime_ns == stamp
