"""Everything known about a product in one answer (contract 7, wish 18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.insights import queries_overview as queries
from server.insights.reading.image_predictions import as_image_predictions
from server.insights.reading.insight_pages import as_insights
from server.insights.reading.prediction_pages import as_predictions
from server.insights.schema import Image, ImagePrediction, Insight, Logo, Prediction

if TYPE_CHECKING:
    from server.db import Database
    from server.deadline import Deadline
    from server.insights.products.products import Product, Products

# Of each kind at most; the newest ones are left out beyond it.
MAX_ROWS = 1000


class ProductSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to see of a product first; texts are "" where unknown."""

    name: str
    brands: list[str]
    categories: list[str]
    labels: list[str]
    countries: list[str]
    lang: str
    quantity: str
    unique_scans_n: int
    # Paths under the image root.
    front_image: str | None
    raw_images: list[str]


class KnownInsights(msgspec.Struct, frozen=True):
    """What waits for a decision, and what has one."""

    open: list[Insight]
    closed: list[Insight]


class KnownProduct(msgspec.Struct, frozen=True, kw_only=True):
    """Status is "found", or "no_product" where nothing at all is known; the lists are oldest first."""

    barcode: str
    server_type: str
    product: ProductSummary | None
    images: list[Image]
    image_predictions: list[ImagePrediction]
    logos: list[Logo]
    predictions: list[Prediction]
    insights: KnownInsights
    status: str


class Overview:
    """Reads a product's rows: one statement for each kind."""

    def __init__(self, database: Database, products: Products) -> None:
        self._database = database
        self._products = products

    async def of(self, server_type: str, barcode: str, deadline: Deadline | None = None) -> KnownProduct:
        """What is known of it, at most `MAX_ROWS` of each kind; an unknown product is no error."""
        product = await self._products.get(server_type, barcode)
        key = server_type, barcode, MAX_ROWS
        async with self._database.connection(deadline) as connection:
            images = [Image(*row) for row in await connection.fetch(queries.IMAGES, *key)]
            seen = as_image_predictions(await connection.fetch(queries.IMAGE_PREDICTIONS, *key))
            logo_rows = await connection.fetch(queries.LOGOS, *key)
            predictions = as_predictions(await connection.fetch(queries.PREDICTIONS, *key))
            insights = as_insights(await connection.fetch(queries.INSIGHTS, *key))
        return KnownProduct(
            barcode=barcode,
            server_type=server_type,
            product=None if product is None else _summary(product),
            images=images,
            image_predictions=seen,
            logos=[_logo(row) for row in logo_rows],
            predictions=predictions,
            insights=KnownInsights(
                [one for one in insights if one.annotation is None],
                [one for one in insights if one.annotation is not None],
            ),
            status="found" if product or images or predictions or insights else "no_product",
        )


def _summary(product: Product) -> ProductSummary:
    return ProductSummary(
        name=product.text("product_name"),
        brands=product.tags("brands_tags"),
        categories=product.tags("categories_tags"),
        labels=product.tags("labels_tags"),
        countries=product.tags("countries_tags"),
        lang=product.language,
        quantity=product.text("quantity"),
        unique_scans_n=product.scans,
        front_image=product.front_image,
        raw_images=product.raw_images,
    )


def _logo(row: Any) -> Logo:
    """A row of `queries_overview.LOGOS`."""
    names = queries.LOGO_FIELDS
    columns = dict(zip(names, row, strict=False))
    for name in queries.LOGO_JSON:
        if columns[name] is not None:
            columns[name] = msgspec.Raw(columns[name])
    return Logo(**columns, image=Image(*row[len(names) :]))
