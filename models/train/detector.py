"""Trains the detectors:  python -m models.train detector --task {all,logo,nutrition_table,nutriscore,price_tag,shelf}

`all` trains one network for the classes of every task together; a task then starts from it (`--start`), and what
comes out is an ONNX file of that task's classes alone. Scenes are drawn first, as many as are missing.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from models.train.assign import Loss, loss
from models.train.detector_file import detect, evaluate, write
from models.train.scenes import TASKS, Scenes, Task, batch, picture
from models.train.yolo import STRIDES, Detector, cells

FOLDER = Path(".aisle/train")
JOINT_SIDE = 320
BATCH = 16
LEARNING_RATE = 2e-3
FINE_TUNING_RATE = 6e-4
SMALL_PART, SMALL_SIDE = 0.5, 0.8
WEIGHT_DECAY = 0.05
WARM_UP_STEPS = 100
AVERAGE_DECAY = 0.998
LARGEST_GRADIENT = 10.0
QUICK_BAR = 0.5
"""Loss of boxes after --quick; untrained ones cost about 0.6."""
SAVE_EVERY_S = 60.0
REPORT_EVERY = 50


class Course(NamedTuple):
    """One training: which scenes, at what size and for how long; minutes of processor time."""

    tasks: tuple[Task, ...]
    scenes: tuple[Scenes, ...]
    side: int
    minutes: float
    learning_rate: float
    batch: int
    seed: int
    is_new: bool

    @property
    def classes(self) -> int:
        return sum(len(task.labels) for task in self.tasks)

    def side_at(self, part: float) -> int:
        """Pictures are smaller in the first half of a new training: more steps for what is coarse."""
        if part >= SMALL_PART or not self.is_new:
            return self.side
        return round(SMALL_SIDE * self.side / STRIDES[-1]) * STRIDES[-1]

    def first_class(self, place: int) -> int:
        """The number of the first class of the task at that place."""
        return sum(len(task.labels) for task in self.tasks[:place])


class Progress:
    """A training under way: network, its running average, optimiser, and how far it is."""

    def __init__(self, network: Detector, learning_rate: float) -> None:
        self.network = network.to(memory_format=torch.channels_last)
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        decayed = [weight for weight in network.parameters() if weight.ndim > 1]
        plain = [weight for weight in network.parameters() if weight.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=learning_rate, fused=True)
        self.steps = 0
        self.elapsed_s = 0.0

    def follow(self) -> None:
        """Moves the average a step; it follows fast at first."""
        decay = min(AVERAGE_DECAY, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            mine = self.network.state_dict()
            for name, value in self.average.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(mine[name], 1 - decay)
                else:
                    value.copy_(mine[name])

    def save(self, path: Path) -> None:
        """Writes the checkpoint aside and puts it in place in one move."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "elapsed_s": self.elapsed_s,
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def restore(self, path: Path) -> None:
        """Goes on where a checkpoint of the same classes was written."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.elapsed_s = state["steps"], state["elapsed_s"]


def run(argv: Sequence[str]) -> None:
    """The command line; see `--help`."""
    options = _options(argv)
    tasks = tuple(task for task in TASKS.values() if task.name in options.task or "all" in options.task)
    torch.manual_seed(options.seed)
    scenes = tuple(Scenes(options.folder / "scenes", task, "train") for task in tasks)
    held_out = tuple(Scenes(options.folder / "scenes", task, "held-out") for task in tasks)
    for each, count in [
        *((each, options.scenes) for each in scenes),
        *((each, options.held_out) for each in held_out),
    ]:
        each.draw(count, partial(_tell_drawn, each.task.name))
    if options.draw_only:
        return
    course = Course(
        tasks,
        scenes,
        options.side or (JOINT_SIDE if len(tasks) > 1 else tasks[0].side),
        options.minutes,
        options.rate or (FINE_TUNING_RATE if options.start else LEARNING_RATE),
        options.batch,
        options.seed,
        is_new=options.start is None,
    )
    checkpoint = options.folder / f"detector-{'+'.join(options.task)}.pt"
    progress = Progress(_first_network(course, options.start), course.learning_rate)
    if options.resume and checkpoint.exists():
        progress.restore(checkpoint)
    mean_box = train(course, progress, checkpoint)
    if options.quick and mean_box > QUICK_BAR:
        raise SystemExit(f"the recipe is broken: boxes cost {mean_box:.3f} after {progress.steps} steps")
    for place, (task, kept) in enumerate(zip(tasks, held_out, strict=True)):
        first = course.first_class(place)
        network = progress.average.keep_classes(range(first, first + len(task.labels))).eval()
        if options.no_export:
            found = evaluate(partial(detect, network), kept, options.held_out)
            table = ", ".join(f"{label} {value:.3f}" for label, value in found.items())
            print(f"{task.name}: mAP50 on {options.held_out} held-out scenes: {table}", flush=True)
        else:
            folder = options.folder / "onnx"
            write(network, scenes[place], kept, options.held_out, folder=folder, out=options.out)


def _tell_drawn(name: str, done: int) -> None:
    print(f"{name}: {done} scenes drawn", flush=True)


def train(course: Course, progress: Progress, checkpoint: Path) -> float:
    """Trains until the minutes are over; saves every minute and at the end. The latest mean loss of boxes.

    The schedule follows processor time, so that a busy machine takes longer and learns no less.
    """
    progress.network.train()
    if not course.is_new:
        _freeze(progress.network.stages[0])
    budget_s = course.minutes * 60
    saved_s, recent, mean_box = progress.elapsed_s, [0.0, 0.0], math.inf
    while progress.elapsed_s < budget_s:
        begun = time.process_time()
        part = progress.elapsed_s / budget_s
        rate = _rate(course.learning_rate, progress.steps, part)
        for group in progress.optimiser.param_groups:
            group["lr"] = rate
        # A generator per step: a training that was interrupted sees what it would have seen.
        rng = np.random.default_rng((course.seed, progress.steps))
        cost = _step(course, progress, course.side_at(part), rng)
        progress.steps += 1
        progress.elapsed_s += time.process_time() - begun
        recent = [recent[0] + float(cost.score), recent[1] + float(cost.box)]
        if progress.steps % REPORT_EVERY == 0:
            score, mean_box = (value / REPORT_EVERY for value in recent)
            print(
                f"{progress.elapsed_s / 60:6.2f} min  step {progress.steps}  score {score:.3f}  box {mean_box:.3f}  "
                f"rate {rate:.1e}",
                flush=True,
            )
            recent = [0.0, 0.0]
            for each in course.scenes:
                each.find_more()
        if progress.elapsed_s - saved_s > SAVE_EVERY_S:
            progress.save(checkpoint)
            saved_s = progress.elapsed_s
    if progress.elapsed_s > saved_s:
        progress.save(checkpoint)
    return mean_box


def _step(course: Course, progress: Progress, side: int, rng: np.random.Generator) -> Loss:
    network = progress.network
    views, known = [], torch.zeros(course.batch, course.classes, dtype=torch.bool)
    labels = []
    for number in range(course.batch):
        place = (progress.steps * course.batch + number) % len(course.tasks)
        task, scenes = course.tasks[place], course.scenes[place]
        seen = picture(scenes, side, rng, zoom=side / course.side)
        first = course.first_class(place)
        known[number, first : first + len(task.labels)] = True
        views.append(seen)
        labels.append(torch.from_numpy(seen.labels + first))
    images = torch.from_numpy(batch(views))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        raw = network(images)
    truth = [torch.from_numpy(seen.boxes) for seen in views]
    cost = loss(raw, cells(side)[0], truth, labels, known)
    progress.optimiser.zero_grad(set_to_none=True)
    cost.total.backward()
    nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
    progress.optimiser.step()
    progress.follow()
    return Loss(cost.score.detach(), cost.box.detach())


def _freeze(stage: nn.Module) -> None:
    """Edges and colours are the same for every task, and learning them again is a quarter of a step's time."""
    stage.requires_grad_(False)
    stage.eval()


def _rate(peak: float, steps: int, part: float) -> float:
    """A short linear rise, then a cosine by the clock down to a fiftieth."""
    fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, part)))
    return peak * fall * min(1.0, (steps + 1) / WARM_UP_STEPS)


def _first_network(course: Course, start: Path | None) -> Detector:
    """An untrained network, or the part of the joint one that knows this task."""
    if start is None:
        return Detector(course.classes)
    joint = Detector(sum(len(task.labels) for task in TASKS.values()))
    joint.load_state_dict(torch.load(start, weights_only=True)["average"])
    first = 0
    kept: list[int] = []
    for task in TASKS.values():
        if task in course.tasks:
            kept.extend(range(first, first + len(task.labels)))
        first += len(task.labels)
    return joint.keep_classes(kept)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.train detector", description=__doc__)
    parser.add_argument("--task", choices=("all", *TASKS), nargs="+", default=["all"])
    parser.add_argument("--minutes", type=float, default=60.0, help="of processor time, drawing left out")
    parser.add_argument("--quick", action="store_true", help="a minute that proves the recipe, no more")
    parser.add_argument("--resume", action="store_true", help="go on from the task's checkpoint")
    parser.add_argument("--start", type=Path, help="checkpoint of the joint training to start from")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for scenes and checkpoints")
    parser.add_argument("--out", type=Path, default=Path("models/weights"), help="for the ONNX files")
    parser.add_argument("--scenes", type=int, default=2000, help="to draw for training, per task")
    parser.add_argument("--held-out", type=int, default=320, help="to draw for measuring, per task")
    parser.add_argument("--no-export", action="store_true", help="train and measure, write no ONNX file")
    parser.add_argument("--draw-only", action="store_true", help="draw what is missing and stop")
    parser.add_argument("--side", type=int, help="pixels of the cuts that are trained on")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--rate", type=float, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if options.quick:
        options.minutes, options.scenes, options.held_out = min(options.minutes, 0.5), 32, 32
        options.side, options.batch = options.side or 160, 4
    return options
