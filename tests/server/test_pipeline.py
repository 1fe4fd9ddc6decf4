"""The hot path without HTTP: gate, decode into the slot, network, answer."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kernels.decode import ImageLimits
from models.manifest import Code, Defaults, Input, Manifest, NetworkSpec
from models.stub import StubNetwork
from server import errors, metrics
from server.batching import Batcher
from server.deadline import Deadline
from server.metrics import Metrics
from server.pipeline import Pipeline, Serving
from server.pool import WorkPool

LIMITS = ImageLimits(max_bytes=2**20, max_pixels=10_000)
GARBAGE = b"\xff\xd8\xff not a picture"


def picture(
    width: int = 80, height: int = 60, *, colour: tuple[int, int, int] = (200, 40, 40), kind: str = "JPEG"
) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, kind)
    return stream.getvalue()


def spec(name: str, task: str, *, size: int = 32, geometry: str = "stretch", **changes: Any) -> NetworkSpec:
    fields: dict[str, Any] = {
        "name": name,
        "version": "1",
        "task": task,
        "source": Code(),
        "licence": "none",
        "input": Input(size=size, geometry=geometry),  # type: ignore[arg-type]
        "batch_buckets": (1, 2, 4),
        "concurrency": 1,
    }
    return NetworkSpec(**{**fields, **changes})


class Scripted:
    """A network that answers what the test says, and remembers what it was shown."""

    provider = "script"
    exclusive = False
    lanes = 1

    def __init__(self, spec: NetworkSpec, answer: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self.spec = spec
        self.batch_buckets = spec.batch_buckets
        self.seen: list[NDArray[Any]] = []
        self._answer = answer

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        self.seen.append(batch.copy())
        return self._answer(batch)


STUB = spec("stub", "embed", dimension=64, embedding_space="stub-1")


@asynccontextmanager
async def running(
    *networks: Any, queue_limit: int = 8, missing: tuple[NetworkSpec, ...] = ()
) -> AsyncIterator[Pipeline]:
    pool = WorkPool(queue_limit=4, threads=2)
    counts = Metrics()
    specs = (*(network.spec for network in networks), *missing)
    wanted = {
        task: tuple(spec.name for spec in specs if spec.task == task)
        for task in ("embed", "detect", "classify")
    }
    servings = {}
    for network in networks:
        batcher = Batcher(network, queue_limit=queue_limit, observer=counts)
        await batcher.start()
        servings[network.spec.name] = Serving(network, batcher)
    try:
        yield Pipeline(
            Manifest(specs, Defaults(**wanted)), servings, pool=pool, metrics=counts, limits=LIMITS
        )
    finally:
        for serving in servings.values():
            await serving.batcher.stop()
        pool.close()


def soon() -> Deadline:
    return Deadline.after(30)


async def test_an_embedding_has_unit_length_and_the_networks_dimension() -> None:
    answer = np.full((1, 5), 3.0, np.float64)
    network = Scripted(
        spec("n", "embed", dimension=5, embedding_space="n", batch_buckets=(1,)), lambda _: answer
    )
    async with running(network) as pipeline:
        [row] = await pipeline.embed([picture()], "n", soon())
    assert isinstance(row, np.ndarray)
    assert row.dtype == np.float32
    np.testing.assert_allclose(row, np.full(5, 5**-0.5), rtol=1e-6)


async def test_an_object_is_brought_to_the_size_in_its_own_way() -> None:
    wanted = Input(size=8, geometry="letterbox", object_geometry="stretch")
    network = Scripted(
        spec("n", "embed", dimension=1, embedding_space="n", input=wanted, batch_buckets=(1,)),
        lambda batch: np.ones((len(batch), 1)),
    )
    async with running(network) as pipeline:
        await pipeline.embed([picture(64, 32, kind="PNG")], "n", soon())
        await pipeline.embed([picture(64, 32, kind="PNG")], "n", soon(), are_objects=True)
    whole, cut_out = network.seen
    grey = np.float32(114 / 255)
    np.testing.assert_allclose(whole[0, :, 0], grey, atol=1e-6)
    assert not np.isclose(cut_out, grey).any()


async def test_a_bad_picture_has_an_error_in_its_place_and_the_good_ones_have_vectors() -> None:
    async with running(StubNetwork(STUB)) as pipeline:
        good, bad, other = await pipeline.embed(
            [picture(), GARBAGE, picture(colour=(0, 200, 0))], "stub", soon()
        )
        [alone] = await pipeline.embed([picture()], "stub", soon())
    assert isinstance(bad, errors.ImageError) and bad.reason == "not_loaded"
    assert isinstance(good, np.ndarray) and isinstance(other, np.ndarray) and isinstance(alone, np.ndarray)
    np.testing.assert_array_equal(good, alone)
    assert float(good @ other) < 0.999


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"x" * (2**20 + 1), "too_many_bytes"),
        (picture(200, 51), "too_many_pixels"),
        (picture()[:-200], "not_loaded"),
    ],
)
async def test_what_the_gate_or_the_decoder_refuses_is_named(data: bytes, reason: str) -> None:
    async with running(StubNetwork(STUB)) as pipeline:
        [refused] = await pipeline.embed([data], "stub", soon())
        assert f'aisle_images_rejected_total{{reason="{reason}"}} 1.0'.encode() in pipeline._metrics.render()
    assert isinstance(refused, errors.ImageError)
    assert refused.reason == reason


async def test_refused_pictures_cost_no_network_run() -> None:
    network = Scripted(
        spec("n", "embed", dimension=1, embedding_space="n"), lambda batch: np.ones((len(batch), 1))
    )
    async with running(network) as pipeline:
        refused = await pipeline.embed([GARBAGE] * 5, "n", soon())
    assert [type(each) for each in refused] == [errors.ImageError] * 5
    assert network.seen == []


async def test_more_pictures_than_there_is_room_for_are_refused_together() -> None:
    release, entered = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        return np.ones((len(batch), 2), np.float32)

    network = Scripted(spec("n", "embed", dimension=2, embedding_space="n"), run)
    async with running(network, queue_limit=2) as pipeline:
        first = asyncio.create_task(pipeline.embed([picture()], "n", soon()))
        await entered.wait()
        waiting = asyncio.create_task(pipeline.embed([picture()], "n", soon()))
        await asyncio.sleep(0)
        with pytest.raises(errors.Overloaded):
            await pipeline.embed([picture()] * 2, "n", soon())
        release.set()
        assert [len(await task) for task in (first, waiting)] == [1, 1]
    assert sum(len(batch) for batch in network.seen) == 2


async def test_a_deadline_that_passed_costs_no_network_run() -> None:
    network = Scripted(
        spec("n", "embed", dimension=2, embedding_space="n"), lambda batch: np.ones((len(batch), 2))
    )
    async with running(network) as pipeline:
        with pytest.raises(errors.DeadlineExceeded):
            await pipeline.embed([picture()], "n", Deadline.after(0))
    assert network.seen == []


@pytest.mark.parametrize("row", [0.0, np.nan, np.inf])
async def test_a_vector_without_a_direction_is_an_error_not_an_answer(row: float) -> None:
    network = Scripted(
        spec("n", "embed", dimension=2, embedding_space="n"), lambda batch: np.full((len(batch), 2), row)
    )
    async with running(network) as pipeline:
        [failed] = await pipeline.embed([picture()], "n", soon())
    assert isinstance(failed, errors.InternalError) and failed.code == "NETWORK_FAILED"


async def test_a_fault_of_our_own_while_preparing_says_nothing_of_our_insides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("server.pipeline.decode.rgb", explode)
    async with running(StubNetwork(STUB)) as pipeline:
        [failed] = await pipeline.embed([picture()], "stub", soon())
    assert isinstance(failed, errors.InternalError)
    assert "secret" not in failed.message


async def test_a_jpeg_is_decoded_at_the_scale_the_network_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    from kernels import decode

    shapes = []
    real = decode.rgb

    def spy(*arguments: Any, **named: Any) -> NDArray[np.uint8]:
        pixels = real(*arguments, **named)
        shapes.append(pixels.shape[:2])
        return pixels

    monkeypatch.setattr("server.pipeline.decode.rgb", spy)
    answer = np.zeros((1, 6, 0), np.float32)
    cover = Scripted(
        spec("c", "embed", geometry="center_crop", dimension=1, embedding_space="c"),
        lambda batch: np.ones((len(batch), 1)),
    )
    box = Scripted(
        spec("l", "detect", geometry="letterbox", labels=("a", "b"), batch_buckets=(1,)), lambda _: answer
    )
    async with running(cover, box) as pipeline:
        await pipeline.embed([picture(128, 70)], "c", soon())
        # A letterbox of 32 makes 32 x 17 of it, so a quarter is enough.
        await pipeline.detect([picture(128, 70)], "l", 0.5, soon())
    assert shapes == [(35, 64), (18, 32)]


def yolo(*candidates: tuple[float, float, float, float, float, float]) -> Callable[[NDArray[Any]], Any]:
    """A network that finds these: centre x, centre y, width, height in slot pixels, scores of two labels."""
    output = np.array(candidates, np.float32).T[None]
    return lambda batch: np.repeat(output, len(batch), axis=0)


async def test_detections_are_in_fractions_of_the_picture_best_first() -> None:
    # 96 x 48 in a slot of 32: 32 x 16, with 8 rows above and below.
    found = yolo((16, 16, 16, 8, 0.3, 0.0), (8, 12, 8, 4, 0.0, 0.9), (16, 16, 16, 8, 0.1, 0.1))
    network = Scripted(spec("d", "detect", geometry="letterbox", labels=("cat", "dog")), found)
    async with running(network) as pipeline:
        [objects, refused] = await pipeline.detect([picture(96, 48), GARBAGE], "d", 0.2, soon())
    assert isinstance(refused, errors.ImageError)
    assert not isinstance(objects, errors.AisleError)
    assert [(each.label, round(each.score, 4)) for each in objects] == [("dog", 0.9), ("cat", 0.3)]
    np.testing.assert_allclose(objects[0].bounding_box, (2 / 16, 4 / 32, 6 / 16, 12 / 32), atol=1e-6)
    np.testing.assert_allclose(objects[1].bounding_box, (4 / 16, 8 / 32, 12 / 16, 24 / 32), atol=1e-6)


async def test_two_boxes_of_one_object_become_one() -> None:
    found = yolo((16, 16, 16, 16, 0.8, 0.0), (17, 16, 16, 16, 0.0, 0.7), (4, 4, 4, 4, 0.6, 0.0))
    network = Scripted(spec("d", "detect", labels=("cat", "dog")), found)
    async with running(network) as pipeline:
        [objects] = await pipeline.detect([picture(64, 64)], "d", 0.5, soon())
    assert not isinstance(objects, errors.AisleError)
    assert [each.label for each in objects] == ["cat", "cat"]


async def test_boxes_in_the_padding_are_dropped_and_those_across_the_edge_cut() -> None:
    # 64 x 32 in a slot of 32: rows 8 to 24.
    found = yolo((16, 3, 8, 4, 0.9, 0.0), (16, 8, 8, 8, 0.8, 0.0), (32, 16, 8, 8, 0.7, 0.0))
    network = Scripted(spec("d", "detect", geometry="letterbox", labels=("cat", "dog")), found)
    async with running(network) as pipeline:
        [objects] = await pipeline.detect([picture(64, 32)], "d", 0.5, soon())
    assert not isinstance(objects, errors.AisleError)
    assert [each.bounding_box for each in objects] == [
        (0.0, 12 / 32, 4 / 16, 20 / 32),
        (4 / 16, 28 / 32, 12 / 16, 1.0),
    ]


@pytest.mark.parametrize(("iou", "count"), [(0.7, 2), (0.5, 1)])
async def test_what_one_object_is_stands_in_the_manifest(iou: float, count: int) -> None:
    # These two overlap by 12 / 20.
    found = yolo((16, 16, 16, 16, 0.8, 0.0), (20, 16, 16, 16, 0.0, 0.7))
    network = Scripted(spec("d", "detect", labels=("cat", "dog"), same_object_iou=iou), found)
    async with running(network) as pipeline:
        [objects] = await pipeline.detect([picture(64, 64)], "d", 0.5, soon())
    assert not isinstance(objects, errors.AisleError)
    assert len(objects) == count


async def test_boxes_do_not_depend_on_the_scale_the_jpeg_was_decoded_at() -> None:
    network = Scripted(
        spec("d", "detect", geometry="letterbox", labels=("cat", "dog")), yolo((16, 16, 8, 8, 0.9, 0))
    )
    async with running(network) as pipeline:
        boxes = [
            (await pipeline.detect([picture(side, side)], "d", 0.5, soon()))[0] for side in (32, 64, 100)
        ]
    for [each] in boxes:  # type: ignore[misc]
        np.testing.assert_allclose(each.bounding_box, (3 / 8, 3 / 8, 5 / 8, 5 / 8), atol=1e-6)


async def test_the_default_network_is_the_most_wanted_that_is_loaded() -> None:
    absent = spec("absent", "classify", labels=("a",))
    async with running(StubNetwork(STUB), missing=(absent,)) as pipeline:
        assert pipeline.network("embed").name == "stub"
        assert pipeline.network("embed", "stub") is STUB
        with pytest.raises(errors.NetworkUnavailable):
            pipeline.network("classify")
        with pytest.raises(errors.NetworkUnavailable):
            pipeline.network("classify", "absent")
        with pytest.raises(errors.NotFound):
            pipeline.network("embed", "nobody")
        with pytest.raises(errors.NotFound):
            pipeline.network("detect", "stub")


async def test_every_stage_is_timed_for_the_request() -> None:
    stages: dict[str, float] = {}
    token = metrics.request_stages.set(stages)
    try:
        async with running(StubNetwork(STUB)) as pipeline:
            began = time.perf_counter()
            await pipeline.embed([picture(), picture()], "stub", soon())
            elapsed = time.perf_counter() - began
    finally:
        metrics.request_stages.reset(token)
    assert set(stages) == {"gate", "queue", "decode", "network", "postprocess"}
    assert all(0 <= seconds <= elapsed for seconds in stages.values())
