"""The product as a whole."""

from litestar import Litestar
from litestar.openapi import OpenAPIConfig

from server.envelopes import is_under
from tests.server.search.worker import Worker


async def test_every_address_is_under_a_prefix_of_the_product(worker: Worker) -> None:
    app = Litestar([worker.search.router], openapi_config=None)
    paths = [route.path for route in app.routes]
    assert len(paths) > 15
    for path in paths:
        assert any(is_under(path, prefix) for prefix in worker.search.prefixes), path


async def test_the_api_description_can_be_made(worker: Worker) -> None:
    config = OpenAPIConfig(title="Aisle", version="1")
    description = Litestar([worker.search.router], openapi_config=config).openapi_schema.to_schema()
    assert {"/v1/search", "/api/v0/item/{uuid}"} <= set(description["paths"])
    schemas = description["components"]["schemas"]
    assert set(schemas["Result"]["properties"]) == {"item", "image", "score", "bbox", "explain"}
