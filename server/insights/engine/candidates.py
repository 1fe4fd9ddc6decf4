"""From candidates to insights: their order, and the walk that decides what is kept, made and dropped (contract 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from server.insights import barcodes
from server.insights.engine.predictions import Prediction

DEFAULT_PRIORITY = 1


class Fact(Protocol):
    """What conflicts are about: a candidate or a stored insight."""

    @property
    def value_tag(self) -> str | None: ...
    @property
    def value(self) -> str | None: ...
    @property
    def source_image(self) -> str | None: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def annotation(self) -> int | None: ...


class Candidate(msgspec.Struct, kw_only=True):
    """What a type's rule proposes; lower priority is better."""

    value_tag: str | None = None
    value: str | None = None
    source_image: str | None = None
    data: Mapping[str, Any] = msgspec.field(default_factory=dict)
    automatic_processing: bool = False
    predictor: str | None = None
    predictor_version: str | None = None
    confidence: float | None = None
    priority: float = DEFAULT_PRIORITY
    campaign: tuple[str, ...] = ()
    lc: tuple[str, ...] | None = None

    @classmethod
    def of(cls, prediction: Prediction, **changes: Any) -> Candidate:
        """A prediction as a candidate, with these fields changed."""
        fields: dict[str, Any] = {
            "value_tag": prediction.value_tag,
            "value": prediction.value,
            "source_image": prediction.source_image,
            "data": prediction.data,
            "automatic_processing": bool(prediction.automatic_processing),
            "predictor": prediction.predictor,
            "predictor_version": prediction.predictor_version,
            "confidence": prediction.confidence,
            "priority": priority_of(prediction.data),
        }
        return cls(**(fields | changes))

    @property
    def annotation(self) -> int | None:
        """Nobody has answered it yet."""
        return None


class Known(NamedTuple):
    """A stored insight; `row` has all its columns by name."""

    id: UUID
    annotation: int | None
    automatic_processing: bool
    value_tag: str | None
    value: str | None
    source_image: str | None
    data: Mapping[str, Any]
    # What the votes say, where `row` has what the insight says.
    votes: int = 0
    row: Mapping[str, Any] = {}

    @property
    def is_open(self) -> bool:
        """Whether it may still change or go: nobody answered it, and nobody is going to by himself."""
        return self.annotation is None and not self.automatic_processing


# Whether a candidate adds nothing beside the reference.
Conflicts = Callable[[Candidate, Fact], bool]


class Walk(NamedTuple):
    """What becomes of a type's insights; each candidate of `updated` takes the place of a stored one."""

    created: list[Candidate]
    updated: list[tuple[Candidate, Known]]
    deleted: list[Known]


def walk(candidates: Iterable[Candidate], known: Sequence[Known], conflicts: Conflicts) -> Walk:
    """Select candidates from the best to the last (contract 4.4.5-4.4.7)."""
    settled = [insight for insight in known if not insight.is_open]
    free = [insight for insight in known if insight.is_open]
    selected: list[Candidate] = []
    result = Walk([], [], [])
    for candidate in ordered(candidates):
        if any(conflicts(candidate, other) for other in settled):
            continue
        if any(conflicts(candidate, other) for other in selected):
            continue
        selected.append(candidate)
        for place, insight in enumerate(free):
            if insight.source_image == candidate.source_image and conflicts(candidate, insight):
                result.updated.append((candidate, free.pop(place)))
                break
        else:
            result.created.append(candidate)
    result.deleted.extend(free)
    return result


def ordered(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Best first: priority, newest image, automatic, predictor."""
    return sorted(
        candidates,
        key=lambda one: (
            one.priority,
            -image_number(one.source_image),
            not one.automatic_processing,
            one.predictor is None,
            one.predictor or "",
        ),
    )


def ordered_predictions(predictions: Iterable[Prediction]) -> list[Prediction]:
    """Best first: priority, newest image, those with a predictor by its name; then the older one."""
    return sorted(
        predictions,
        key=lambda one: (
            priority_of(one.data),
            -image_number(one.source_image),
            one.predictor is None,
            one.predictor or "",
            one.id,
        ),
    )


def priority_of(data: Mapping[str, Any]) -> float:
    """The priority that a prediction has, 1 where it has none."""
    priority = data.get("priority", DEFAULT_PRIORITY)
    return priority if isinstance(priority, int | float) and priority == priority else DEFAULT_PRIORITY


def image_number(source_image: str | None) -> int:
    """The number of a raw image, 0 for none: higher is newer."""
    number = barcodes.image_id_of(source_image) or ""
    # Longer ones are no image's, and would be slow to read.
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 20 else 0
