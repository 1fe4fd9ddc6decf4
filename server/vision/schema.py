"""What /vision/v1 takes and gives."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType


class Urls(Struct, frozen=True, forbid_unknown_fields=True):
    """Pictures to fetch, http or https."""

    urls: Annotated[list[str], Meta(min_length=1)]


class Input(Struct, frozen=True, kw_only=True):
    """The picture a network takes, (3, size, size); `geometry` says how any other is brought there."""

    size: int
    geometry: str
    dtype: str


class Network(Struct, frozen=True, kw_only=True):
    """A network of the manifest; `provider` is what really runs it, null while it is not loaded."""

    name: str
    version: str
    task: str
    input: Input | None
    provider: str | None
    loaded: bool
    dimension: int | None
    embedding_space: str | None
    labels: int


class Networks(Struct, frozen=True):
    """The answer of /models."""

    models: list[Network]


class Fault(Struct, frozen=True):
    """What is wrong with one picture."""

    code: str
    message: str


class Embedded(Struct, frozen=True, kw_only=True):
    """A vector of unit length, or what is wrong with the picture."""

    embedding: list[float] | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class Detection(Struct, frozen=True):
    """One object; the box is y_min, x_min, y_max, x_max in fractions of the upright picture."""

    label: str
    score: float
    bounding_box: tuple[float, float, float, float]


class Detected(Struct, frozen=True, kw_only=True):
    """The objects of one picture, best first, or what is wrong with it."""

    detections: list[Detection] | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class Embeddings(Struct, frozen=True, kw_only=True):
    """One result per picture, in the order they were sent."""

    model: str
    version: str
    results: list[Embedded]


class Detections(Struct, frozen=True, kw_only=True):
    """One result per picture, in the order they were sent."""

    model: str
    version: str
    results: list[Detected]


encode = msgspec.json.Encoder().encode
URLS = msgspec.json.Decoder(Urls)
