"""What a training changes, and what it leaves as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train.detector import Course, Progress, train  # noqa: E402
from models.train.scenes import SCENES_PER_SHARD, TASKS, Scenes  # noqa: E402
from models.train.yolo import Detector  # noqa: E402

SIDE = 64


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    """White squares on black, in the place where drawn scenes are looked for."""
    task = TASKS["price_tag"]._replace(side=SIDE)
    folder = tmp_path / f"{task.name}-{task.side}"
    folder.mkdir()
    pixels = np.zeros((SCENES_PER_SHARD, SIDE, SIDE, 3), np.uint8)
    pixels[:, 20:44, 20:44] = 255
    rows = [(index, 0, 20, 20, 44, 44) for index in range(SCENES_PER_SHARD)]
    np.save(folder / "train-0000.pixels.npy", pixels)
    np.save(folder / "train-0000.npy", np.array(rows, np.float32))
    return Scenes(tmp_path, task, "train")


def trained(scenes: Scenes, folder: Path, *, is_new: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state before and after a few steps."""
    torch.manual_seed(0)
    progress = Progress(Detector(1), 1e-3)
    before = {name: value.clone() for name, value in progress.network.state_dict().items()}
    course = Course((scenes.task,), (scenes,), SIDE, 0.01, 1e-3, 2, 0, is_new)
    train(course, progress, folder / "detector.pt")
    assert progress.steps > 0
    return before, progress.network.state_dict()


def test_a_started_network_keeps_its_first_stage_and_learns_the_rest(scenes: Scenes, tmp_path: Path) -> None:
    before, after = trained(scenes, tmp_path, is_new=False)
    first = [name for name in before if name.startswith("stages.0.")]
    assert first and all(torch.equal(before[name], after[name]) for name in first)
    assert not torch.equal(before["stages.1.0.0.weight"], after["stages.1.0.0.weight"])


def test_a_new_network_learns_its_first_stage_too(scenes: Scenes, tmp_path: Path) -> None:
    before, after = trained(scenes, tmp_path, is_new=True)
    assert not torch.equal(before["stages.0.0.0.weight"], after["stages.0.0.0.weight"])
