"""The recipe of the category network on a taxonomy of a dozen entries: split, names, learning, file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.category import CategoryNetwork, Product
from models.train import bag, category, category_graph, taxonomy
from models.train.category_network import SOFTNESS, CategoryModel
from models.train.product_names import ProductNames, typo
from models.train.taxonomy import Taxonomy

FOODS = {
    "dairies": ("Dairies", "Produits laitiers", []),
    "cheeses": ("Cheeses", "Fromages", ["dairies"]),
    "goat-cheeses": ("Goat cheeses", "Fromages de chèvre", ["cheeses"]),
    "yogurts": ("Yogurts", "Yaourts", ["dairies"]),
    "strawberry-yogurts": ("Strawberry yogurts", "Yaourts à la fraise", ["yogurts"]),
    "waters": ("Waters", "Eaux", []),
    "plant-based-foods": ("Plant based foods", "Aliments d'origine végétale", []),
    "strawberries": ("Strawberries", "Fraises", ["plant-based-foods"]),
    "jams": ("Jams", "Confitures", ["plant-based-foods"]),
    "strawberry-jams": ("Strawberry jams", "Confitures de fraises", ["jams", "strawberries"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taxonomy")
    entries = {
        f"en:{tag}": {
            "name": {"en": english, "fr": french},
            "synonyms": {"fr": [f"{french} du jour"], "en": [f"{english} again"]},
            "parents": [f"en:{parent}" for parent in parents],
        }
        for tag, (english, french, parents) in FOODS.items()
    }
    (folder / "categories.json").write_text(json.dumps(entries))
    for other in ("brands", "stores", "labels", "packaging_materials", "packaging_shapes", "countries"):
        words = {f"xx:{other}-{letter}": {"name": {"en": f"{other} {letter}"}} for letter in "abc"}
        (folder / f"{other}.json").write_text(json.dumps(words))
    return folder


@pytest.fixture(scope="module")
def known(folder: Path) -> Taxonomy:
    return taxonomy.read(folder)


def test_the_closure_holds_every_ancestor_once(known: Taxonomy) -> None:
    number = {tag: index for index, tag in enumerate(known.tags)}
    up = known.closure[known.closure[:, 0] == number["en:strawberry-jams"], 1].tolist()
    wanted = {"en:strawberry-jams", "en:jams", "en:strawberries", "en:plant-based-foods"}
    assert len(up) == len(wanted) and {known.tags[one] for one in up} == wanted


def test_the_split_shares_no_spelling_and_leaves_every_category_a_name(known: Taxonomy) -> None:
    parts = taxonomy.split(known, seed=3, test=0.3, calibration=0.2)
    keys = [{one.key for one in part} for part in parts]
    assert all(keys) and not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    assert {one.category for one in parts.train} == set(range(len(known.tags)))
    assert all(one.is_synonym for one in parts.test)
    assert parts == taxonomy.split(known, seed=3, test=0.3, calibration=0.2)


def test_names_are_drawn_alike_from_the_same_seed(known: Taxonomy, folder: Path) -> None:
    surfaces = [(one.text, one.category) for one in known.surfaces]

    def draw(seed: int) -> list[object]:
        rng = np.random.default_rng(seed)
        names = ProductNames(known, folder, surfaces)
        return [
            (names.product(rng, text, number), names.ingredients(rng, number), names.nothing(rng))
            for text, number in surfaces
        ]

    assert draw(1) == draw(1) != draw(2)
    names = ProductNames(known, folder, surfaces)
    hints = {
        hint
        for seed in range(20)
        for hint in names.ingredients(np.random.default_rng(seed), known.tags.index("en:strawberry-yogurts"))
    }
    assert "en:yogurt" in hints
    assert typo(np.random.default_rng(0), "jam") == "jam"


def test_the_gradient_is_that_of_the_loss(known: Taxonomy) -> None:
    rng = np.random.default_rng(0)
    model = CategoryModel(rng, known.closure, len(known.tags), 8)
    bags = category.bags_of(
        [Product(product_name="goat cheese"), Product(product_name="jam of strawberries")]
    )
    used = np.unique(bags.ids)
    model.table[used] = rng.normal(size=(len(used), 8))
    targets = np.array([1, 2])

    def loss() -> float:
        return bag.softmax_gradient(model.logits(bags).astype(np.float64), targets)  # type: ignore[arg-type]

    before = loss()
    own = model.own.copy()
    model.step(bags, targets, rate=1e-3)
    assert loss() < before
    # Adam's first step goes one rate down the slope of every weight.
    moved = own - model.own
    model.own[:] = own
    for row, column in ((1, 0), (2, 3), (len(known.tags), 5)):
        model.own[row, column] += 1e-2
        higher = loss()
        model.own[row, column] -= 2e-2
        lower = loss()
        model.own[row, column] += 1e-2
        assert np.sign(higher - lower) == np.sign(moved[row, column])


def test_a_network_learns_is_resumed_and_answers_as_its_file(
    known: Taxonomy, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "category.onnx"
    arguments = ["--data", str(folder), "--out", str(out), "--dimension", "16"]
    category.run([*arguments, "--epochs", "400"])
    first = out.read_bytes()
    category.run([*arguments, "--epochs", "400", "--resume"])
    assert out.read_bytes() == first, "a finished training that is resumed changes nothing"
    assert "held-out synonyms" in capsys.readouterr().out
    network = CategoryNetwork("tiny", out)
    assert network.tags == known.tags
    right = sum(
        network.tags[int(network.predict(Product(product_name=one.text)).deepest.argmax())]
        == known.tags[one.category]
        for one in known.surfaces
    )
    assert right >= 0.8 * len(known.surfaces)
    jam = network.categories(Product(product_name="Confitures de fraises"), deepest_only=True)
    assert [one.tag for one in jam] == ["en:strawberry-jams"]


def test_the_file_is_the_network_but_for_rounding(known: Taxonomy, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    model = CategoryModel(rng, known.closure, len(known.tags), 16)
    product = Product(product_name="yaourt du jour", ingredients_tags=("en:milk",))
    bags = category.bags_of([product])
    model.table[bags.ids] = rng.normal(size=(len(bags.ids), 16)) * 0.3
    category_graph.write(tmp_path / "x.onnx", model, known, temperature=1.5, rules=())
    scores = CategoryNetwork("x", tmp_path / "x.onnx").predict(product)
    logits = model.logits(bags)[0] / 1.5
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    np.testing.assert_allclose(scores.deepest, chances[:-1], atol=0.01)
    expected = np.zeros(len(known.tags))
    for one, ancestor in known.closure.tolist():
        expected[ancestor] += scores.deepest[one]
    np.testing.assert_allclose(scores.belonging, expected, atol=1e-6)
    assert SOFTNESS > 0


def test_quantised_rows_are_within_half_a_step() -> None:
    rows = np.random.default_rng(1).normal(size=(50, 16)).astype(np.float32)
    rows[7] = 0.0
    whole, scale = category_graph.quantise(rows)
    assert not whole[7].any()
    np.testing.assert_allclose(whole * scale[:, None], rows, atol=float(scale.max()) * 0.6)
