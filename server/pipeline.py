"""The hot path, from the bytes of a picture to what a network says of it. Read this file first.

    bytes -> (waits for a lane) -> gate -> decode, resize, normalise -> network -> answer
             batching.py           header  into the lane's slot         models/    unit vector, boxes

From gate to network a picture stays in the thread of the lane that took it, and its pixels are written once,
straight into the memory the network reads: nothing is copied, stacked or handed from thread to thread. The
event loop only admits and answers. Every picture has its own outcome; a bad one never spoils its neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import boxes, decode, resize
from kernels.decode import ImageHeader, ImageLimits, ImageRejected
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

# A crowded shelf has some 150 products, and a picture of many shelves several times that.
MAX_DETECTIONS = 1000


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
        """The loaded network of that name, the most wanted one for the purpose of that name, or for `task`.

        `NotFound` for a name that the manifest lacks or that does something else, `NetworkUnavailable` for
        one that is not installed.
        """
        wanted = self.manifest.preferred(task) if name is None else self.manifest.suited(name)
        if name is None or wanted:
            able = [spec for spec in wanted if spec.task == task]
            if wanted and not able:
                raise errors.NotFound(f"Networks for {name!r} cannot {task}")
            found = next((spec for spec in able if spec.name in self.servings), None)
            if found is None:
                purpose = task if name is None else f"{task} for {name!r}"
                raise errors.NetworkUnavailable(f"No network that can {purpose} is installed")
            return found
        spec = self.manifest.find(name)
        if spec is None or spec.task != task:
            raise errors.NotFound(f"There is no network {name!r} that can {task}")
        if name not in self.servings:
            raise errors.NetworkUnavailable(f"The network {name!r} is not installed")
        return spec

    async def embed(
        self, images: Sequence[bytes], name: str, deadline: Deadline, *, are_objects: bool = False
    ) -> list[NDArray[np.float32] | AisleError]:
        """A vector (D,) of unit length, or what is wrong with it, per picture.

        `are_objects`: each is one object cut out of a picture, a logo for instance. All pictures are admitted
        or none: `Overloaded`, `DeadlineExceeded`.
        """
        pictures = await self._run(images, name, deadline, are_objects)
        with self._metrics.stage("postprocess"):
            return [_unit(picture.outcome) for picture in pictures]

    async def detect(
        self, images: Sequence[bytes], name: str, threshold: float, deadline: Deadline
    ) -> list[list[Detection] | AisleError]:
        """The objects with a score of at least `threshold`, best first, per picture; errors as in `embed`."""
        spec = self.servings[name].network.spec
        pictures = await self._run(images, name, deadline)
        with self._metrics.stage("postprocess"):
            return await self._pool.run(
                lambda: [picture.detections(spec, threshold) for picture in pictures], deadline=deadline
            )

    async def _run(
        self, images: Sequence[bytes], name: str, deadline: Deadline, are_objects: bool = False
    ) -> list[_Picture]:
        """Every picture with its outcome: a row of the network's output, or an error."""
        batcher = self.servings[name].batcher
        spec = self.servings[name].network.spec
        if spec.input is None:
            raise errors.NotFound(f"The network {name!r} takes no pictures")
        wanted = spec.input.of_objects() if are_objects else spec.input
        pictures = [_Picture(data, wanted, self._limits) for data in images]
        outcomes = await batcher.submit_many([picture.prepare for picture in pictures], deadline)
        for picture, outcome in zip(pictures, outcomes, strict=True):
            picture.outcome = self._refuse(outcome) if isinstance(outcome, Exception) else outcome
        self._time(pictures)
        return pictures

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
        """One reading per stage and request: that of the slowest picture that came through."""
        now = perf_counter()
        done = [picture for picture in pictures if picture.prepared_s]
        if done:
            self._metrics.observe("queue", max(each.begun_s - each.came_s for each in done))
            self._metrics.observe("gate", max(each.gated_s - each.begun_s for each in done))
            self._metrics.observe("decode", max(each.prepared_s - each.gated_s for each in done))
            self._metrics.observe("network", max(now - each.prepared_s for each in done))


class _Picture:
    """One picture on its way; the moments are those of `perf_counter`."""

    def __init__(self, data: bytes, wanted: Input, limits: ImageLimits) -> None:
        self.outcome: NDArray[Any] | AisleError = errors.InternalError()
        self.came_s = perf_counter()
        self.begun_s = self.gated_s = self.prepared_s = 0.0
        self._data = data
        self._wanted = wanted
        self._limits = limits

    def prepare(self, slot: NDArray[Any]) -> None:
        """In a lane's thread: check, decode no more than the slot (3, S, S) needs, write it there.

        Raises `ImageRejected`.
        """
        wanted = self._wanted
        self.begun_s = perf_counter()
        opened = decode.read(self._data, self._limits)
        found = opened[0]
        self.gated_s = perf_counter()
        pixels = decode.rgb(self._data, self._limits, cover=_cover(found, wanted), opened=opened)
        self._size = found.width, found.height
        self._placement = resize.into_slot(
            pixels,
            slot,
            geometry=wanted.geometry,
            mean=wanted.mean,
            std=wanted.std,
            fill=wanted.fill,
            kind=wanted.filter,
            original=self._size,
        )
        self.prepared_s = perf_counter()

    def detections(self, spec: NetworkSpec, threshold: float) -> list[Detection] | AisleError:
        """The network's raw output (4 + labels, N) as objects, best first; boxes go back through the resize.

        In the order of contract robotoff 5: fractions of the picture, cut at its edges, then suppression.
        What lies in the padding alone has no area then and is dropped.
        """
        if isinstance(self.outcome, AisleError):
            return self.outcome
        found, scores, kinds = boxes.yolo_decode(self.outcome, threshold)
        width, height = self._size
        # In float64: a box of whole pixels has the fractions a reader expects.
        sides = np.array([width, height, width, height], np.float64)
        placed = boxes.unletterbox(found, self._placement, width, height) / sides
        inside = np.flatnonzero((placed[:, 2] > placed[:, 0]) & (placed[:, 3] > placed[:, 1]))
        placed, scores, kinds = placed[inside], scores[inside], kinds[inside]
        keep = boxes.nms(placed.astype(np.float32), scores, spec.same_object_iou)[:MAX_DETECTIONS]
        return [
            Detection(spec.labels[kind], float(score), (y0, x0, y1, x1))
            for (x0, y0, x1, y1), score, kind in zip(
                placed[keep].tolist(), scores[keep], kinds[keep], strict=True
            )
        ]


def _cover(found: ImageHeader, wanted: Input) -> int:
    """The length the short side must still have: a letterbox shrinks the long side to the network's.

    Networks that ask for the bicubic filter are fed what it makes of detail, which a decode of about their
    size has lost already: they get twice that.
    """
    size = wanted.size if wanted.filter == "bilinear" else 2 * wanted.size
    if wanted.geometry != "letterbox":
        return size
    long, short = max(found.width, found.height), min(found.width, found.height)
    return max(1, -(-size * short // long))


def _unit(outcome: NDArray[Any] | AisleError) -> NDArray[np.float32] | AisleError:
    """The row at length 1; a row without a direction is the network's failure."""
    if isinstance(outcome, AisleError):
        return outcome
    row = outcome.astype(np.float32, copy=False)
    length = float(np.sqrt(row @ row))
    if not 0.0 < length < float("inf"):
        return errors.InternalError("The network failed on this picture", code="NETWORK_FAILED")
    row /= np.float32(length)
    return row
