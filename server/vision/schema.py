"""What /vision/v1 takes and gives."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct


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


class Failed(Struct, frozen=True):
    """In the place of a result."""

    error: Fault


class Embedded(Struct, frozen=True):
    """A vector of unit length."""

    embedding: list[float]


class Detection(Struct, frozen=True):
    """One object; the box is y_min, x_min, y_max, x_max in fractions of the upright picture."""

    label: str
    score: float
    bounding_box: tuple[float, float, float, float]


class Detected(Struct, frozen=True):
    """The objects of one picture, best first."""

    detections: list[Detection]


class Embeddings(Struct, frozen=True, kw_only=True):
    """One result per picture, in the order they were sent."""

    model: str
    version: str
    results: list[Embedded | Failed]


class Detections(Struct, frozen=True, kw_only=True):
    """One result per picture, in the order they were sent."""

    model: str
    version: str
    results: list[Detected | Failed]


encode = msgspec.json.Encoder().encode
decode_urls = msgspec.json.Decoder(Urls).decode
