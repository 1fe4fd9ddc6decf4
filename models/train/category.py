"""Trains aisle-category on the names in the category taxonomy, measures it, writes it. Needs no PyTorch."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import product_features
from models.category import CategoryNetwork, Product
from models.train import category_accuracy, category_graph, taxonomy
from models.train.bag import Bags
from models.train.category_network import CategoryModel
from models.train.product_names import ProductNames
from models.train.taxonomy import Split, Taxonomy

_BATCH = 256
_RATE = 0.02
_WARM_STEPS = 100
_DROPPED_FEATURES = 0.3
# Names are written anew every so many epochs; in between, other features of them are left out.
_EPOCHS_PER_WRITING = 2
# Classes looked at per step, and the share of the epochs, at the end, that look at all of them.
_SAMPLED_CLASSES = 2048
_WHOLE_SHARE = 0.2
_SAVE_EVERY_S = 60.0
# Of the examples: names as the taxonomy writes them, lists of ingredients, and names that say nothing.
_PLAIN_SHARE = 0.4
_INGREDIENTS_SHARE = 0.2
_NOTHING_SHARE = 0.05
_QUICK_ROOT = "en:cheeses"


def run(argv: Sequence[str]) -> None:
    """Trains (or only measures, `--measure FILE`) as the arguments say; prints what it finds."""
    parser = argparse.ArgumentParser(prog="models.train category", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/taxonomy"), help="folder of taxonomies"
    )
    parser.add_argument("--out", type=Path, default=Path("dist/aisle-category.onnx"))
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--dimension", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="cheeses only, a few rounds: proves the recipe")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint beside --out")
    parser.add_argument("--measure", type=Path, metavar="FILE", help="train nothing, measure this file")
    options = parser.parse_args(argv)
    known = taxonomy.read(options.data, within=_QUICK_ROOT if options.quick else None)
    split = taxonomy.split(known, seed=0)
    names = ProductNames(known, options.data, [(one.text, one.category) for one in split.train])
    if options.measure is None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        epochs = 5 if options.quick else options.epochs
        model = train(known, split, names, options, epochs)
        temperature = calibrate(model, known, split, names, options.seed)
        category_graph.write(options.out, model, known, temperature)
        print(f"temperature {temperature:.2f}, {options.out.stat().st_size / 1e6:.2f} MB in {options.out}")
    network = CategoryNetwork("aisle-category", options.measure or options.out)
    for line in category_accuracy.report(network, known, split, names, options.seed):
        print(line)


def train(
    known: Taxonomy, split: Split, names: ProductNames, options: argparse.Namespace, epochs: int
) -> CategoryModel:
    """Learns from the training surfaces, written anew as products in every epoch."""
    model = CategoryModel(
        np.random.default_rng(options.seed), known.closure, len(known.tags), options.dimension
    )
    checkpoint = options.out.with_suffix(".npz")
    first = model.restore(checkpoint) if options.resume else 0
    batch = min(_BATCH, len(split.train))
    steps = int(len(split.train) * (1 + _NOTHING_SHARE)) // batch
    examples: tuple[Bags, NDArray[np.int64]] | None = None
    saved = time.perf_counter()
    for epoch in range(first, epochs):
        started = time.perf_counter()
        # Generators by epoch: a training that was interrupted goes on as if it had not been.
        writing, place_in_writing = divmod(epoch, _EPOCHS_PER_WRITING)
        if examples is None or place_in_writing == 0:
            examples = _examples(np.random.default_rng([options.seed, 0, writing]), known, split, names)
        rng = np.random.default_rng([options.seed, 1, epoch])
        bags, targets = examples
        kept = rng.random(len(bags.weights)) >= _DROPPED_FEATURES
        bags = bags._replace(weights=(bags.weights * kept).astype(np.float32))
        order = rng.permutation(len(targets))
        losses = []
        for number in range(steps):
            step = epoch * steps + number
            rate = _RATE * min(1.0, (step + 1) / _WARM_STEPS) * max(0.02, 1.0 - step / (epochs * steps))
            rows = order[number * batch : (number + 1) * batch]
            sampled = None
            if epoch < epochs * (1.0 - _WHOLE_SHARE) and len(known.tags) > _SAMPLED_CLASSES:
                sampled = rng.choice(len(known.tags) + 1, _SAMPLED_CLASSES, replace=False)
            losses.append(model.step(bags.take(rows), targets[rows], rate, sampled))
        if epoch + 1 == epochs or time.perf_counter() - saved > _SAVE_EVERY_S:
            model.save(checkpoint, epoch + 1)
            saved = time.perf_counter()
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.3f}, {seconds:.1f} s", flush=True)
    return model


def calibrate(model: CategoryModel, known: Taxonomy, split: Split, names: ProductNames, seed: int) -> float:
    """The temperature at which held-out names, plain and as products, are least surprising."""
    rng = np.random.default_rng(seed)
    texts = [one.text for one in split.calibration]
    texts += [names.product(rng, one.text, one.category) for one in split.calibration]
    targets = np.array([one.category for one in split.calibration] * 2)
    logits = model.logits(bags_of([Product(product_name=text) for text in texts]))

    def surprise(temperature: float) -> float:
        scaled = logits / np.float32(temperature)
        highest = scaled.max(1)
        total = np.log(np.exp(scaled - highest[:, None]).sum(1)) + highest
        return float(np.mean(total - scaled[np.arange(len(targets)), targets]))

    # The surprise has one valley, so the third with the worse end can go each time.
    low, high = 0.5, 4.0
    while high - low > 0.05:
        third = (high - low) / 3
        if surprise(low + third) < surprise(high - third):
            high -= third
        else:
            low += third
    return (low + high) / 2


def bags_of(products: Sequence[Product]) -> Bags:
    """The features of products, one bag each."""
    made = [product_features.features(one.product_name, one.ingredients_tags) for one in products]
    offsets = np.cumsum([0, *(len(ids) for ids, _ in made)])
    return Bags(
        np.concatenate([ids for ids, _ in made]),
        np.concatenate([weights for _, weights in made]),
        offsets.astype(np.int64),
    )


def _examples(
    rng: np.random.Generator, known: Taxonomy, split: Split, names: ProductNames
) -> tuple[Bags, NDArray[np.int64]]:
    """One example per surface, and some that say nothing."""
    products: list[Product] = []
    targets: list[int] = []
    for one in split.train:
        is_plain = rng.random() < _PLAIN_SHARE
        products.append(
            Product(
                product_name=one.text if is_plain else names.product(rng, one.text, one.category),
                ingredients_tags=names.ingredients(rng, one.category)
                if rng.random() < _INGREDIENTS_SHARE
                else (),
            )
        )
        targets.append(one.category)
    for _ in range(int(len(split.train) * _NOTHING_SHARE)):
        products.append(Product(product_name=names.nothing(rng)))
        targets.append(len(known.tags))
    return bags_of(products), np.array(targets, np.int64)
