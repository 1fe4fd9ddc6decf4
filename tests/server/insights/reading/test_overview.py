"""Everything known about a product in one answer."""

import httpx
import pytest

from server.db import Database
from tests.server.insights import rows
from tests.server.insights.statements import counted

BARCODE = "00000123"
URL = "/api/v1/products/123/overview"


async def test_an_unknown_product_is_no_error(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{URL}/")).json() == {
        "barcode": BARCODE,
        "server_type": "off",
        "product": None,
        "images": [],
        "image_predictions": [],
        "logos": [],
        "predictions": [],
        "insights": {"open": [], "closed": []},
        "status": "no_product",
    }


async def test_all_that_is_known_of_a_product_and_of_no_other(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rows.add_product(
        database,
        BARCODE,
        product_name=" Soup ",
        brands_tags=["lidl"],
        lang="fr",
        unique_scans_n=7,
        images={"1": {}, "12": {}, "front_fr": {"imgid": "1", "rev": "3"}},
    )
    for barcode, server_type in ((BARCODE, "off"), ("00000017", "off"), (BARCODE, "obf")):
        key = {"barcode": barcode, "server_type": server_type}
        image = await rows.add_image(database, **key)
        seen = await rows.add_image_prediction(database, image)
        await rows.add_logo(
            database, seen, annotation_value="en:organic", nearest_neighbors={"distances": [0.1]}
        )
        await rows.add_prediction(database, **key)
        await rows.add_insight(database, **key, value_tag="open")
        await rows.add_insight(database, **key, value_tag="closed", annotation=0)
    with counted(monkeypatch) as statements:
        found = (await http.get(URL)).json()
    assert len(statements) == 6
    assert found["status"] == "found"
    assert found["product"] == {
        "name": "Soup",
        "brands": ["lidl"],
        "categories": [],
        "labels": [],
        "countries": [],
        "lang": "fr",
        "quantity": "",
        "unique_scans_n": 7,
        "front_image": "/000/000/000/0123/front_fr.3.400.jpg",
        "raw_images": ["1", "12"],
    }
    (image_found,), (logo,) = found["images"], found["logos"]
    (seen_found,), (prediction,) = found["image_predictions"], found["predictions"]
    assert image_found["barcode"] == prediction["barcode"] == BARCODE
    assert seen_found["image"] == logo["image"] == image_found
    assert (logo["annotation_value"], logo["bounding_box"]) == ("en:organic", [0.1, 0.2, 0.3, 0.4])
    assert logo["nearest_neighbors"] == {"distances": [0.1]}
    assert [one["value_tag"] for one in found["insights"]["open"]] == ["open"]
    assert [one["value_tag"] for one in found["insights"]["closed"]] == ["closed"]


async def test_the_pro_platform_names_the_organisation_first(
    http: httpx.AsyncClient, database: Database
) -> None:
    await rows.add_prediction(database, barcode="org/00000123", server_type="off_pro")
    found = (await http.get("/api/v1/products/org/123/overview", params={"server_type": "off_pro"})).json()
    assert (found["barcode"], len(found["predictions"])) == ("org/00000123", 1)
    assert (await http.get("/api/v1/products/org/x/overview")).status_code == 404
