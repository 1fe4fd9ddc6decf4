"""What people are asked: /questions and what is under it (contract 1.2.1-1.2.4)."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server import errors
from server.insights import barcodes, faults
from server.insights.asking.question_pages import ORDERS, Asked
from server.insights.asking.question_values import DEFAULT_TYPES, TYPES
from server.insights.asking.questions import ProductQuestions, QuestionList, Questions, Unanswered
from server.insights.openapi import asking
from server.insights.parameters import MAX_ITEMS, Parameters
from server.insights.selection import Selection, distinct
from server.insights.voter import voter_of
from server.middleware import deadline_of

Asking = Request[Any, Any, Any]

FILTERS = (
    "insight_types",
    "value_tag",
    "brands",
    "countries",
    "campaigns",
    "predictor",
    "with_image",
    "reserved_barcode",
    "server_type",
    "lang",
    "count",
    "page",
    "device_id",
)


@get("/api/v1/questions", summary="Questions", operation_class=asking(*FILTERS, "question_order"))
async def page(
    request: Asking,
    questions: Given[Questions],
) -> Response[QuestionList]:
    """Open insights as questions, the most scanned products first; not what the caller voted on."""
    return await _page(request, questions, None)


@get("/api/v1/questions/popular", summary="Questions on popular products", operation_class=asking(*FILTERS))
async def popular(
    request: Asking,
    questions: Given[Questions],
) -> Response[QuestionList]:
    """The same, in that order only."""
    return await _page(request, questions, "popularity")


@get("/api/v1/questions/random", summary="Some questions", operation_class=asking(*FILTERS))
async def drawn(
    request: Asking,
    questions: Given[Questions],
) -> Response[QuestionList]:
    """The same, drawn anew each time; what has votes already is favoured."""
    return await _page(request, questions, "random")


@get(
    "/api/v1/questions/unanswered",
    summary="What waits for answers",
    operation_class=asking(
        "type", "countries", "campaigns", "predictor", "reserved_barcode", "server_type", "count", "page"
    ),
)
async def unanswered(request: Asking, questions: Given[Questions]) -> Unanswered:
    """Tags with the number of their open insights, whoever asks."""
    parameters = _parameters(request)
    kind = parameters.text("type")
    selection = Selection(
        server_type=parameters.server_type(),
        types=None if kind is None else (kind,),
        countries=distinct(parameters.countries()),
        campaigns=distinct(parameters.campaigns()),
        predictor=parameters.text("predictor"),
        reserved=parameters.boolean("reserved_barcode") or False,
        is_open=True,
    )
    limit, number = parameters.count(), parameters.page()
    return await questions.unanswered(selection, limit, (number - 1) * limit, deadline_of(request))


@get(
    "/api/v1/questions/{barcode:str}",
    summary="Questions on a product",
    operation_class=asking("count", "lang", "server_type", "insight_types", "device_id"),
)
async def of_product(
    request: Asking,
    barcode: FromPath[str],
    questions: Given[Questions],
) -> ProductQuestions:
    """Those with the most votes; an unknown product has none."""
    return await _of_product(request, barcode, questions)


@get(
    "/api/v1/questions/{organisation:str}/{barcode:str}",
    summary="Questions on a product of the pro platform",
    operation_class=asking("count", "lang", "server_type", "insight_types", "device_id"),
)
async def of_pro_product(
    request: Asking,
    organisation: FromPath[str],
    barcode: FromPath[str],
    questions: Given[Questions],
) -> ProductQuestions:
    """As the others; there a barcode stands behind the organisation that owns it."""
    if not barcodes.DIGITS.fullmatch(barcode):
        raise errors.NotFound
    return await _of_product(request, f"{organisation}/{barcode}", questions)


async def _page(request: Asking, questions: Questions, order: str | None) -> Response[QuestionList]:
    """One order, or the one asked for where None."""
    parameters = _parameters(request)
    if order is None:
        order = parameters.one_of("order_by", ORDERS, _unknown_order) or "popularity"
    voter = voter_of(request, parameters.text("device_id"), questions.options.trusted_proxies)
    selection = Selection.of_questions(parameters, parameters.server_type(), _types(parameters), voter)
    limit, number = parameters.count(), parameters.page()
    # Each random page is a fresh draw, so there is nothing to skip.
    skipped = 0 if order == "random" else (number - 1) * limit
    body = await questions.page(
        Asked(selection, order, limit, skipped), _language(parameters), deadline_of(request)
    )
    return _json(body)


async def _of_product(request: Asking, barcode: str, questions: Questions) -> ProductQuestions:
    parameters = _parameters(request)
    limit = parameters.count(questions.options.questions_per_product)
    selection = Selection(
        server_type=parameters.server_type(),
        barcode=_barcode(barcode),
        types=_types(parameters),
        is_open=True,
        voter=voter_of(request, parameters.text("device_id"), questions.options.trusted_proxies),
    )
    return await questions.of_product(selection, limit, _language(parameters), deadline_of(request))


def _parameters(request: Asking) -> Parameters:
    # Read here, not injected: more than one dependency costs as much as all the rest of a short answer.
    return Parameters.of_query(request.scope["query_string"])


def _json(body: bytes) -> Response[Any]:
    return Response(body, media_type=MediaType.JSON)


def _types(parameters: Parameters) -> tuple[str, ...]:
    """Those that are questions; unknown ones are dropped, and the default ones stand for none given."""
    given = parameters.texts("insight_types", MAX_ITEMS)
    return DEFAULT_TYPES if given is None else distinct(one for one in given if one in TYPES)


def _language(parameters: Parameters) -> str:
    return parameters.text("lang") or "en"


def _barcode(barcode: str) -> str:
    if "\x00" in barcode:
        raise faults.invalid("barcode", "It must not contain null characters.")
    return barcodes.normalised(barcode)


def _unknown_order(value: str) -> errors.BadRequest:
    return faults.bad_request(f"invalid '{value}' value for `order_by` parameter")


HANDLERS = [page, popular, drawn, unanswered, of_product, of_pro_product]
