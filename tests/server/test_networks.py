"""The networks of a process: loaded, warm and queued, or the start fails with a reason."""

from pathlib import Path

import pytest

from server.metrics import Metrics
from server.networks import GpuMissing, Networks
from server.pool import WorkPool
from server.settings import Settings


def networks(folder: Path, require_gpu: bool = False) -> Networks:
    settings = Settings(data_dir=folder, providers=("cpu",), require_gpu=require_gpu)
    return Networks(settings, WorkPool(queue_limit=8, threads=1), Metrics())


async def test_what_is_installed_is_served_and_closed_again(tmp_path: Path) -> None:
    made = networks(tmp_path)
    assert made.servings == {}
    await made.open()
    assert made.servings["stub"].batcher.is_alive and made.is_alive()
    assert "clip-vit-b-32" not in made.servings
    batcher = made.servings["stub"].batcher
    await made.close()
    assert made.servings == {} and not batcher.is_alive


async def test_a_queue_that_died_is_told(tmp_path: Path) -> None:
    made = networks(tmp_path)
    await made.open()
    await made.servings["stub"].batcher.stop()
    assert not made.is_alive()
    await made.close()


async def test_a_required_gpu_that_no_network_uses_fails_the_start(tmp_path: Path) -> None:
    made = networks(tmp_path, require_gpu=True)
    with pytest.raises(GpuMissing, match=r"AISLE_REQUIRE_GPU is set, but .*(CPUExecutionProvider|numpy)"):
        await made.open()
    await made.close()
