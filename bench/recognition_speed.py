"""How long a recognition takes, and against a straightforward OpenCV script:  python -m bench recognition_speed

Scenes and references are those of `recognition`. Times are of this process, decoding left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from bench import scenes
from bench.opencv_script import Script
from bench.recognition import OPTIONS, Collection, Gray, collection, gray, identifier, shots, table
from kernels.features import Features
from server.search import features
from server.search.features import Described
from server.search.recognize import Match, Recognizer
from server.search.replica import Replica

SHORTLIST = 15


def run() -> str:
    """The section for bench/RESULTS.md."""
    cv2.setNumThreads(1)
    known = collection(1_000)
    recognizer = Recognizer()
    parts = ["## Recognition, speed", latency(known, recognizer)]
    grow(known.replica, 10_000)
    parts += [latency(known, recognizer), throughput(known, recognizer)]
    return "\n\n".join(parts)


def grow(replica: Replica, count: int, seed: int = 9) -> None:
    """Fill up with made-up pictures: each feature is a blend of two real ones, so searching is as hard."""
    rng = np.random.default_rng(seed)
    entries = replica.of_items([identifier(number) for number in range(len(replica))])
    pool = np.concatenate([entry.descriptors for entry in entries]).astype(np.float32)
    template = entries[0]
    shape = (template.size.height, template.size.width)
    for number in range(len(replica), count):
        one, other = pool[rng.integers(0, len(pool), (2, features.REFERENCE_FEATURES))]
        blend = one + (other - one) * rng.uniform(0.3, 0.5, (len(one), 1)).astype(np.float32)
        blend *= 512 / np.linalg.norm(blend, axis=1, keepdims=True)
        points = np.column_stack(
            [
                rng.uniform(0, shape[1], len(one)),
                rng.uniform(0, shape[0], len(one)),
                rng.uniform(1, 8, len(one)),
                rng.uniform(0, 6.28, len(one)),
            ]
        ).astype(np.float32)
        made = Features(points, blend.clip(0, 255).astype(np.uint8))
        replica.add_image(
            identifier(number),
            identifier(number),
            Described(np.zeros(shape, np.uint8), template.thumb, made, 0.0),
        )


def latency(known: Collection, recognizer: Recognizer, count: int = 60) -> str:
    """Milliseconds per stage, one thread, queries of 480 x 640 of mixed conditions."""
    spent: dict[str, list[float]] = {"feat": [], "ann": [], "gv": [], "all": []}
    hits = 0
    for salt, condition in enumerate(scenes.CONDITIONS):
        for which, shot in shots(known, condition, 480, count // len(scenes.CONDITIONS), 50 + salt):
            picture = gray(shot.pixels)
            started = time.perf_counter()
            described = features.describe(picture, limit=features.QUERY_FEATURES)
            matches, stage_ms = recognizer.run(known.replica, described, OPTIONS)
            spent["all"].append((time.perf_counter() - started) * 1e3)
            hits += bool(matches) and matches[0].item_id == identifier(which)
            for stage, value in stage_ms.items():
                spent[stage].append(value)
    rows = [
        (stage, f"{np.percentile(times, 50):.0f}", f"{np.percentile(times, 95):.0f}")
        for stage, times in spent.items()
    ]
    asked = len(spent["all"])
    title = f"Latency at {len(known.replica):,} references, one thread, ms ({hits} of {asked} found first):"
    return title + "\n\n" + table(("stage", "p50", "p95"), rows)


def throughput(known: Collection, recognizer: Recognizer, rounds: int = 3, count: int = 12) -> str:
    """Queries per second against the straightforward OpenCV script on the very same shortlists."""
    pictures = [
        gray(shot.pixels)
        for salt, condition in enumerate(scenes.CONDITIONS)
        for _, shot in shots(known, condition, 480, max(1, count // len(scenes.CONDITIONS)), 70 + salt)
    ]
    shortlists = []
    for picture in pictures:
        described = features.describe(picture, limit=features.QUERY_FEATURES)
        numbers, _ = known.replica.vote(described.features.descriptors, SHORTLIST)
        shortlists.append(numbers.tolist())
    cores = len(os.sched_getaffinity(0))
    # The script reads the pictures themselves; made-up distractors have none, a real one stands in for each.
    script = Script([gray(reference.pixels) for reference in known.known])
    rivals: dict[str, Callable[[], object]] = {
        "ours": lambda: _all(
            lambda pair: _ours(recognizer, known.replica, pair[0]), pictures, shortlists, cores
        ),
    }
    for matcher in ("brute force", "FLANN"):
        rivals[f"script, {matcher}, OpenCV's threads"] = lambda m=matcher: _alone(
            script, m, pictures, shortlists, cores
        )
        rivals[f"script, {matcher}, {cores} threads"] = lambda m=matcher: _all(
            lambda pair: script.run(pair[0], pair[1], m), pictures, shortlists, cores
        )
    best = dict.fromkeys(rivals, 0.0)
    for _ in range(rounds):
        for name, job in rivals.items():
            started = time.perf_counter()
            job()
            best[name] = max(best[name], len(pictures) / (time.perf_counter() - started))
    rival = max(speed for name, speed in best.items() if name != "ours")
    rows = [(name, f"{speed:.1f}", f"{best['ours'] / speed:.1f} x") for name, speed in best.items()]
    return (
        f"Whole queries a second on {cores} cores, best of {rounds} alternating rounds, the same shortlists "
        f"of {SHORTLIST} (ours also makes them, the script is given them):\n\n"
        + table(("", "queries/s", "ours is"), rows)
        + f"\n\n**{best['ours'] / rival:.1f} times** the script's best."
    )


def _ours(recognizer: Recognizer, replica: Replica, picture: Gray) -> list[Match]:
    described = features.describe(picture, limit=features.QUERY_FEATURES)
    return recognizer.run(replica, described, OPTIONS).matches


def _all(
    job: Callable[[tuple[Gray, list[int]]], object], pictures: list[Gray], lists: list[list[int]], n: int
) -> None:
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(job, zip(pictures, lists, strict=True)))


def _alone(script: Script, matcher: str, pictures: list[Gray], lists: list[list[int]], n: int) -> None:
    cv2.setNumThreads(n)
    for picture, numbers in zip(pictures, lists, strict=True):
        script.run(picture, numbers, matcher)
    cv2.setNumThreads(1)
