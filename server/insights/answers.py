"""The bodies of lists: how many there are in all, a page of them, and whether there is any (contract 1.2)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server.insights.schema import ImagePrediction, Insight, Prediction


class InsightList(msgspec.Struct, frozen=True):
    """Status is "found" or "no_insights"."""

    count: int
    insights: list[Insight]
    status: str


class ProductInsights(msgspec.Struct, frozen=True):
    """The same for one product, without a count."""

    insights: list[Insight]
    status: str


class PredictionList(msgspec.Struct, frozen=True):
    """Status is "found" or "no_predictions"."""

    count: int
    predictions: list[Prediction]
    status: str


class ImagePredictionList(msgspec.Struct, frozen=True):
    """Status is "found" or "no_image_predictions"."""

    count: int
    image_predictions: list[ImagePrediction]
    status: str


def status(name: str, rows: Sequence[object]) -> str:
    """The word for some or for none."""
    return "found" if rows else f"no_{name}"
