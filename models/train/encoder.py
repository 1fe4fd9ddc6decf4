"""Trains `aisle-encoder`:  python -m models.train encoder [--quick] [--minutes M] [--out FILE] [--resume]

One network, two kinds of lessons in every batch: grocery photos by class, and drawn packs, logos and crops of
photos told apart one by one. The schedule follows the clock, so a busy machine trains less and ends in time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.train import data, evaluate, export
from models.train.backbone import Shipped, Slim, folded
from models.train.trainer import QUICK, QUICK_BAR, Lessons, Recipe, Trainer

NAME = "aisle-encoder"
CHECKPOINT = Path(".aisle/train/encoder.pt")
# Pictures whose activations set the ranges of the integers.
CALIBRATION_PHOTOS, CALIBRATION_DESIGNS = 160, 48


def run(argv: Sequence[str]) -> int:
    """Trains (or goes on, or only exports) and writes the float32 and the int8 network; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.train encoder", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, to prove the recipe")
    parser.add_argument("--minutes", type=float, help="training time, evaluations not counted")
    parser.add_argument("--out", type=Path, default=Path("models/weights/aisle-encoder.onnx"))
    parser.add_argument("--data", type=Path, default=data.DATA, help="the folder of the shared data")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--export-only", action="store_true", help="write the networks of the checkpoint")
    parser.add_argument("--leave-out", type=int, default=0, metavar="N", help="keep every N-th class out")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--test-side", type=int, help="side that pictures are shrunk to in the network")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)

    recipe = QUICK if options.quick else Recipe(minutes=60.0)
    recipe = recipe._replace(
        minutes=options.minutes or recipe.minutes,
        test_side=options.test_side or recipe.test_side,
        every_out=options.leave_out,
        seed=options.seed,
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.export_only:
        state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
        body = Slim()
        body.load_state_dict(state["average"])
    else:
        bf16 = has_bf16() if options.precision == "auto" else options.precision == "bf16"
        trainer = Trainer(recipe, Lessons(recipe, options.data, device), device, bf16=bf16)
        if options.resume:
            trainer.resume(options.checkpoint)
        fine = train(trainer, options.checkpoint, options.data)
        if options.quick and fine < QUICK_BAR:
            print(f"the recipe is broken: val {fine:.3f} is below {QUICK_BAR}")
            return 1
        body = trainer.average.cpu()
    write(body, recipe.test_side, options.out, options.data)
    return 0


def write(body: Slim, side: int, out: Path, folder: Path) -> None:
    """Exports the body twice, int8 to `out` and float32 beside it, and prints how far they are from PyTorch."""
    network = Shipped(folded(body), side).eval()
    photos = data.grocery(folder)
    rng = np.random.default_rng(7)
    chosen = rng.permutation(len(photos.pixels))[:CALIBRATION_PHOTOS]
    batches = [normalised(photos.pixels[rows]) for rows in np.array_split(chosen, CALIBRATION_PHOTOS // 8)]
    drawn = data.drawn("mark", range(CALIBRATION_DESIGNS), data.SIDE)
    opacity = drawn[..., 3:].astype(np.float32) / 255
    on_white = (drawn[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)
    batches += [normalised(part) for part in np.array_split(on_white, CALIBRATION_DESIGNS // 8)]

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


def normalised(pixels: data.Pixels) -> export.Floats:
    """(N, 224, 224, 3) uint8 to the network's input (N, 3, 224, 224) float32."""
    return evaluate.normalised(pixels)


def has_bf16() -> bool:
    """Whether this machine multiplies bf16 in hardware: then autocast is twice as fast as float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "amx_bf16" in flags or "avx512_bf16" in flags


def vectors_of(body: Slim, pixels: data.Pixels, side: int, device: torch.device) -> evaluate.Vectors:
    """(N, 224, 224, 3) uint8 to (N, 512) unit vectors as the exported network gives them, in float32."""
    network = Shipped(body, side).to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), 32):
            batch = torch.from_numpy(normalised(pixels[start : start + 32])).to(device)
            parts.append(network(batch).cpu())
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def train(trainer: Trainer, checkpoint: Path, folder: Path, *, save_every_s: float = 120.0) -> float:
    """Learns until the clock has run out; every save prints the losses and how much of val is classified right.

    Answers the last of these: the share of val photos whose fine class the network's own classes name.
    """
    val = data.grocery(folder, ("val",))
    saved, losses, fine = time.monotonic(), [], 0.0
    while trainer.progress < 1:
        start = time.monotonic()
        losses.append(trainer.learn())
        trainer.seconds += time.monotonic() - start
        if time.monotonic() - saved > save_every_s or trainer.progress >= 1:
            trainer.save(checkpoint)
            side, device = trainer.recipe.test_side, trainer.device
            vectors = torch.from_numpy(vectors_of(trainer.average, val.pixels, side, device)).to(device)
            with torch.inference_mode():
                named = trainer.classes(vectors).argmax(dim=1).cpu().numpy()
            fine = float((named == val.fine).mean())
            photo, design, contrast = np.mean(losses, axis=0)
            print(
                f"{trainer.seconds / 60:6.2f} min, step {trainer.step}: loss of photos {photo:.2f}, "
                f"designs {design:.2f}, contrast {contrast:.2f}; val {fine:.3f}",
                flush=True,
            )
            losses.clear()
            saved = time.monotonic()
    return fine
