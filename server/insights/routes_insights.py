"""Reading insights: /insights and what is under it (contract 1.2.5-1.2.8, 1.2.10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import NamedDependency as Given
from litestar.params import FromPath
from litestar.response import Stream

from server import errors
from server.insights import barcodes, faults
from server.insights.answers import InsightList, ProductInsights, status
from server.insights.openapi import asking
from server.insights.parameters import MAX_ITEMS, Parameters
from server.insights.reading.insight_dump import CSV, MAX_CSV_ROWS, NDJSON, InsightDump
from server.insights.reading.insight_pages import ORDERS, InsightPages, Page
from server.insights.schema import Insight
from server.insights.selection import Selection, distinct
from server.insights.voter import Voter, voter_of
from server.middleware import deadline_of
from server.settings import InsightOptions

Asked = Request[Any, Any, Any]

# Beyond the numbers that the database holds nothing is annotated so.
INT32 = 2**31
FILTERS = (
    "insight_types",
    "barcode",
    "annotated",
    "annotation",
    "value_tag",
    "predictor",
    "brands",
    "countries",
    "campaigns",
    "lc",
    "server_type",
)


@get(
    "/api/v1/insights",
    summary="Insights by any of their columns",
    operation_class=asking(*FILTERS, "order_by", "count", "page", "device_id"),
)
async def insights(
    request: Asked,
    parameters: Given[Parameters],
    options: Given[InsightOptions],
    insight_pages: Given[InsightPages],
) -> InsightList:
    """Oldest first; what the caller voted on is left out."""
    voter = voter_of(request, parameters.text("device_id"), options.trusted_proxies)
    selection = selection_of(parameters, voter=voter)
    order_by = parameters.one_of("order_by", ORDERS, unknown_order)
    return listed(
        await insight_pages.page(
            selection,
            count=parameters.count(),
            page=parameters.page(),
            order_by=order_by,
            deadline=deadline_of(request),
        )
    )


@get(
    "/api/v1/insights/random",
    summary="Some open insights",
    operation_class=asking("type", "countries", "value_tag", "server_type", "predictor", "count"),
)
async def random_insights(
    request: Asked, parameters: Given[Parameters], insight_pages: Given[InsightPages]
) -> InsightList:
    """A fresh draw each time, whoever asks."""
    kind = parameters.text("type")
    selection = Selection(
        server_type=parameters.server_type(),
        types=None if kind is None else (kind,),
        value_tag=parameters.text("value_tag"),
        countries=distinct(parameters.countries()),
        predictor=parameters.text("predictor"),
        annotated=False,
    )
    return listed(
        await insight_pages.random(selection, count=parameters.count(), deadline=deadline_of(request))
    )


@get("/api/v1/insights/detail/{insight_id:uuid}", summary="One insight")
async def detail(request: Asked, insight_id: FromPath[UUID], insight_pages: Given[InsightPages]) -> Insight:
    """In whatever state it is; 404 where there is none."""
    found = await insight_pages.one(insight_id, deadline_of(request))
    if found is None:
        raise errors.NotFound
    return found


@get(
    "/api/v1/insights/dump",
    summary="Insights as CSV, or as lines of JSON without a limit",
    operation_class=asking(*FILTERS, "count"),
)
async def dump(
    request: Asked, parameters: Given[Parameters], insight_dump: Given[InsightDump]
) -> Response[Any] | Stream:
    """CSV of 10,000 insights at most; with `Accept: application/x-ndjson` any number; 204 for none."""
    wants_lines = NDJSON in request.headers.get("accept", "")
    selection = selection_of(parameters, bare_annotated=False)
    most = parameters.integer("count", None, low=0, high=None if wants_lines else MAX_CSV_ROWS)
    found = await (insight_dump.ndjson if wants_lines else insight_dump.csv)(selection, most)
    return streamed(found, NDJSON if wants_lines else CSV)


@get(
    "/api/v1/insights/{barcode:str}",
    summary="The open insights of a product",
    operation_class=asking("insight_types", "server_type"),
)
async def of_product(
    request: Asked,
    barcode: FromPath[str],
    parameters: Given[Parameters],
    insight_pages: Given[InsightPages],
) -> ProductInsights:
    """All that nobody has decided yet, whoever asks; an unknown product has none."""
    return await product_insights(request, barcode, parameters, insight_pages)


@get(
    "/api/v1/insights/{organisation:str}/{barcode:str}",
    summary="The open insights of a product of the pro platform",
    operation_class=asking("insight_types", "server_type"),
)
async def of_pro_product(
    request: Asked,
    organisation: FromPath[str],
    barcode: FromPath[str],
    parameters: Given[Parameters],
    insight_pages: Given[InsightPages],
) -> ProductInsights:
    """As the others; there a barcode stands behind the organisation that owns it."""
    if not barcodes.DIGITS.fullmatch(barcode):
        raise errors.NotFound
    return await product_insights(request, f"{organisation}/{barcode}", parameters, insight_pages)


async def product_insights(
    request: Asked, barcode: str, parameters: Parameters, insight_pages: InsightPages
) -> ProductInsights:
    """What nobody has decided yet on one product."""
    selection = Selection(
        server_type=parameters.server_type(),
        types=distinct(parameters.texts("insight_types", MAX_ITEMS)),
        barcode=barcodes.normalised(barcode),
        annotated=False,
    )
    found = await insight_pages.of_product(selection, deadline_of(request))
    return ProductInsights(found, status("insights", found))


def selection_of(
    parameters: Parameters, *, voter: Voter | None = None, bare_annotated: bool = True
) -> Selection:
    """The filters of /insights; `bare_annotated` is what `annotated` without a value means."""
    annotation = parameters.integer("annotation", None)
    return Selection(
        server_type=parameters.server_type(),
        types=distinct(parameters.texts("insight_types", MAX_ITEMS)),
        barcode=parameters.barcode(),
        value_tag=parameters.text("value_tag"),
        brands=distinct(parameters.texts("brands", MAX_ITEMS)),
        countries=distinct(parameters.countries()),
        lc=distinct(parameters.texts("lc")),
        campaigns=distinct(parameters.texts("campaigns")),
        predictor=parameters.text("predictor"),
        annotated=parameters.boolean("annotated", empty=bare_annotated),
        annotation=None if annotation is None else max(-INT32, min(annotation, INT32 - 1)),
        voter=voter,
    )


def listed(page: Page) -> InsightList:
    """A page as it is answered."""
    return InsightList(page.total, page.insights, status("insights", page.insights))


def streamed(chunks: AsyncIterator[bytes] | None, media_type: str) -> Response[Any]:
    """Lines as they are read, or 204 where there is none."""
    headers = {"Vary": "Accept"}
    if chunks is None:
        return Response(None, status_code=204, headers=headers)
    return Stream(chunks, media_type=media_type, headers=headers)


def unknown_order(value: str) -> errors.BadRequest:
    """The refusal of an order that there is none of."""
    return faults.bad_request(f"invalid `order_by` value: {value}")


HANDLERS = [insights, random_insights, detail, dump, of_product, of_pro_product]
