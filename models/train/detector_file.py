"""A trained detector as an ONNX file, int8 where that keeps its accuracy, and what it finds in held-out scenes."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from models.train import export
from models.train.average_precision import Found, Truth, average_precision, suppress
from models.train.scenes import Marked, Scenes, batch, whole
from models.train.yolo import Detector, YoloOutput, cells, corners, folded

LEAST_SCORE = 0.01
SAME_OBJECT_IOU = 0.5
CALIBRATION_SCENES = 32
COMPARED_SCENES = 96
LARGEST_LOSS = 0.01
"""Mean average precision that int8 may cost; beyond it float32 is shipped."""
INT8_OPERATORS = ("Conv", "Add", "Relu", "MaxPool", "Concat", "Resize")


def evaluate(find: Callable[[Marked], Found], scenes: Scenes, count: int) -> dict[str, float]:
    """Average precision at IoU .5 per label, on the first `count` of the scenes."""
    side = scenes.task.seen_side
    chosen = [whole(scenes[index], side) for index in range(min(count, len(scenes)))]
    truth = [Truth(scene.boxes, scene.labels) for scene in chosen]
    found = [find(scene) for scene in chosen]
    labels = scenes.task.labels
    return {label: average_precision(found, truth, number) for number, label in enumerate(labels)}


@torch.no_grad()
def detect(network: Detector, scene: Marked) -> Found:
    """What the network, in evaluation mode, finds in one square picture."""
    side = scene.pixels.shape[0]
    raw = network(torch.from_numpy(batch([scene])).contiguous(memory_format=torch.channels_last))
    scores, labels = raw.logits[0].sigmoid().max(dim=1)
    boxes = corners(cells(side)[0], raw.sides)[0]
    kept = scores >= LEAST_SCORE
    return suppress(Found(boxes[kept].numpy(), scores[kept].numpy(), labels[kept].numpy()), SAME_OBJECT_IOU)


def detect_by_file(session: onnxruntime.InferenceSession, scene: Marked) -> Found:
    """The same by a written network."""
    output = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(batch([scene]))})[0][0]
    scores = output[4:].max(axis=0)
    kept = scores >= LEAST_SCORE
    x, y, width, height = output[:4, kept]
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return suppress(Found(boxes, scores[kept], output[4:, kept].argmax(axis=0)), SAME_OBJECT_IOU)


def write(network: Detector, train: Scenes, held_out: Scenes, count: int, *, folder: Path, out: Path) -> Path:
    """Writes float32 and int8 into `folder`, measures both on `count` scenes, and puts one into `out`.

    The file takes `images` (N, 3, S, S) float32 0..1 and gives `output0` (N, 4 + C, A).
    """
    task = train.task
    folder.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    name = f"aisle-detector-{task.name.replace('_', '-')}"
    float32, int8 = folder / f"{name}-fp32.onnx", folder / f"{name}-int8.onnx"
    side = task.seen_side
    module = YoloOutput(folded(network), side).eval()
    example = torch.from_numpy(batch([whole(held_out[index], side) for index in (0, 1)])).contiguous()
    export.write_onnx(module, example, float32, inputs=("images",), outputs=("output0",))
    with torch.inference_mode():
        expected = module(example).numpy()
    print(f"{name}: float32 file against PyTorch: {export.compare(expected, float32, example.numpy())}")
    export.quantise(
        float32, int8, _calibration(train), operators=INT8_OPERATORS, keep_float=_after_features(float32)
    )
    means = {}
    for path in (float32, int8):
        means[path] = _report(path, held_out, min(count, COMPARED_SCENES))
    chosen = int8 if means[int8] >= means[float32] - LARGEST_LOSS else float32
    if count > COMPARED_SCENES:
        _report(chosen, held_out, count)
    shipped = out / f"{name}.onnx"
    shutil.copyfile(chosen, shipped)
    print(f"{shipped}: {chosen.stem.rsplit('-', 1)[1]}", flush=True)
    return shipped


def milliseconds(path: Path, side: int, threads: int, rounds: int = 30) -> float:
    """The median time of one picture."""
    session = _session(path, threads)
    feed = {session.get_inputs()[0].name: np.full((1, 3, side, side), 0.5, np.float32)}
    times = []
    for _ in range(rounds + 3):
        begun = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[3:]) * 1e3


def _report(path: Path, scenes: Scenes, count: int) -> float:
    """Prints what a file is worth and costs; its mean average precision."""
    session = _session(path, 1)
    each = evaluate(lambda scene: detect_by_file(session, scene), scenes, count)
    mean = float(np.nanmean(list(each.values())))
    side = scenes.task.seen_side
    times = ", ".join(f"{milliseconds(path, side, threads):.1f} ms on {threads}" for threads in (1, 2))
    table = ", ".join(f"{label} {value:.3f}" for label, value in each.items())
    print(
        f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {times} threads, mAP50 {mean:.3f} on "
        f"{min(count, len(scenes))} held-out scenes: {table}",
        flush=True,
    )
    return mean


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _calibration(scenes: Scenes) -> Iterator[NDArray[np.float32]]:
    """Whole training scenes, whose activations set the ranges of the integers."""
    for index in np.linspace(0, len(scenes) - 1, min(CALIBRATION_SCENES, len(scenes))).astype(int):
        yield np.ascontiguousarray(batch([whole(scenes[int(index)], scenes.task.seen_side)]))


def _after_features(path: Path) -> list[str]:
    """Nodes from the last convolutions on: pixels of a box and probabilities need more than 256 steps."""
    graph = onnx.load(path).graph
    made_by = {name: node for node in graph.node for name in node.output}
    names: list[str] = []
    waiting = [made_by[graph.output[0].name]]
    while waiting:
        node = waiting.pop()
        if node.name not in names:
            names.append(node.name)
            if node.op_type != "Conv":
                waiting.extend(made_by[name] for name in node.input if name in made_by)
    return names
