"""The shipped encoders beside hand-made features: nearest neighbours of real photos and of logos, and speed.

    python -m bench encoders

The photos and logos asked about are for measuring only; no network was trained on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.train import data, evaluate
from models.train.baseline import HandMade
from models.train.evaluate import Embed

WEIGHTS = Path("models/weights")
DATA = Path("../shared/data")
# Few, since hand-made features take long.
DISTRACTORS = 2_000


def run() -> str:
    """A table of accuracy and one of speed; encoders without a file are left out."""
    networks = sorted(WEIGHTS.glob("aisle-encoder*.onnx"))
    lines = [
        "## Encoders",
        "",
        "Share of pictures whose nearest neighbour is right, with the 95 % interval of a bootstrap over them.",
        "",
        "| encoder | pictures | among | fine class, or found | coarse class, or found among crops too |",
        "|---|---|---|---|---|",
    ]
    for path in networks:
        lines += _accuracy(path.stem, evaluate.onnx_embedder(path))
    hand_made = HandMade(data.grocery(DATA).pixels, np.random.default_rng(1)).vectors
    lines += _accuracy("HSV + VLAD", hand_made)
    lines += ["", "| network | threads | median per picture, processor time | tenths |", "|---|---|---|---|"]
    for path in networks:
        lines += evaluate.speed(path)
    return "\n".join(lines)


def _accuracy(name: str, embed: Embed) -> Iterator[str]:
    for line in evaluate.groceries(embed, DATA, np.random.default_rng(5)):
        yield f"| {name} {line}"
    for line in evaluate.logos(embed, DATA, np.random.default_rng(5), DISTRACTORS):
        yield f"| {name} {line}"
