"""The shape that all rules share, and what they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from server.insights import barcodes
from server.insights.engine.candidates import Candidate, Fact
from server.insights.engine.predictions import Prediction
from server.insights.products.products import Product
from server.insights.taxonomy import EMPTY, Taxonomy


class Trees(Protocol):
    """Where taxonomies are found by name."""

    def get(self, name: str) -> Taxonomy: ...


class Detected(NamedTuple):
    """A box that a network saw, (y_min, x_min, y_max, x_max) as shares of the sides."""

    score: float
    box: tuple[float, float, float, float]


class NoTrees:
    """For products of which no taxonomy knows anything."""

    def get(self, name: str) -> Taxonomy:
        """Always an empty one."""
        return EMPTY


class Situation(NamedTuple):
    """All that is known of one product when its insights are worked out.

    `product` is None where nothing may be asked of products: then no rule compares with it. `predictions` are by
    type, best first. `sizes` are width and height by the image's number, where the product has none. `tables` are
    the nutrition tables seen on each image. `foreign_brands` are those whose barcodes begin otherwise.
    """

    barcode: str
    product: Product | None
    predictions: Mapping[str, Sequence[Prediction]]
    taxonomies: Trees = NoTrees()
    sizes: Mapping[str, tuple[int, int]] = {}
    tables: Mapping[str, Sequence[Detected]] = {}
    foreign_brands: frozenset[str] = frozenset()

    def of(self, kind: str) -> Sequence[Prediction]:
        """The predictions of a type, best first."""
        return self.predictions.get(kind, ())

    def on_image(self, kind: str, source_image: str | None) -> Prediction | None:
        """The best prediction of a type on that image."""
        found = (one for one in self.of(kind) if one.source_image == source_image)
        return None if source_image is None else next(found, None)

    def size_of(self, source_image: str | None) -> tuple[int, int] | None:
        """Width and height of the image in full size, None where unknown."""
        number = barcodes.image_id_of(source_image)
        if number is None:
            return None
        size = None if self.product is None else self.product.size_of(number)
        return size or self.sizes.get(number)

    def rotation_of(self, source_image: str | None) -> int | None:
        """By how many degrees the image must be turned, None where nobody said."""
        orientation = self.on_image("image_orientation", source_image)
        return None if orientation is None else rotation_in(orientation.data)


class Rule(NamedTuple):
    """How one type's insights come about.

    Nothing is worked out unless there are predictions of all `required` types; `also` are looked at besides.
    `candidates` gives what may be proposed. `conflicts(candidate, reference)` is made for one situation.
    """

    type: str
    required: frozenset[str]
    candidates: Callable[[Situation], Iterable[Candidate]]
    conflicts: Callable[[Situation], Callable[[Candidate, Fact], bool]]
    also: frozenset[str] = frozenset()

    @property
    def inputs(self) -> frozenset[str]:
        """All types it looks at."""
        return self.required | self.also


def same_tag(situation: Situation) -> Callable[[Candidate, Fact], bool]:
    """Conflict of types where the tag says it all."""
    return lambda candidate, reference: candidate.value_tag == reference.value_tag


def same_value(situation: Situation) -> Callable[[Candidate, Fact], bool]:
    """Conflict of types where the value says it all."""
    return lambda candidate, reference: candidate.value == reference.value


def same_or_above(taxonomy: str) -> Callable[[Situation], Callable[[Candidate, Fact], bool]]:
    """Conflict of types whose tags are of a taxonomy: the same tag, or one that the reference already says."""

    def conflicts(situation: Situation) -> Callable[[Candidate, Fact], bool]:
        tree = situation.taxonomies.get(taxonomy)

        def is_said(candidate: Candidate, reference: Fact) -> bool:
            tag, said = candidate.value_tag, reference.value_tag
            return tag == said or (tag is not None and said is not None and tree.is_below(said, tag))

        return is_said

    return conflicts


def mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def number(value: Any, default: float = 0.0) -> float:
    """A finite JSON number, the default in place of anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        return default
    return float(value)


def rotation_in(data: Mapping[str, Any]) -> int | None:
    """The quarter turn that an `image_orientation` found, in degrees; None where it has none."""
    rotation = data.get("rotation")
    return rotation if isinstance(rotation, int) and rotation in (0, 90, 180, 270) else None
