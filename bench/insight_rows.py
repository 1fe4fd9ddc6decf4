"""A million insights as lines of JSON, drawn like those of the original's measurements, the same for a seed.

    python -m bench.insight_rows [--insights 1000000] [--products 300000] --out FOLDER

writes insights.ndjson, votes.ndjson, predictions.ndjson and products.ndjson. Types 35/30/15/12/8 % category,
label, brand, weight, packaging; 2,000 tags and 30 countries by Zipf, 1-3 countries a product; 5 % in a
campaign, 10 % annotated, 2 % automatic, 1 % reserved, 5 % with one or two votes; scans by Zipf.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

SEED = 7
TYPES = ("category", "label", "brand", "product_weight", "packaging")
SHARES = (0.35, 0.30, 0.15, 0.12, 0.08)
TAGS = 2000
COUNTRIES = tuple(
    f"en:{name}"
    for name in [
        "france",
        "germany",
        "spain",
        "italy",
        "united-states",
        "united-kingdom",
        "belgium",
        "switzerland",
        "netherlands",
        "portugal",
        "poland",
        "austria",
        "ireland",
        "canada",
        "australia",
        "mexico",
        "brazil",
        "japan",
        "china",
        "india",
        "russia",
        "sweden",
        "norway",
        "denmark",
        "finland",
        "romania",
        "greece",
        "hungary",
        "morocco",
        "argentina",
    ]
)
BRANDS = 500
CAMPAIGNS = ("agribalyse-category", "missing-category")
PREDICTIONS = 60_000
CHUNK = 50_000


class Products:
    """What the drawn products are: arrays over all of them."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        is_reserved = rng.random(count) < 0.01
        numbers = rng.choice(10**9, count, replace=False)
        self.barcodes = [
            f"{'2' if reserved else '3'}{number:012d}"
            for number, reserved in zip(numbers.tolist(), is_reserved.tolist(), strict=True)
        ]
        self.is_reserved = is_reserved.tolist()
        self.scans = np.minimum(rng.zipf(1.6, count), 50_000).tolist()
        first = zipf(rng, len(COUNTRIES), count)
        more = rng.integers(0, 3, count)
        extra = zipf(rng, len(COUNTRIES), (count, 2))
        self.countries = [
            [COUNTRIES[number] for number in dict.fromkeys([one, *others[:n]])]
            for one, n, others in zip(first.tolist(), more.tolist(), extra.tolist(), strict=True)
        ]
        self.brands = zipf(rng, BRANDS, count).tolist()

    def __len__(self) -> int:
        return len(self.barcodes)

    def source(self, number: int) -> str:
        barcode = self.barcodes[number]
        return f"/{barcode[:3]}/{barcode[3:6]}/{barcode[6:9]}/{barcode[9:]}/1.jpg"


def zipf(rng: np.random.Generator, count: int, size: Any) -> NDArray[np.int64]:
    """Numbers below `count`, the k-th as likely as 1/(k+1)."""
    weights = 1 / np.arange(1, count + 1)
    return np.asarray(rng.choice(count, size, p=weights / weights.sum()), np.int64)


def tag(number: int, kind: str) -> str:
    return f"en:{kind.replace('_', '-')}-{number:04d}"


def write(folder: Path, insights: int, products: int) -> None:
    """All four files."""
    rng = np.random.default_rng(SEED)
    drawn = Products(products, rng)
    encode = msgspec.json.Encoder().encode
    with (folder / "products.ndjson").open("wb") as file:
        for number in range(len(drawn)):
            file.write(encode(_product(drawn, number)) + b"\n")
    with (folder / "insights.ndjson").open("wb") as file, (folder / "votes.ndjson").open("wb") as votes:
        for start in range(0, insights, CHUNK):
            for line, n_votes in _insights(drawn, min(CHUNK, insights - start), rng):
                file.write(encode(line) + b"\n")
                for voter in range(n_votes):
                    votes.write(encode(_vote(line["id"], voter)) + b"\n")
    with (folder / "predictions.ndjson").open("wb") as file:
        kinds = rng.choice(2, PREDICTIONS).tolist()
        owners = rng.integers(0, len(drawn), PREDICTIONS).tolist()
        tags = zipf(rng, TAGS, PREDICTIONS).tolist()
        for kind, owner, number in zip(kinds, owners, tags, strict=True):
            file.write(encode(_prediction(drawn, owner, TYPES[kind], number)) + b"\n")


def _insights(drawn: Products, count: int, rng: np.random.Generator) -> list[tuple[dict[str, Any], int]]:
    kinds = rng.choice(len(TYPES), count, p=SHARES).tolist()
    owners = rng.integers(0, len(drawn), count).tolist()
    tags = zipf(rng, TAGS, count).tolist()
    shares = rng.random((count, 4)).tolist()
    confidences = rng.random(count).round(4).tolist()
    n_votes = (rng.integers(1, 3, count) * (rng.random(count) < 0.05)).tolist()
    identities = rng.bytes(16 * count)
    campaigns = rng.integers(0, len(CAMPAIGNS), count).tolist()
    made = []
    for place in range(count):
        kind, owner, share = TYPES[kinds[place]], owners[place], shares[place]
        has_tag = kind in ("category", "label", "brand")
        is_annotated, is_automatic = share[0] < 0.10, share[1] < 0.02
        identity = UUID(bytes=identities[16 * place : 16 * place + 16], version=4)
        line = {
            "id": str(identity),
            "barcode": drawn.barcodes[owner],
            "type": kind,
            "data": {"text": "drawn"}
            if kind != "packaging"
            else {"element": {"shape": {"value_tag": "en:box"}}},
            "timestamp": f"2024-{1 + place % 12:02d}-{1 + place % 28:02d}T03:04:05.{place % 10**6:06d}",
            "completed_at": "2024-12-31T00:00:00" if is_annotated else None,
            "annotation": place % 2 if is_annotated else None,
            "n_votes": n_votes[place],
            "countries": drawn.countries[owner],
            "brands": [f"brand-{drawn.brands[owner]}"],
            "value_tag": tag(tags[place], kind) if has_tag else None,
            "value": None if has_tag and kind != "brand" else f"{10 * (1 + tags[place])} g",
            "source_image": drawn.source(owner),
            "automatic_processing": is_automatic,
            "process_after": "2099-01-01T00:00:00" if is_automatic else None,
            "server_type": "off",
            "unique_scans_n": drawn.scans[owner],
            "reserved_barcode": drawn.is_reserved[owner],
            "predictor": "neural" if kind == "category" else "universal-logo-detector",
            "predictor_version": "1",
            "campaign": [CAMPAIGNS[campaigns[place]]] if share[2] < 0.05 else [],
            "confidence": confidences[place] if share[3] < 0.8 else None,
            "with_image": True,
        }
        made.append((line, n_votes[place]))
    return made


def _vote(insight: str, voter: int) -> dict[str, Any]:
    return {"insight_id": insight, "value": 1, "device_id": f"drawn-{insight[:4]}-{voter}"}


def _product(drawn: Products, number: int) -> dict[str, Any]:
    return {
        "code": drawn.barcodes[number],
        "product_name": f"Product {number}",
        "lang": "en",
        "countries_tags": drawn.countries[number],
        "brands_tags": [f"brand-{drawn.brands[number]}"],
        "unique_scans_n": drawn.scans[number],
        "images": {
            "1": {"sizes": {"full": {"w": 1200, "h": 1600}}},
            "front_en": {"imgid": "1", "rev": "4", "angle": 0},
        },
    }


def _prediction(drawn: Products, owner: int, kind: str, number: int) -> dict[str, Any]:
    return {
        "barcode": drawn.barcodes[owner],
        "type": kind,
        "value_tag": tag(number, kind),
        "source_image": drawn.source(owner),
        "automatic_processing": False,
        "predictor": "neural" if kind == "category" else "regex",
        "predictor_version": "2",
        "confidence": 0.9,
        "data": {},
    }


@click.command()
@click.option("--insights", default=1_000_000, show_default=True)
@click.option("--products", default=300_000, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(insights: int, products: int, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write(out, insights, products)


if __name__ == "__main__":
    main()
