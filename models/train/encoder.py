"""Trains an encoder:  python -m models.train encoder [--of photos|logos] [--quick] [--minutes M] [--resume] [...]

Two networks of one shape, each for what it is shown: `aisle-encoder` is taught groceries by class,
`aisle-encoder-logo` drawn marks one by one. The schedule follows the clock of the processor, so that a busy
machine takes longer but does not bend it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.train import data, evaluate, export, warp
from models.train.backbone import Shipped, Slim, folded
from models.train.logo_lessons import LogoLessons
from models.train.photo_lessons import MIXED, PhotoLessons
from models.train.trainer import Lessons, Recipe, Trainer

NAMES = {"photos": "aisle-encoder", "logos": "aisle-encoder-logo"}
CHECKPOINTS = Path(".aisle/train")
RECIPES = {
    "photos": Recipe(minutes=52, sides=((0.0, 72), (0.16, 96), (0.5, 112), (0.75, 128)), test_side=160),
    "logos": Recipe(
        minutes=20, sides=((0.0, 64), (0.5, 80), (0.8, 96)), test_side=112, learning_rate=1e-3, drop=0.0
    ),
}
# What --quick takes instead, and the score it has to reach: the best single answer is right in 0.02 of val. Logos
# need longer than a minute to be told apart, so there it proves only that the recipe runs.
QUICK = {
    "photos": Recipe(minutes=1, sides=((0.0, 64),), test_side=96, drop=0.0, averaging=0.97),
    "logos": Recipe(minutes=1, sides=((0.0, 64),), test_side=80, drop=0.0, averaging=0.97),
}
QUICK_BARS = {"photos": 0.06, "logos": 0.0}
QUICK_MARKS = 600
# Pictures whose activations set the ranges of the integers.
CALIBRATION = 160


def run(argv: Sequence[str]) -> int:
    """Trains (or goes on, or only exports) and writes the float32 and the int8 network; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.train encoder", description=__doc__)
    parser.add_argument("--of", choices=tuple(NAMES), default="photos", help="what the encoder is for")
    parser.add_argument("--quick", action="store_true", help="about a minute, to prove the recipe")
    parser.add_argument(
        "--minutes", type=float, help="processor time of the training, evaluations not counted"
    )
    parser.add_argument("--out", type=Path, help="models/weights/NAME.onnx")
    parser.add_argument("--data", type=Path, default=data.DATA, help="the folder of the shared data")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--start", type=Path, help="a checkpoint whose network this one begins as")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--export-only", action="store_true", help="write the networks of the checkpoint")
    parser.add_argument("--leave-out", type=int, default=0, metavar="N", help="keep every N-th class out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    out = options.out or Path("models/weights") / f"{NAMES[options.of]}.onnx"
    checkpoint = options.checkpoint or CHECKPOINTS / f"{NAMES[options.of]}.pt"

    recipe = (QUICK if options.quick else RECIPES)[options.of]
    recipe = recipe._replace(minutes=options.minutes or recipe.minutes, seed=options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.export_only:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        body = Slim()
        body.load_state_dict(state["average"])
    else:
        bf16 = has_bf16() if options.precision == "auto" else options.precision == "bf16"
        torch.manual_seed(recipe.seed)
        lessons: Lessons
        if options.of == "photos":
            mixed = 0.0 if options.quick else MIXED
            lessons = PhotoLessons(options.data, device, every_out=options.leave_out, mixed=mixed)
        elif options.quick:
            lessons = LogoLessons(options.data, device, marks=QUICK_MARKS, logos=0)
        else:
            lessons = LogoLessons(options.data, device)
        trainer = Trainer(recipe, lessons, device, bf16=bf16)
        if options.start:
            trainer.begin_as(options.start)
        if options.resume:
            trainer.resume(checkpoint)
        score = train(trainer, checkpoint)
        if options.quick and score < QUICK_BARS[options.of]:
            print(f"the recipe is broken: {score:.3f} is below {QUICK_BARS[options.of]}")
            return 1
        body = trainer.average.cpu()
    write(body, recipe.test_side, out, calibration(options.of, options.data))
    return 0


def calibration(of: str, folder: Path) -> list[export.Floats]:
    """Batches of eight of what the network will be shown."""
    photos = data.grocery(folder).pixels
    chosen = photos[np.random.default_rng(7).permutation(len(photos))[:CALIBRATION]]
    if of == "logos":
        half = CALIBRATION // 2
        drawn = warp.on_white(data.drawn("mark", range(half), data.SIDE))
        chosen = np.concatenate([drawn, chosen[:half]])
    return [evaluate.normalised(part) for part in np.array_split(chosen, len(chosen) // 8)]


def write(body: Slim, side: int, out: Path, batches: Sequence[export.Floats]) -> None:
    """Exports the body twice, int8 to `out` and float32 beside it, and prints how far they are from PyTorch."""
    network = Shipped(folded(body), side).eval()
    float32 = out.with_name(out.stem + "-fp32.onnx")
    out.parent.mkdir(parents=True, exist_ok=True)
    export.write_onnx(
        network, torch.from_numpy(batches[0]), float32, inputs=("pixels",), outputs=("embedding",)
    )
    export.quantise(float32, out, batches, keep_float=export.stem(float32))
    with torch.inference_mode():
        expected = network(torch.from_numpy(batches[0])).numpy()
    for path in (float32, out):
        difference = export.compare(expected, path, batches[0])
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {difference}")


def has_bf16() -> bool:
    """Whether this machine multiplies bf16 in hardware: then autocast is twice as fast as float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "amx_bf16" in flags or "avx512_bf16" in flags


def embedder(body: Slim, side: int, device: torch.device) -> evaluate.Embed:
    """A body as the function that the exported network is, in float32."""
    network = Shipped(body, side).to(device).eval()

    def embed(pixels: data.Pixels) -> evaluate.Vectors:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(pixels), 32):
                batch = torch.from_numpy(evaluate.normalised(pixels[start : start + 32])).to(device)
                parts.append(network(batch).cpu())
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    return embed


def train(trainer: Trainer, checkpoint: Path, *, save_every_s: float = 120.0) -> float:
    """Learns until the clock has run out; every save prints the loss and the score, which it answers at last."""
    # A GPU's work is no time of this process; another process's work is no time of ours.
    clock = time.monotonic if trainer.device.type == "cuda" else time.process_time
    saved, losses, score = trainer.seconds, [], 0.0
    while trainer.progress < 1:
        start = clock()
        losses.append(trainer.learn())
        trainer.seconds += clock() - start
        if trainer.seconds - saved > save_every_s or trainer.progress >= 1:
            trainer.save(checkpoint)
            # A little more than the side of training, where pictures are shown larger than here.
            side = min(trainer.side + 32, trainer.recipe.test_side)
            score = trainer.lessons.score(embedder(trainer.average, side, trainer.device))
            print(
                f"{trainer.seconds / 60:6.2f} min, step {trainer.step}: loss {np.mean(losses):.2f}, "
                f"held out {score:.3f}",
                flush=True,
            )
            losses.clear()
            saved = trainer.seconds
    return score
