"""An import engine with a few taxonomies, products and predictions for it, and what came of them."""

from typing import Any

from server.db import Database
from server.insights.engine.importer import Importer
from server.insights.engine.predictions import NewPrediction
from server.insights.products.local_products import LocalProducts
from tests.server.insights import rows
from tests.server.insights.engine.rules.situations import Trees

BARCODE, OTHER = "3250390172185", "5410041040807"
FOOD = Trees(
    categories={
        "en:dairies": {},
        "en:yogurts": {"parents": ["en:dairies"], "agribalyse_food_code": {"en": "19590"}},
        "en:soups": {},
    },
    labels={"en:organic": {}, "en:eu-organic": {"parents": ["en:organic"]}},
)


def image(number: int, barcode: str = BARCODE) -> str:
    return f"/{barcode[:3]}/{barcode[3:6]}/{barcode[6:9]}/{barcode[9:]}/{number}.jpg"


def new(kind: str = "label", number: int | None = 1, **columns: Any) -> NewPrediction:
    """One seen on the first image, by version 1 of a text rule, unless told otherwise."""
    barcode = columns.get("barcode", BARCODE)
    defaults: dict[str, Any] = {
        "barcode": barcode,
        "type": kind,
        "source_image": None if number is None else image(number, barcode),
        "predictor": "regex",
        "predictor_version": "1",
    }
    return NewPrediction(**(defaults | columns))


def engine(database: Database, **options: Any) -> Importer:
    products = LocalProducts(database)
    return Importer(database=database, products=products, taxonomies=FOOD, **options)


async def add_products(database: Database, *barcodes: str, **data: Any) -> None:
    images = {str(number): {"sizes": {"full": {"w": 200, "h": 100}}} for number in range(1, 6)}
    for barcode in barcodes or (BARCODE,):
        await rows.add_product(database, barcode, **({"images": images, "lang": "fr"} | data))


async def insights(database: Database, *columns: str) -> list[Any]:
    """The stored ones in the order they were made; one column as it is, several as a tuple, none as a whole."""
    found = await database.fetch("SELECT * FROM product_insight ORDER BY number")
    if not columns:
        return [dict(row) for row in found]
    return [row[columns[0]] if len(columns) == 1 else tuple(row[name] for name in columns) for row in found]


async def predictions(database: Database) -> list[tuple[str, str | None, str | None]]:
    found = await database.fetch("SELECT type, value_tag, predictor_version FROM prediction ORDER BY id")
    return [tuple(row) for row in found]
