"""The whole job over HTTP: a 100 kB JPEG in, a vector out, this server beside tuned peers on the same cores.

    python -m bench whole_job

Every server runs the same ONNX file, returns the same octets, and takes the fastest common way to prepare a
picture and the best of its documented shapes. Rounds alternate between the servers; what is reported is the
median round. The generator is a process of its own on the same machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench import load, networks, photo
from bench.peers import contenders, servers
from bench.peers.contenders import Contender
from bench.peers.servers import ROOT, Running
from kernels import decode, resize

CLIENTS = (1, 8, 32)
ROUNDS = 5
WARM_UP_S = 0.5
ROUND_S = 2.5
TRIAL_S = 2.0
PICTURE_SIZE = (800, 600)
PICTURE_BYTES = 99_500
DIMENSION = 512
OURS = "Aisle"


class Round(NamedTuple):
    """One round of one server: what the clients saw, and what the server spent on it."""

    load: load.Load
    cpu_ms: float


def picture() -> bytes:
    """A JPEG with the statistics of a photo, about `PICTURE_BYTES` long."""
    return photo.jpeg(photo.photo(*PICTURE_SIZE), PICTURE_BYTES)


def measure(running: Running, contender: Contender, data: bytes, clients: int, seconds: float) -> Round:
    """One round; the server's CPU time is shared among the pictures of the warm-up too, at the same rate."""
    job = load.Job(
        url=f"http://127.0.0.1:{running.port}{contender.path}",
        bodies=[load.Body(data=data, headers=contender.headers)],
        clients=clients,
        warm_up_s=WARM_UP_S,
        duration_s=seconds,
        answer_bytes=4 * DIMENSION,
    )
    before = running.cpu_s()
    seen = load.run(job)
    spent_s = running.cpu_s() - before
    if seen.errors or not seen.times_ms:
        raise RuntimeError(f"{contender.name}: {seen.errors} errors, {seen.first_error}")
    return Round(seen, 1e3 * spent_s / (seen.per_second * (WARM_UP_S + seconds)))


@contextlib.contextmanager
def up(chosen: list[Contender]) -> Iterator[list[tuple[Contender, Running]]]:
    """All of them at once; who is not asked sleeps."""
    with contextlib.ExitStack() as stack:
        yield [(each, stack.enter_context(servers.started(each.server, [each.probe]))) for each in chosen]


def best_shape(shapes: list[Contender], data: bytes) -> tuple[Contender, dict[str, float]]:
    """The shape with the most pictures per second at 8 clients, and what each reached; one at a time."""
    reached = {}
    for shape in shapes:
        with up([shape]) as [(_, running)]:
            reached[shape.name] = measure(running, shape, data, 8, TRIAL_S).load.per_second
    return max(shapes, key=lambda shape: reached[shape.name]), reached


def ways(path: Path, folder: Path) -> tuple[dict[str, dict[str, float]], NDArray[np.float32]]:
    """Times and accuracy of the peers' ways to prepare the picture, and Pillow's full result."""
    script = servers.HERE / "way_times.py"
    command = [servers.python_of("fastapi"), script, path, folder / "truth.npy"]
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd=servers.HERE)
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found, np.load(folder / "truth.npy")


def our_way(data: bytes, truth: NDArray[np.float32]) -> dict[str, float]:
    """The same three numbers for our own kernels."""
    import time

    limits = decode.ImageLimits(max_bytes=10 * 2**20, max_pixels=40_000_000)
    slot = np.zeros((3, 224, 224), np.float32)
    times = []
    for _ in range(61):
        began = time.perf_counter()
        pixels = decode.rgb(data, limits, cover=224)
        resize.into_slot(pixels, slot, geometry="center_crop", mean=networks.MEAN, std=networks.STD)
        times.append((time.perf_counter() - began) * 1e3)
    levels = np.abs(slot - truth[0]) * np.array(networks.STD).reshape(3, 1, 1) * 255
    return {
        "ms": float(np.percentile(times[1:], 25)),
        "max_levels": float(levels.max()),
        "mean_levels": float(levels.mean()),
    }


def fastest(prepared: dict[str, dict[str, float]], ours: dict[str, float]) -> str:
    """The peers' fastest way among those that are about as true to Pillow as ours."""
    fair = [name for name, way in prepared.items() if way["mean_levels"] <= 1.1 * ours["mean_levels"]]
    return min(fair, key=lambda name: prepared[name]["ms"])


def limit(network: Path, path: Path) -> float:
    """Pictures per second of decode and network alone, on the same cores, in one process."""
    command = [sys.executable, "-m", "bench.peers.in_process", str(network), str(path), str(ROUND_S)]
    return float(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)


def run() -> str:
    """The markdown section."""
    cores = len(os.sched_getaffinity(0))
    data = picture()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path, network = folder / "picture.jpg", folder / "network.onnx"
        path.write_bytes(data)
        networks.mobilenet(network, seed=0, dimension=DIMENSION)
        prepared, truth = ways(path, folder)
        ours = our_way(data, truth)
        way = fastest(prepared, ours)
        tried = {OURS: contenders.aisle(folder, network), **contenders.peers(network, way, cores)}
        chosen, trials = [], []
        for server_name, shapes in tried.items():
            shape, reached = best_shape(shapes, data)
            chosen.append(msgspec.structs.replace(shape, name=f"{server_name}, {shape.name}"))
            trials.append(
                f"{server_name}: " + ", ".join(f"{each} {rate:.0f}" for each, rate in reached.items())
            )
        chosen.append(contenders.usual(network))
        rounds: dict[tuple[str, int], list[Round]] = {}
        limits = []
        with up(chosen) as running:
            for _ in range(ROUNDS):
                limits.append(limit(network, path))
                for clients in CLIENTS:
                    for contender, server in running:
                        seen = measure(server, contender, data, clients, ROUND_S)
                        rounds.setdefault((contender.name, clients), []).append(seen)
            memory = {contender.name: server.memory_mb() for contender, server in running}
    return _section(chosen, rounds, limits, memory, prepared | {OURS: ours}, trials, way, len(data))


def _section(
    chosen: list[Contender],
    rounds: dict[tuple[str, int], list[Round]],
    limits: list[float],
    memory: dict[str, float],
    prepared: dict[str, dict[str, float]],
    trials: list[str],
    way: str,
    size: int,
) -> str:
    ceiling = statistics.median(limits)
    lines = [
        "## The whole job over HTTP",
        "",
        f"JPEG of {size / 1000:.1f} kB ({'x'.join(map(str, PICTURE_SIZE))}) in, {4 * DIMENSION} octets out.",
        "MobileNetV2's shape with random weights, the same ONNX file for all, one thread per run; keep-alive",
        f"clients in a process of their own on the same cores. Median of {ROUNDS} alternating rounds of",
        f"{ROUND_S} s. CPU is what all processes of a server spend per picture; `Aisle to it` is the ratio",
        "of pictures/s, median over the rounds.",
        "",
        "| server | clients | pictures/s | of limit | Aisle to it | p50 ms | p95 ms | p99 ms | CPU ms | MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for clients in CLIENTS:
        for contender in chosen:
            seen = rounds[contender.name, clients]
            middle = load.median([each.load for each in seen])
            ratios = [
                mine.load.per_second / theirs.load.per_second
                for mine, theirs in zip(rounds[chosen[0].name, clients], seen, strict=True)
            ]
            cells = [contender.name, str(clients), f"{middle.per_second:.1f}"]
            cells += [f"{middle.per_second / ceiling:.0%}", f"{statistics.median(ratios):.2f}"]
            cells += [f"{middle.percentile_ms(percent):.1f}" for percent in (50, 95, 99)]
            cells += [
                f"{statistics.median(each.cpu_ms for each in seen):.2f}",
                f"{memory[contender.name]:.0f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    generator = max(
        each.load.generator_cpu_s / each.load.duration_s for many in rounds.values() for each in many
    )
    lines += [
        "",
        "The limit, decode and network on as many threads as cores without HTTP, is",
        f"{ceiling:.1f} pictures/s. The generator used at most {generator:.1%} of one core. No errors.",
        f"Shapes tried at 8 clients, pictures/s: {'; '.join(trials)}.",
        "",
        f"One picture to the network's input, one thread; the peers use `{way}`, the fastest that is not",
        "rougher than ours by more than a tenth. Difference to Pillow's full decode with antialiased resize,",
        "in grey levels:",
        "",
        "| way | ms | largest | mean |",
        "|---|---|---|---|",
    ]
    for name, found in prepared.items():
        lines.append(
            f"| {name} | {found['ms']:.2f} | {found['max_levels']:.1f} | {found['mean_levels']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(run())
