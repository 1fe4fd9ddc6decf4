"""What an installed network can be asked without any data: is it sane, is it the same, how fast is it here."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.manifest import NetworkSpec
from models.network import Network
from models.stub import StubNetwork
from models.tensors import check_shape
from models.text_network import TextNetwork

# How much of one second each speed may be measured for.
MEASURE_S = 0.5
FINGERPRINT_LENGTH = 16

# An int8 network differs by as much between processors with and without the instructions for it.
_TOLERANCE = {"embed": (0.0, 0.02), "detect": (0.05, 0.01), "classify": (0.0, 0.05), "text": (0.02, 0.05)}


class Report(NamedTuple):
    """What was found; `faults` is empty when all is well. Times are medians."""

    provider: str
    single_ms: float
    batch: int
    batch_ms: float
    faults: tuple[str, ...]

    @property
    def per_second(self) -> float:
        """Pictures, or texts, of the faster of the two batches."""
        return max(1000 / self.single_ms, self.batch * 1000 / self.batch_ms)


def picture(size: int) -> NDArray[np.uint8]:
    """A picture (3, size, size) that is the same everywhere: whole numbers, edges, gradients, texture."""
    y, x = np.indices((size, size))
    y, x = y * 224 // size, x * 224 // size
    planes = [(x * 5 + y * 3) ^ (x * y >> 5), (x * 2 - y * 7) ^ (x + y), (x // 16 * 40 + y // 24 * 56)]
    return (np.stack(planes) & 255).astype(np.uint8)


def check(network: Network | StubNetwork) -> Report:
    """Runs the picture at batch 1 and at the largest bucket."""
    one = _slot(network.spec)
    largest = network.batch_buckets[-1]
    network.warm()
    single = _repeated(network, one, network.batch_buckets[0])
    first = single()
    faults = _sanity(network.spec, first[:1], single()[:1])
    whole = _repeated(network, one, largest)
    last = whole()
    try:
        check_shape(network.spec, largest, last.shape)
    except Exception as error:
        faults.append(str(error))
    reach = float(np.abs(first).max()) if np.isfinite(first).all() else 0.0
    if reach and not np.allclose(last, first[:1], rtol=1e-2, atol=1e-2 * reach):
        faults.append(f"the same picture has another answer in a batch of {largest}")
    faults += compare(network.spec, first[0])
    return Report(
        network.provider,
        _median_ms(single) / network.batch_buckets[0],
        largest,
        _median_ms(whole),
        tuple(faults),
    )


def check_text(network: TextNetwork) -> Report:
    """The same for a network that reads tokens: 16 of them, or as many as its graph takes."""
    largest = network.spec.batch_buckets[-1]
    single, whole = (_tokens(network, count) for count in (1, largest))
    first = single()
    faults = _sanity(network.spec, first, single())
    # Not every text network has batches.
    faults += compare(network.spec, first[0] if network.spec.output_shape[0] == "N" else first)
    return Report(network.provider, _median_ms(single), largest, _median_ms(whole), tuple(faults))


def fingerprint(spec: NetworkSpec, answer: NDArray[Any]) -> tuple[float, ...]:
    """Some numbers that tell this network from another: of a detector the mean of each row of its output, of
    a network that reads the largest of each sixteenth, else the first sixteen.

    answer: what the network says of one picture, without the axis of the batch.
    """
    numbers = answer.astype(np.float64)
    if spec.task == "detect":
        numbers = numbers.mean(axis=1)
    elif spec.task == "embed":
        numbers = numbers / np.linalg.norm(numbers)
    elif spec.task == "text" and numbers.size > FINGERPRINT_LENGTH:
        numbers = np.array([part.max() for part in np.array_split(numbers.ravel(), FINGERPRINT_LENGTH)])
    return tuple(round(float(number), 5) for number in numbers.ravel()[:FINGERPRINT_LENGTH])


def compare(spec: NetworkSpec, answer: NDArray[Any]) -> list[str]:
    """Complaints when the fingerprint is not the one in the manifest."""
    if not spec.fingerprint:
        return []
    found = fingerprint(spec, answer)
    relative, absolute = _TOLERANCE[spec.task]
    if len(found) == len(spec.fingerprint) and np.allclose(
        found, spec.fingerprint, rtol=relative, atol=absolute
    ):
        return []
    return [f"the fingerprint is {list(found)}, the manifest says {list(spec.fingerprint)}"]


def _sanity(spec: NetworkSpec, first: NDArray[Any], second: NDArray[Any]) -> list[str]:
    faults = []
    try:
        check_shape(spec, 1, first.shape)
    except Exception as error:
        faults.append(str(error))
    if not np.isfinite(first).all():
        return [*faults, "the answer holds what is no finite number"]
    # Reductions on a GPU may be ordered otherwise each time.
    if not np.allclose(first, second, rtol=1e-3, atol=1e-3, equal_nan=True):
        faults.append("the same picture has another answer the second time")
    return faults


def _slot(spec: NetworkSpec) -> NDArray[Any]:
    """The picture as the network takes it, (3, S, S)."""
    assert spec.input is not None
    levels = picture(spec.input.size)
    if spec.input.dtype == "uint8":
        return levels
    mean, std = (np.array(each, np.float32).reshape(3, 1, 1) for each in (spec.input.mean, spec.input.std))
    slot = (levels.astype(np.float32) / np.float32(255) - mean) / std
    return slot


def _repeated(
    network: Network | StubNetwork, one: NDArray[Any], count: int
) -> Callable[[], NDArray[np.float32]]:
    batch = np.repeat(one[None], count, axis=0)
    return lambda: network.run(batch)


def _tokens(network: TextNetwork, count: int) -> Callable[[], NDArray[np.float32]]:
    """A run with ones for every input: a token, a mask that is on, a box of no size."""
    spec = network.spec
    length = min(16, spec.max_tokens or 16)
    sizes = {"N": count, "T": length}
    inputs: dict[str, NDArray[Any]] = {}
    for name, tensor in spec.inputs.items():
        shape = [size if isinstance(size, int) else sizes.get(size, 1) for size in tensor.shape]
        inputs[name] = np.ones(shape, "int64" if tensor.dtype == "int64" else "float32")
    if spec.input is not None:
        inputs[spec.input.name or "pixel_values"] = np.repeat(_slot(spec)[None], count, axis=0)
    return lambda: network.run(inputs)


def _median_ms(run: Callable[[], object]) -> float:
    """The median time of a run, from at least three of them."""
    times: list[float] = []
    ends = perf_counter() + MEASURE_S
    while len(times) < 3 or perf_counter() < ends:
        began = perf_counter()
        run()
        times.append(1000 * (perf_counter() - began))
    return float(np.median(times))
