"""The trained category network as an ONNX file: 8-bit tables, nutrient rules, and the hierarchy in the graph."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models import product_features
from models.category import NUTRIENTS
from models.train.category_network import SOFTNESS, CategoryModel
from models.train.taxonomy import Taxonomy

_OPSET = 18
_IR_VERSION = 10


class Rule(NamedTuple):
    """Foods of a category and its descendants have this much of a nutrient per 100 g, hardly ever less or more."""

    tag: str
    nutrient: str
    low: float
    high: float


# No data with nutrients was at hand, so these are general knowledge of food, wide on purpose.
RULES = (
    Rule("en:waters", "energy_kcal", 0, 40),
    Rule("en:waters", "fat", 0, 1),
    Rule("en:sodas", "energy_kcal", 0, 80),
    Rule("en:sodas", "fat", 0, 2),
    Rule("en:fruit-juices", "energy_kcal", 0, 120),
    Rule("en:fruit-juices", "fat", 0, 3),
    Rule("en:beers", "energy_kcal", 0, 130),
    Rule("en:beers", "fat", 0, 1),
    Rule("en:wines", "energy_kcal", 0, 200),
    Rule("en:wines", "fat", 0, 1),
    Rule("en:yogurts", "energy_kcal", 0, 300),
    Rule("en:cheeses", "proteins", 2, 101),
    Rule("en:cheeses", "sugars", 0, 30),
    Rule("en:butters", "fat", 30, 101),
    Rule("en:vegetable-oils", "fat", 70, 101),
    Rule("en:mayonnaises", "fat", 10, 101),
    Rule("en:sugars", "sugars", 70, 101),
    Rule("en:honeys", "sugars", 55, 101),
    Rule("en:syrups", "fat", 0, 10),
    Rule("en:chocolates", "energy_kcal", 300, 3800),
    Rule("en:biscuits", "energy_kcal", 250, 3800),
    Rule("en:crisps", "energy_kcal", 300, 3800),
    Rule("en:breads", "carbohydrates", 15, 101),
    Rule("en:meats", "carbohydrates", 0, 40),
    Rule("en:meats", "proteins", 4, 101),
    Rule("en:fishes", "carbohydrates", 0, 40),
    Rule("en:fishes", "proteins", 4, 101),
    Rule("en:salts", "salt", 40, 101),
    Rule("en:vinegars", "fat", 0, 3),
)
# One broken rule makes a category about e^3 = 20 times less likely.
RULE_WEIGHT = 3.0


def write(
    path: Path, model: CategoryModel, taxonomy: Taxonomy, temperature: float, rules: tuple[Rule, ...] = RULES
) -> None:
    """Writes the file; features, weights and nutrients of one product in, `output_0` and `deepest` (C,) out."""
    count = len(taxonomy.tags)
    table, table_scale = quantise(model.table)
    classes, class_scale = quantise(model.classes())
    limits, pairs = _rule_arrays(taxonomy, rules)
    constants = {
        "table": table,
        "table_scale": table_scale.astype(np.float16),
        "classes": np.ascontiguousarray(classes.T),
        "class_scale": class_scale / temperature,
        "bias": (model.bias / temperature).astype(np.float32),
        "softness": np.array([SOFTNESS**2], np.float32),
        "rule_nutrient": limits[:, 0].astype(np.int64),
        "rule_low": limits[:, 1].astype(np.float32),
        "rule_high": limits[:, 2].astype(np.float32),
        "rule_effect": np.array([-RULE_WEIGHT / temperature], np.float32),
        "ruled_class": pairs[:, 0].astype(np.uint16),
        "ruling_rule": pairs[:, 1].astype(np.uint16),
        "member": taxonomy.closure[:, 0].astype(np.uint16),
        "ancestor": taxonomy.closure[:, 1].astype(np.uint16),
        "nothing": np.zeros(count, np.float32),
        "zero": np.array([0.0], np.float32),
        "one": np.array([1.0], np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "count": np.array([count], np.int64),
        "flat": np.array([-1], np.int64),
    }
    vector = [count]
    graph = helper.make_graph(
        _nodes(),
        "aisle-category",
        [
            helper.make_tensor_value_info("features", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("nutrients", TensorProto.FLOAT, [len(NUTRIENTS)]),
        ],
        [
            helper.make_tensor_value_info("output_0", TensorProto.FLOAT, vector),
            helper.make_tensor_value_info("deepest", TensorProto.FLOAT, vector),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    parents: list[list[str]] = [[] for _ in taxonomy.tags]
    for child, parent in taxonomy.parents.tolist():
        parents[child].append(str(parent))
    helper.set_model_props(
        file,
        {
            "features": product_features.VERSION,
            "tags": "\n".join(taxonomy.tags),
            "parents": "\n".join(" ".join(line) for line in parents),
        },
    )
    onnx.checker.check_model(file)
    onnx.save(file, str(path))


def quantise(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows (R, D) as whole numbers from -127 to 127 with one scale (R,) each."""
    scale = np.abs(rows).max(1) / 127.0
    # The scale is kept as float16 in the file: what is rounded with must be what is multiplied with.
    scale = np.maximum(scale.astype(np.float16), np.float16(6e-8)).astype(np.float32)
    whole = np.clip(np.rint(rows / scale[:, None]), -127, 127).astype(np.int8)
    return whole, scale


def _nodes() -> list[onnx.NodeProto]:
    """The graph, top to bottom."""
    node = helper.make_node
    return [
        node("Gather", ["table", "features"], ["rows_8"]),
        node("Cast", ["rows_8"], ["rows"], to=TensorProto.FLOAT),
        node("Gather", ["table_scale", "features"], ["scale_16"]),
        node("Cast", ["scale_16"], ["scale"], to=TensorProto.FLOAT),
        node("Mul", ["weights", "scale"], ["scaled"]),
        node("Unsqueeze", ["scaled", "first"], ["each"]),
        node("MatMul", ["each", "rows"], ["pooled"]),
        node("Mul", ["pooled", "pooled"], ["squared"]),
        node("ReduceSum", ["squared", "second"], ["square"]),
        node("Add", ["square", "softness"], ["softened"]),
        node("Sqrt", ["softened"], ["length"]),
        node("Div", ["pooled", "length"], ["hidden"]),
        node("Cast", ["classes"], ["class_vectors"], to=TensorProto.FLOAT),
        node("MatMul", ["hidden", "class_vectors"], ["products"]),
        node("Mul", ["products", "class_scale"], ["compared"]),
        node("Add", ["compared", "bias"], ["unruled"]),
        node("Reshape", ["unruled", "flat"], ["unruled_flat"]),
        # A nutrient below 0 is missing or out of range and breaks no rule.
        node("Gather", ["nutrients", "rule_nutrient"], ["amount"]),
        node("Less", ["amount", "rule_low"], ["below"]),
        node("Greater", ["amount", "rule_high"], ["above"]),
        node("Or", ["below", "above"], ["outside"]),
        node("GreaterOrEqual", ["amount", "zero"], ["known"]),
        node("And", ["outside", "known"], ["broken"]),
        node("Cast", ["broken"], ["broken_count"], to=TensorProto.FLOAT),
        node("Mul", ["broken_count", "rule_effect"], ["effect"]),
        node("Cast", ["ruling_rule"], ["ruling"], to=TensorProto.INT64),
        node("Cast", ["ruled_class"], ["ruled"], to=TensorProto.INT64),
        node("Gather", ["effect", "ruling"], ["effects"]),
        node("ScatterElements", ["unruled_flat", "ruled", "effects"], ["logits"], axis=0, reduction="add"),
        node("Softmax", ["logits"], ["probabilities"], axis=0),
        node("Slice", ["probabilities", "first", "count"], ["deepest"]),
        # The probability of a category: its own as the deepest one, and that of everything beneath it.
        node("Cast", ["member"], ["members"], to=TensorProto.INT64),
        node("Cast", ["ancestor"], ["ancestors"], to=TensorProto.INT64),
        node("Gather", ["deepest", "members"], ["given"]),
        node("ScatterElements", ["nothing", "ancestors", "given"], ["summed"], axis=0, reduction="add"),
        node("Min", ["summed", "one"], ["output_0"]),
    ]


def _rule_arrays(
    taxonomy: Taxonomy, rules: tuple[Rule, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(R, 3) nutrient, low, high; and (K, 2) class, rule for every class a rule is about."""
    number = {tag: index for index, tag in enumerate(taxonomy.tags)}
    limits = [(NUTRIENTS.index(rule.nutrient), rule.low, rule.high) for rule in rules]
    pairs = [
        (category, index)
        for index, rule in enumerate(rules)
        for category in taxonomy.closure[taxonomy.closure[:, 1] == number.get(rule.tag, -1), 0].tolist()
    ]
    return np.array(limits, np.float64).reshape(-1, 3), np.array(pairs, np.int64).reshape(-1, 2)
