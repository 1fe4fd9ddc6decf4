"""What batches and threads buy on this machine: a network of MobileNetV2's size with random weights.

    python -m bench networks

Random weights time like trained ones and mean nothing, so speed is all that is shown. The batching
defaults in models/manifest.toml rest on this table.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.installed import file_sha256
from models.manifest import Input, NetworkSpec, Shipped
from models.network import Network, usable_cores
from models.normalise import prepend

BUCKETS = (1, 2, 4, 8)
SECONDS_PER_CELL = 0.8
ROUNDS = 3
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

# MobileNetV2, Sandler et al. 2018, table 2: expansion, channels, repeats, first stride.
_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet(path: Path, *, seed: int, dimension: int = 512, uint8_input: bool = False) -> None:
    """Writes an ONNX file of MobileNetV2's shape with random weights, about 3 million parameters.

    Input `pixels` (N, 3, 224, 224), any N; output `embedding` (N, dimension) float32, unit norm. With
    `uint8_input` raw pixels go in and the normalisation is the first node.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph(seed)
    tensor = graph.convolution("pixels", 3, 32, kernel=3, stride=2)
    channels = 32
    for expansion, width, repeats, first_stride in _BLOCKS:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            before, inner = tensor, channels * expansion
            if expansion > 1:
                tensor = graph.convolution(tensor, channels, inner)
            tensor = graph.convolution(tensor, inner, inner, kernel=3, stride=stride, groups=inner)
            tensor = graph.convolution(tensor, inner, width, is_clipped=False)
            if stride == 1 and channels == width:
                tensor = graph.node("Add", [before, tensor])
            channels = width
    tensor = graph.convolution(tensor, channels, 1280)
    tensor = graph.node("GlobalAveragePool", [tensor])
    tensor = graph.node("Flatten", [tensor])
    tensor = graph.node("MatMul", [tensor, graph.weights((1280, dimension), 1280)])
    graph.node("LpNormalization", [tensor], output="embedding", axis=1, p=2)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, 224, 224])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", dimension])
    made = helper.make_graph(graph.nodes, "mobilenet", [pixels], [embedding], graph.initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    if uint8_input:
        prepend(path, path, mean=MEAN, std=STD)


def spec(path: Path, *, uint8_input: bool = False, **changes: Any) -> NetworkSpec:
    """The manifest entry of a file that `mobilenet` wrote; `changes` are further fields of NetworkSpec."""
    fields: dict[str, Any] = {
        "name": "mobilenet-random",
        "version": "1",
        "task": "embed",
        "source": Shipped(path=str(path)),
        "sha256": file_sha256(path),
        "licence": "Apache-2.0",
        "embedding_space": "mobilenet-random",
        "dimension": 512,
        "input": Input(
            size=224,
            geometry="center_crop",
            mean=MEAN,
            std=STD,
            dtype="uint8" if uint8_input else "float32",
        ),
    }
    return NetworkSpec(**{**fields, **changes})


def write_manifest(folder: Path, *, seed: int = 0, uint8_input: bool = False) -> Path:
    """Writes the network and a manifest that makes it the default embedder: a value for AISLE_MANIFEST."""
    network = folder / "mobilenet.onnx"
    mobilenet(network, seed=seed, uint8_input=uint8_input)
    entry = spec(network, uint8_input=uint8_input)
    assert entry.input is not None
    path = folder / "manifest.toml"
    path.write_text(
        f"""[defaults]
embed = ["{entry.name}"]
[[networks]]
name = "{entry.name}"
version = "{entry.version}"
task = "embed"
source = {{ kind = "file", path = "{network.name}" }}
sha256 = "{entry.sha256}"
licence = "{entry.licence}"
embedding_space = "{entry.embedding_space}"
dimension = {entry.dimension}
batch_buckets = [1]
gpu_batch_buckets = [1, 4, 16, 32]
[networks.input]
size = {entry.input.size}
geometry = "{entry.input.geometry}"
mean = {list(MEAN)}
std = {list(STD)}
dtype = "{entry.input.dtype}"
"""
    )
    return path


class _Graph:
    """Nodes and weights of a graph under construction; every tensor gets a number for a name."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._random = np.random.default_rng(seed)
        self._limits = [self._constant(np.float32(limit)) for limit in (0, 6)]

    def convolution(
        self,
        tensor: str,
        channels: int,
        width: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        is_clipped: bool = True,
    ) -> str:
        """A convolution with its folded batch norm, and the clip to 0..6 unless it is linear."""
        fan_in = channels // groups * kernel * kernel
        weights = self.weights((width, channels // groups, kernel, kernel), fan_in)
        bias = self._constant(np.zeros(width, np.float32))
        pad = kernel // 2
        tensor = self.node(
            "Conv",
            [tensor, weights, bias],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
            group=groups,
        )
        return self.node("Clip", [tensor, *self._limits]) if is_clipped else tensor

    def weights(self, shape: tuple[int, ...], fan_in: int) -> str:
        values = self._random.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / fan_in))
        return self._constant(values)

    def node(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _constant(self, values: Any) -> str:
        from onnx import numpy_helper

        name = f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name


class Way(NamedTuple):
    """How the cores are spent."""

    name: str
    lanes: int
    threads: int
    uint8_input: bool = False


def rate(network: Network, batch: NDArray[Any], lanes: int, seconds: float) -> float:
    """Pictures per second with that many threads calling the network at the same time."""

    def calls() -> int:
        done = 0
        while done == 0 or time.perf_counter() < end:
            network.run(batch)
            done += 1
        return done

    network.run(batch)
    began = time.perf_counter()
    end = began + seconds
    with ThreadPoolExecutor(lanes) as pool:
        done = sum(future.result() for future in [pool.submit(calls) for _ in range(lanes)])
    return done * len(batch) / (time.perf_counter() - began)


def run() -> str:
    """The markdown section: pictures per second by batch, for each way to spend the cores."""
    cores = usable_cores()
    ways = [
        Way("1 lane of 1 thread", 1, 1),
        Way(f"{cores} lanes of 1 thread", cores, 1),
        Way(f"1 lane of {cores} threads", 1, cores),
        Way(f"2 lanes of {cores} threads, one run at a time", 2, cores),
        Way(f"{cores} lanes of 1 thread, uint8 in", cores, 1, True),
    ]
    lines = [
        "## Batches and threads of a small network",
        "",
        "MobileNetV2's shape, random weights, 3x224x224 float32, ONNX Runtime, spinning off; lanes share one",
        f"session. Pictures/s, median of {ROUNDS} alternating rounds of {SECONDS_PER_CELL} s after one warm",
        "run; in brackets against one lane of one thread at batch 1.",
        "",
        "| way | " + " | ".join(f"batch {count}" for count in BUCKETS) + " |",
        "|---" * (len(BUCKETS) + 1) + "|",
    ]
    rates = _rates(ways)
    single = rates[ways[0].name, 1]
    for way in ways:
        cells = [f"{rates[way.name, count]:.0f} ({rates[way.name, count] / single:.2f})" for count in BUCKETS]
        lines.append(f"| {way.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _rates(ways: Sequence[Way]) -> dict[tuple[str, int], float]:
    """Pictures per second by way and batch."""
    pixels = np.random.default_rng(0).integers(0, 256, (BUCKETS[-1], 3, 224, 224), dtype=np.uint8)
    batches: dict[bool, NDArray[Any]] = {True: pixels, False: pixels.astype(np.float32) / np.float32(255)}
    found: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        networks = {}
        for way in ways:
            path = Path(folder) / f"mobilenet-{way.uint8_input}.onnx"
            if not path.exists():
                mobilenet(path, seed=0, uint8_input=way.uint8_input)
            entry = spec(
                path,
                uint8_input=way.uint8_input,
                threads=way.threads,
                concurrency=way.lanes,
                batch_buckets=BUCKETS,
            )
            networks[way.name] = Network(entry, path, providers=("cpu",))
        for _ in range(ROUNDS):
            for way in ways:
                for count in BUCKETS:
                    batch = batches[way.uint8_input][:count]
                    reading = rate(networks[way.name], batch, way.lanes, SECONDS_PER_CELL)
                    found.setdefault((way.name, count), []).append(reading)
    return {cell: statistics.median(readings) for cell, readings in found.items()}


if __name__ == "__main__":
    print(run())
