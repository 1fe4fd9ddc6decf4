"""The pictures that train the detectors: scenes drawn once, kept on disk, and cut anew for every step.

Drawing costs as much as learning, so a few thousand scenes are drawn, in shards that one process may write while
another trains, and every step sees them at another scale, place, colour and sharpness. Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Split = Literal["train", "held-out"]

SCENES_PER_SHARD = 32
FILL = 114
"""Grey of what the picture does not cover, as in a letterbox."""
GOAL_SHARE = 0.9
"""Of the cuts of scenes with objects: those that are laid around one of them."""
SHORTEST_SIDE_PX = 6.0
"""Below this an object may hold no cell's centre: nothing could answer for it."""


class Task(NamedTuple):
    """What a detector finds, how large its pictures are, and what may be done to them.

    side: pixels of a drawn scene. input_side: those of the network's input, where it is another.
    scales: a scene is enlarged by this much at least and at most.
    least_visible: the share of an object that must be in the frame for it to count. turned: the share of
    scenes that are turned by a quarter. recoloured: the share whose colours are exchanged. joined: the shares of
    pictures that are made of one cut, of 2 x 2 and of 4 x 4: what fills little of a scene is met that much more often.
    """

    name: str
    labels: tuple[str, ...]
    side: int
    scales: tuple[float, float]
    least_visible: float = 0.4
    is_mirrored: bool = True
    turned: float = 0.0
    recoloured: float = 0.15
    joined: tuple[float, ...] = (1.0,)
    input_side: int | None = None

    @property
    def seen_side(self) -> int:
        """Pixels of the network's input."""
        return self.input_side or self.side


TASKS = {
    task.name: task
    for task in (
        Task("logo", ("object",), 640, (0.6, 1.25), turned=0.05, joined=(0.5, 0.4, 0.1)),
        Task(
            "nutrition_table",
            ("nutrition-table",),
            480,
            (0.6, 1.2),
            least_visible=0.6,
            turned=0.15,
            joined=(0.6, 0.4),
            # Real photos are mostly of the table: at 480 it is larger than what was learned from.
            input_side=320,
        ),
        # The letters are read: no mirror, true colours, and a label whose end is cut off has no grade.
        Task(
            "nutriscore",
            tuple(f"nutriscore-{grade}" for grade in "abcde"),
            640,
            (0.7, 1.4),
            least_visible=0.85,
            is_mirrored=False,
            recoloured=0.0,
            joined=(0.35, 0.5, 0.15),
            # A label on a photo is some 90 pixels wide at 640, and its grade was learned from 35 to 120.
            input_side=448,
        ),
        Task("price_tag", ("price-tag",), 480, (0.5, 1.2), least_visible=0.5, turned=0.03),
        Task("shelf", ("product", "price_tag", "shelf_edge", "gap"), 640, (0.5, 1.4), least_visible=0.35),
    )
}

# A rail runs through the picture: any piece of it is a whole one.
ENDLESS = ("shelf_edge",)


class Marked(NamedTuple):
    """A picture (S, S, 3) uint8 RGB and its objects: corner boxes (K, 4) in pixels, labels (K,)."""

    pixels: Pixels
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


class Scenes:
    """The drawn scenes of one task that lie in a folder; `find_more` sees what was drawn meanwhile."""

    def __init__(self, folder: Path, task: Task, split: Split) -> None:
        self.task = task
        self._folder = folder / f"{task.name}-{task.side}"
        self._split = split
        self._shards: list[tuple[Pixels, NDArray[np.float32]]] = []
        self.find_more()

    def __len__(self) -> int:
        return len(self._shards) * SCENES_PER_SHARD

    def __getitem__(self, index: int) -> Marked:
        pixels, rows = self._shards[index // SCENES_PER_SHARD]
        own = rows[rows[:, 0] == index % SCENES_PER_SHARD]
        return Marked(
            np.asarray(pixels[index % SCENES_PER_SHARD]), own[:, 2:].copy(), own[:, 1].astype(np.int64)
        )

    def find_more(self) -> None:
        """Opens the shards drawn since, in their order, without a hole."""
        while (marks := _marks_path(self._folder, self._split, len(self._shards))).exists():
            pixels = np.load(marks.with_suffix(".pixels.npy"), mmap_mode="r")
            self._shards.append((pixels, np.load(marks)))

    def draw(self, count: int, progress: Callable[[int], None] | None = None) -> None:
        """Draws until there are at least `count` scenes; every shard has a seed of its own."""
        while len(self) < count:
            _draw_shard(self._folder, self.task, self._split, len(self._shards))
            self.find_more()
            if progress is not None:
                progress(len(self))


def letterbox(pixels: Pixels, boxes: NDArray[np.float32], side: int) -> tuple[Pixels, NDArray[np.float32]]:
    """The whole picture (H, W, 3) centred in a grey square, and its corner boxes (K, 4) moved with it."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    new_width, new_height = max(1, int(width * scale)), max(1, int(height * scale))
    if (new_width, new_height) != (width, height):
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(pixels, (new_width, new_height), interpolation=how).astype(np.uint8, copy=False)
    left, top = (side - new_width) // 2, (side - new_height) // 2
    square = np.full((side, side, 3), FILL, np.uint8)
    square[top : top + new_height, left : left + new_width] = pixels
    stretch = np.array([new_width / width, new_height / height] * 2, np.float32)
    return square, (boxes * stretch + np.array([left, top] * 2, np.float32)).astype(np.float32)


def whole(scene: Marked, side: int) -> Marked:
    """All of a scene in a square of another size."""
    return Marked(*letterbox(scene.pixels, scene.boxes, side), scene.labels)


def view(
    scene: Marked,
    task: Task,
    side: int,
    rng: np.random.Generator,
    *,
    zoom: float = 1.0,
    fits: bool = False,
) -> Marked:
    """The scene as a step sees it: a cut of `side` pixels at a random scale, turned, mirrored, recoloured.

    fits: the scale is small enough for some object to be whole in the cut, however large it is in the scene.
    Objects of which too little is left are painted over, so that they are neither wanted nor forbidden.
    """
    pixels, boxes, labels = scene
    if task.turned > rng.random():
        pixels, boxes = _quarter_turn(pixels, boxes, int(rng.integers(1, 4)))
    if task.is_mirrored and rng.random() < 0.5:
        width = pixels.shape[1]
        pixels = pixels[:, ::-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    scale = float(np.exp(rng.uniform(*np.log(task.scales)))) * zoom
    goal = boxes[rng.integers(len(boxes))] if len(boxes) and rng.random() < GOAL_SHARE else None
    if fits and goal is not None:
        scale = min(scale, side * rng.uniform(0.55, 0.95) / float((goal[2:] - goal[:2]).max()))
    cut, moved = _cut(pixels, boxes, side, scale, goal, rng)
    endless = [task.labels.index(label) for label in ENDLESS if label in task.labels]
    least = np.where(np.isin(labels, endless), 0.0, task.least_visible)
    inside = np.clip(moved, 0, side)
    shown, shortest = _area(inside) / np.maximum(_area(moved), 1e-6), _shortest(inside)
    is_kept = (shown >= least) & (shortest >= SHORTEST_SIDE_PX)
    for x_min, y_min, x_max, y_max in np.rint(inside[~is_kept & (shortest > 0)]).astype(int):
        cut[y_min:y_max, x_min:x_max] = FILL
    return Marked(_worn(cut, task, rng), inside[is_kept].astype(np.float32), labels[is_kept])


def picture(scenes: Scenes, side: int, rng: np.random.Generator, *, zoom: float = 1.0) -> Marked:
    """What a step sees: one view of a scene, or a square of smaller ones of several."""
    task = scenes.task
    across = 2 ** int(rng.choice(len(task.joined), p=task.joined))
    seen = [
        view(scenes[int(rng.integers(len(scenes)))], task, side // across, rng, zoom=zoom, fits=across > 1)
        for _ in range(across * across)
    ]
    return join(seen) if across > 1 else seen[0]


def join(views: Sequence[Marked]) -> Marked:
    """Views of one size as a square, row by row; their number is that of a square."""
    across = round(len(views) ** 0.5)
    side = views[0].pixels.shape[0]
    rows = [
        np.hstack([each.pixels for each in views[start : start + across]])
        for start in range(0, len(views), across)
    ]
    boxes = [
        each.boxes + np.array([place % across, place // across] * 2, np.float32) * np.float32(side)
        for place, each in enumerate(views)
    ]
    labels = np.concatenate([each.labels for each in views])
    return Marked(np.vstack(rows), np.concatenate(boxes).astype(np.float32), labels)


def _draw_shard(folder: Path, task: Task, split: Split, number: int) -> None:
    """Writes one shard; its marks are written last, and are what says that it is complete."""
    from models.train import render

    place = sorted(TASKS).index(task.name)
    rng = np.random.default_rng((place, int(split == "held-out"), number))
    pixels = np.empty((SCENES_PER_SHARD, task.side, task.side, 3), np.uint8)
    rows: list[tuple[float, ...]] = []
    for index in range(SCENES_PER_SHARD):
        scene = render.draw(task.name, rng, task.side)
        found = np.array([box[1:] for box in scene.boxes], np.float32).reshape(-1, 4)
        pixels[index], boxes = letterbox(scene.pixels, found, task.side)
        kinds = [task.labels.index(box.label) for box in scene.boxes]
        rows.extend((index, kind, *box) for kind, box in zip(kinds, boxes.tolist(), strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    marks = _marks_path(folder, split, number)
    np.save(marks.with_suffix(".pixels.npy"), pixels)
    written = marks.with_suffix(".part.npy")
    np.save(written, np.array(rows, np.float32).reshape(-1, 6))
    written.rename(marks)


def _marks_path(folder: Path, split: Split, number: int) -> Path:
    return folder / f"{split}-{number:04d}.npy"


def _quarter_turn(
    pixels: Pixels, boxes: NDArray[np.float32], turns: int
) -> tuple[Pixels, NDArray[np.float32]]:
    """A square picture turned counter-clockwise."""
    side = pixels.shape[0]
    for _ in range(turns):
        boxes = np.stack([boxes[:, 1], side - boxes[:, 2], boxes[:, 3], side - boxes[:, 0]], axis=1)
    return np.rot90(pixels, turns), boxes


def _cut(
    pixels: Pixels,
    boxes: NDArray[np.float32],
    side: int,
    scale: float,
    goal: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> tuple[Pixels, NDArray[np.float32]]:
    """A window that shows the goal whole, if it can, enlarged to `side` pixels; unclipped boxes."""
    window = max(2, round(side / scale))
    size = pixels.shape[0]
    left = _start(size, window, None if goal is None else (goal[0], goal[2]), rng)
    top = _start(size, window, None if goal is None else (goal[1], goal[3]), rng)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + window, size), min(top + window, size)
    scale = side / window
    to = [round((x0 - left) * scale), round((y0 - top) * scale), round((x1 - left) * scale)]
    to.append(round((y1 - top) * scale))
    shown = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.full((side, side, 3), FILL, np.uint8)
    square[to[1] : to[3], to[0] : to[2]] = cv2.resize(
        shown, (to[2] - to[0], to[3] - to[1]), interpolation=how
    )
    return square, (boxes - np.array([left, top] * 2, np.float32)) * np.float32(scale)


def _start(size: int, window: int, goal: tuple[float, float] | None, rng: np.random.Generator) -> int:
    """Where a window begins on one axis: within the picture, or around it when it is the larger."""
    low, high = min(0, size - window), max(0, size - window)
    if goal is not None and goal[1] - goal[0] <= window:
        low, high = max(low, int(np.ceil(goal[1] - window))), min(high, int(goal[0]))
    return int(rng.integers(low, high + 1)) if high > low else low


def _worn(pixels: Pixels, task: Task, rng: np.random.Generator) -> Pixels:
    """Other light, colours and sharpness."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    curve = (levels ** rng.uniform(0.7, 1.4)) * gain + rng.uniform(-0.08, 0.08)
    table = (np.clip(curve, 0, 1) * 255).astype(np.uint8)
    pixels = cv2.LUT(pixels, table[:, None, :]).astype(np.uint8, copy=False)
    if rng.random() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        colour = float(rng.uniform(0.3, 1.6))
        pixels = np.asarray(cv2.addWeighted(pixels, colour, grey, 1 - colour, 0), np.uint8)
    if rng.random() < task.recoloured:
        pixels = np.ascontiguousarray(pixels[:, :, rng.permutation(3)])
    if rng.random() < 0.15:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.4)), np.uint8)
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 10), pixels.shape).astype(np.float32)
        pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])
        pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return pixels


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    area: NDArray[np.float32] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return area


def _shortest(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    shortest: NDArray[np.float32] = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    return shortest


def batch(views: Sequence[Marked]) -> NDArray[np.float32]:
    """Pictures as a network takes them: (B, 3, S, S) float32 in 0..1, channels last in memory."""
    stacked = np.stack([each.pixels for each in views]).astype(np.float32)
    stacked *= np.float32(1 / 255)
    return stacked.transpose(0, 3, 1, 2)
