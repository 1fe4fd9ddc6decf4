"""The shipped detectors on real photos and held-out drawn scenes, prepared and decoded as the server does.

    python -m bench detectors, or python -m bench.detectors [--weights FOLDER] [--data FOLDER] [--scenes FOLDER]
                                  [--task NAME ...]

The photos are for measuring only; no network was trained on them. Scenes are those that training drew and kept
out (`python -m models.train detector --draw-only`); where there are none, only the photos are measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kernels import boxes, decode, resize
from kernels.decode import ImageLimits
from models.train.average_precision import Found, Truth, average_precision, iou, precision_and_recall
from models.train.scenes import TASKS, Scenes, Task

WEIGHTS = Path("models/weights")
DATA = Path("../shared/data")
SCENES = Path(".aisle/train/scenes")
LIMITS = ImageLimits(max_bytes=50_000_000, max_pixels=100_000_000)
LEAST_SCORE = 0.01
SHOWN_SCORE = 0.25
SAME_OBJECT_IOU = 0.5
ROUNDS = 40
BATCH = 8
# Kinds of photos whose expected boxes are those of a task.
KINDS = {"nutriscore": "nutriscore", "nutrition_table": "nutrition_table", "universal_logo_detector": "logo"}


class Photo(NamedTuple):
    """A real photo (H, W, 3) and what is known to be in it; truth is None where nobody marked it."""

    name: str
    pixels: NDArray[np.uint8]
    truth: Truth | None


class DetectorFile:
    """A written network, run as the server runs it."""

    def __init__(self, path: Path, task: Task, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.task = task
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._slot = np.zeros((1, 3, task.seen_side, task.seen_side), np.float32)

    def find(self, pixels: NDArray[np.uint8]) -> Found:
        """The objects of a picture, in its pixels, best first."""
        placement = resize.into_slot(pixels, self._slot[0], geometry="letterbox")
        output = self._session.run(None, {"images": self._slot})[0][0]
        found, scores, labels = boxes.yolo_decode(output, LEAST_SCORE)
        kept = boxes.nms(found, scores, SAME_OBJECT_IOU)
        height, width = pixels.shape[:2]
        return Found(boxes.unletterbox(found[kept], placement, width, height), scores[kept], labels[kept])

    def milliseconds(self, count: int = 1) -> tuple[float, float]:
        """The median and the quietest time of the network alone on a batch of that many pictures."""
        pictures = np.repeat(self._slot, count, axis=0)
        times = []
        for _ in range(ROUNDS // count + 3):
            begun = time.perf_counter()
            self._session.run(None, {"images": pictures})
            times.append(time.perf_counter() - begun)
        return statistics.median(times[3:]) * 1e3, min(times[3:]) * 1e3


def run(
    weights: Path = WEIGHTS, data: Path = DATA, drawn: Path = SCENES, names: Sequence[str] = tuple(TASKS)
) -> str:
    """A markdown section about the tasks of these names."""
    parts = ["## Detectors"]
    for task in (TASKS[name] for name in names):
        path = weights / f"aisle-detector-{task.name.replace('_', '-')}.onnx"
        if not path.exists():
            parts.append(f"### {task.name}\n\nnot here: {path.name}")
            continue
        network = DetectorFile(path, task)
        parts.append(
            f"### {task.name}\n\n`{path.name}`, {path.stat().st_size / 1e6:.1f} MB, {task.seen_side} pixels; "
            f"milliseconds per picture, median (quietest): {_speed(path, task)}."
        )
        parts.append(on_scenes(network, Scenes(drawn, task, "held-out")))
        parts.append(on_photos(network, list(photos(task, data))))
    return "\n\n".join(part for part in parts if part)


def _speed(path: Path, task: Task) -> str:
    """Milliseconds per picture, alone and in a batch, on one thread and on two."""
    told = []
    for count in (1, BATCH):
        for threads in (1, 2):
            median, quietest = DetectorFile(path, task, threads).milliseconds(count)
            told.append(
                f"{median / count:.1f} ({quietest / count:.1f}) in batches of {count} on {threads} threads"
            )
    return ", ".join(told)


def on_scenes(network: DetectorFile, scenes: Scenes) -> str:
    """Average precision at IoU .5 per label."""
    if not len(scenes):
        return ""
    chosen = [scenes[index] for index in range(len(scenes))]
    truth = [Truth(scene.boxes, scene.labels) for scene in chosen]
    found = [network.find(scene.pixels) for scene in chosen]
    each = [average_precision(found, truth, number) for number in range(len(network.task.labels))]
    table = ", ".join(f"{label} {value:.3f}" for label, value in zip(network.task.labels, each, strict=True))
    alone = average_precision(
        [one._replace(labels=np.zeros_like(one.labels)) for one in found],
        [one._replace(labels=np.zeros_like(one.labels)) for one in truth],
        0,
    )
    return (
        f"{len(chosen)} held-out scenes: mAP50 {np.nanmean(each):.3f} ({table}); "
        f"{alone:.3f} for boxes of whatever label"
    )


def on_photos(network: DetectorFile, chosen: Sequence[Photo]) -> str:
    """One line per photo: expected objects met, and what else scores well; then the sums."""
    lines = [
        "| photo | expected | found at IoU .5 | best overlap and score of each | other boxes |",
        "|---|---|---|---|---|",
    ]
    marked: list[tuple[Found, Truth]] = []
    for photo in chosen:
        found = network.find(photo.pixels)
        shown = _above(found, SHOWN_SCORE)
        if photo.truth is None:
            kinds = ", ".join(_named(network.task, shown)) or "none"
            lines.append(f"| {photo.name} | not marked | | | {kinds} |")
            continue
        marked.append((found, photo.truth))
        overlaps = iou(photo.truth.boxes, shown.boxes) * (photo.truth.labels[:, None] == shown.labels)
        best = overlaps.max(axis=1, initial=0.0)
        each = [
            f"{best[row]:.2f} ({shown.scores[overlaps[row].argmax()]:.2f})" if best[row] > 0 else "-"
            for row in range(min(len(best), 10))
        ]
        others = overlaps.max(axis=0, initial=0.0) < 0.5
        rest = _named(network.task, Found(*(field[others] for field in shown)))
        lines.append(
            f"| {photo.name} | {len(best)} | {int((best >= 0.5).sum())} | {', '.join(each)} | "
            f"{len(rest)}: {', '.join(rest[:5])} |"
        )
    for label, name in enumerate(network.task.labels):
        figures = [
            precision_and_recall([pair[0] for pair in marked], [pair[1] for pair in marked], label, least)
            for least in (0.1, SHOWN_SCORE, 0.35, 0.5)
        ]
        if any(recall == recall for _, recall in figures):
            told = ", ".join(f"{precision:.2f} / {recall:.2f}" for precision, recall in figures)
            lines.append(f"\n{name}, precision / recall at scores of .1, .25, .35 and .5: {told}")
    return "\n".join(lines)


def photos(task: Task, data: Path) -> Iterator[Photo]:
    """The real photos of a task: marked ones where there are any, and others that show what it finds."""
    if task.name == "shelf":
        folder = data / "shelf"
        for entry in json.loads((folder / "annotations.json").read_text())["images"]:
            rows = [(*item["box"], 0) for item in entry["objects"]]
            rows += [(*item["box"], 3) for item in entry["gaps"]]
            table = np.array(rows, np.float32).reshape(-1, 5)
            table[:, 2:4] += table[:, :2]
            marked = Truth(table[:, :4], table[:, 4].astype(np.int64))
            yield Photo(entry["file"], _read(folder / entry["file"]), marked)
        return
    folder = data / "off-products"
    for entry in json.loads((folder / "index.json").read_text())["images"]:
        pixels = _read(folder / entry["file"])
        truth: Truth | None = None
        if KINDS.get(entry["kind"]) == task.name:
            height, width = pixels.shape[:2]
            fractions = np.array([item["bounding_box"] for item in entry["expected"]], np.float32)
            table = fractions[:, [1, 0, 3, 2]] * np.array([width, height] * 2, np.float32)
            labels = [
                task.labels.index(item["label"]) if task.name == "nutriscore" else 0
                for item in entry["expected"]
            ]
            truth = Truth(table, np.array(labels, np.int64))
        yield Photo(entry["file"], pixels, truth)


def _above(found: Found, score: float) -> Found:
    kept = found.scores >= score
    return Found(found.boxes[kept], found.scores[kept], found.labels[kept])


def _named(task: Task, found: Found) -> list[str]:
    return [
        f"{task.labels[label]} {score:.2f}" for label, score in zip(found.labels, found.scores, strict=True)
    ]


def _read(path: Path) -> NDArray[np.uint8]:
    return decode.rgb(path.read_bytes(), LIMITS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.detectors", description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--scenes", type=Path, default=SCENES)
    parser.add_argument("--task", choices=tuple(TASKS), nargs="+", default=list(TASKS))
    options = parser.parse_args()
    print(run(options.weights, options.data, options.scenes, options.task))
