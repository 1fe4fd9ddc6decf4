"""The hot path, from the bytes of a picture to what a network says of it. Read this file first.

    bytes -> gate -> (waits for a lane) -> decode, resize, normalise -> network -> answer
             header   batching.py          into the lane's slot         models/    unit vector, boxes

Only the gate and the last step of `embed` run in the event loop. Decoding happens in the thread of the lane
that will run the network, straight into the memory the network reads: pixels are never copied, stacked or
handed from thread to thread. Every picture has its own outcome; a bad one never spoils its neighbours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import boxes, decode, resize
from kernels.decode import ImageLimits, ImageRejected
from server import errors
from server.errors import AisleError

if TYPE_CHECKING:
    from models.manifest import Input, Manifest, NetworkSpec, Task
    from models.network import Network
    from models.stub import StubNetwork
    from server.batching import Batcher
    from server.deadline import Deadline
    from server.metrics import Metrics
    from server.pool import WorkPool

logger = logging.getLogger(__name__)

# Boxes of one object overlap by more than this share; two products of a shelf overlap by less.
SAME_OBJECT_IOU = 0.5
MAX_DETECTIONS = 300


class Serving(NamedTuple):
    """A network that is loaded and the queue in front of it."""

    network: Network | StubNetwork
    batcher: Batcher


class Detection(NamedTuple):
    """One object; the box is y_min, x_min, y_max, x_max in fractions of the upright picture."""

    label: str
    score: float
    bounding_box: tuple[float, float, float, float]


class Pipeline:
    """Runs pictures through networks; one per process, shared by all products.

    `servings` holds the networks that are loaded, by name; `limits` what a picture may be at most.
    """

    def __init__(
        self,
        manifest: Manifest,
        servings: Mapping[str, Serving],
        *,
        pool: WorkPool,
        metrics: Metrics,
        limits: ImageLimits,
    ) -> None:
        self.manifest = manifest
        self.servings = servings
        self._pool = pool
        self._metrics = metrics
        self._limits = limits

    def network(self, task: Task, name: str | None = None) -> NetworkSpec:
        """The loaded network of that name, or the most wanted one that does `task`.

        `NotFound` for a name that the manifest lacks or that does something else, `NetworkUnavailable` for
        one that is not installed.
        """
        if name is None:
            found = next((spec for spec in self.manifest.preferred(task) if spec.name in self.servings), None)
            if found is None:
                raise errors.NetworkUnavailable(f"No network that can {task} is installed")
            return found
        spec = self.manifest.find(name)
        if spec is None or spec.task != task:
            raise errors.NotFound(f"There is no network {name!r} that can {task}")
        if name not in self.servings:
            raise errors.NetworkUnavailable(f"The network {name!r} is not installed")
        return spec

    async def embed(
        self, images: Sequence[bytes], name: str, deadline: Deadline
    ) -> list[NDArray[np.float32] | AisleError]:
        """A vector (D,) of unit length, or what is wrong with it, per picture.

        All pictures are admitted or none: `Overloaded`, `DeadlineExceeded`.
        """
        pictures = await self._run(images, name, deadline)
        with self._metrics.stage("postprocess"):
            return [_unit(picture.outcome) for picture in pictures]

    async def detect(
        self, images: Sequence[bytes], name: str, threshold: float, deadline: Deadline
    ) -> list[list[Detection] | AisleError]:
        """The objects with a score of at least `threshold`, best first, per picture; errors as in `embed`."""
        labels = self.servings[name].network.spec.labels
        pictures = await self._run(images, name, deadline)
        with self._metrics.stage("postprocess"):
            found = await asyncio.gather(
                *(
                    self._pool.run(picture.detections, labels, threshold, deadline=deadline)
                    for picture in pictures
                    if not isinstance(picture.outcome, AisleError)
                )
            )
        good = iter(found)
        return [
            picture.outcome if isinstance(picture.outcome, AisleError) else next(good) for picture in pictures
        ]

    async def gray(
        self,
        data: bytes,
        deadline: Deadline,
        *,
        long_side: int | None = None,
        limits: ImageLimits | None = None,
    ) -> NDArray[np.uint8]:
        """The upright picture in gray levels (H, W), at most `long_side` long, for local features.

        `ImageError`, `Overloaded`, `DeadlineExceeded`.
        """
        try:
            with self._metrics.stage("decode"):
                return await self._pool.run(
                    decode.gray, data, limits or self._limits, long_side=long_side, deadline=deadline
                )
        except ImageRejected as rejected:
            raise self._refuse(rejected) from None

    async def _run(self, images: Sequence[bytes], name: str, deadline: Deadline) -> list[_Picture]:
        """Every picture with its outcome: a row of the network's output, or an error."""
        batcher = self.servings[name].batcher
        spec = self.servings[name].network.spec
        if spec.input is None:
            raise errors.NotFound(f"The network {name!r} takes no pictures")
        with self._metrics.stage("gate"):
            pictures = [self._gate(data, spec.input) for data in images]
        good = [picture for picture in pictures if picture.outcome is None]
        outcomes = await batcher.submit_many([picture.prepare for picture in good], deadline)
        for picture, outcome in zip(good, outcomes, strict=True):
            picture.outcome = self._refuse(outcome) if isinstance(outcome, Exception) else outcome
        if good:
            self._time(good)
        return pictures

    def _gate(self, data: bytes, wanted: Input) -> _Picture:
        """Size, kind and declared pixels, before the picture costs more than its bytes."""
        picture = _Picture(data, wanted, self._limits)
        try:
            picture.header = decode.header(data, self._limits)
        except ImageRejected as rejected:
            picture.outcome = self._refuse(rejected)
        return picture

    def _refuse(self, fault: Exception) -> AisleError:
        """The one error a caller sees for whatever went wrong with one picture."""
        if isinstance(fault, ImageRejected):
            self._metrics.rejected(fault.reason)
            return errors.from_rejected(fault)
        if isinstance(fault, AisleError):
            return fault
        logger.error("a picture could not be prepared", exc_info=fault)
        return errors.InternalError("The picture could not be processed")

    def _time(self, pictures: Sequence[_Picture]) -> None:
        """One reading per stage and request: that of the slowest picture."""
        now = perf_counter()
        done = [picture for picture in pictures if picture.prepared_at]
        if done:
            self._metrics.observe("queue", max(each.begun_at - each.gated_at for each in done))
            self._metrics.observe("decode", max(each.prepared_at - each.begun_at for each in done))
            self._metrics.observe("network", max(now - each.prepared_at for each in done))


class _Picture:
    """One picture on its way; `prepare` runs in a lane's thread, everything else in the event loop."""

    __slots__ = (
        "_limits",
        "_wanted",
        "begun_at",
        "data",
        "gated_at",
        "header",
        "outcome",
        "placement",
        "prepared_at",
        "size",
    )

    def __init__(self, data: bytes, wanted: Input, limits: ImageLimits) -> None:
        self.data = data
        self._wanted = wanted
        self._limits = limits
        self.header: decode.ImageHeader | None = None
        self.outcome: NDArray[Any] | AisleError | None = None
        self.gated_at = perf_counter()
        self.begun_at = self.prepared_at = 0.0

    def prepare(self, slot: NDArray[Any]) -> None:
        """Decode no more pixels than the slot (3, S, S) needs; write them there as the network wants them."""
        self.begun_at = perf_counter()
        wanted = self._wanted
        pixels = decode.rgb(self.data, self._limits, cover=self._cover())
        self.size = (pixels.shape[1], pixels.shape[0])
        self.placement = resize.into_slot(
            pixels, slot, geometry=wanted.geometry, mean=wanted.mean, std=wanted.std
        )
        self.prepared_at = perf_counter()

    def _cover(self) -> int:
        """The length the short side must still have: a letterbox shrinks the long side to the network's."""
        assert self.header is not None
        if self._wanted.geometry != "letterbox":
            return self._wanted.size
        width, height = self.header.width, self.header.height
        return max(1, -(-self._wanted.size * min(width, height) // max(width, height)))

    def detections(self, labels: Sequence[str], threshold: float) -> list[Detection]:
        """The network's raw output (4 + labels, N) as objects; boxes go back through the resize."""
        assert isinstance(self.outcome, np.ndarray)
        found, scores, kinds = boxes.yolo_decode(self.outcome, threshold)
        keep = boxes.nms(found, scores, SAME_OBJECT_IOU)[:MAX_DETECTIONS]
        width, height = self.size
        placed = boxes.unletterbox(found[keep], self.placement, width, height) / (
            width,
            height,
            width,
            height,
        )
        return [
            Detection(labels[kind], float(score), (float(y0), float(x0), float(y1), float(x1)))
            for (x0, y0, x1, y1), score, kind in zip(placed, scores[keep], kinds[keep], strict=True)
        ]


def _unit(outcome: NDArray[Any] | AisleError | None) -> NDArray[np.float32] | AisleError:
    """The row at length 1; a row without a direction is the network's failure."""
    if outcome is None or isinstance(outcome, AisleError):
        return outcome or errors.InternalError()
    row = outcome.astype(np.float32, copy=False)
    length = float(np.sqrt(row @ row))
    if not 0.0 < length < float("inf"):
        return errors.InternalError("The network failed on this picture", code="NETWORK_FAILED")
    row /= np.float32(length)
    return row
