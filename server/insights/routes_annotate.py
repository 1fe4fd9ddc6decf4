"""POST /api/v1/insights/annotate (contract 1.2.9)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency as Given

from server import forms
from server.insights import bodies, faults
from server.insights.annotation.annotate import YES_WITH_DATA, Annotator
from server.insights.annotation.credential_check import CredentialCheck, Unverified
from server.insights.annotation.results import FAILED, Answer
from server.insights.openapi import sending
from server.insights.parameters import Parameters
from server.insights.voter import voter_of
from server.middleware import deadline_of
from server.settings import InsightOptions

Asked = Request[Any, Any, Any]


@post(
    "/api/v1/insights/annotate",
    status_code=200,
    summary="Answer a question",
    operation_class=sending(
        "insight_id", "answer", "update", "data", "device_id", required=("insight_id", "answer")
    ),
)
async def annotate(
    request: Asked,
    parameters: Given[Parameters],
    annotator: Given[Annotator],
    credential_check: Given[CredentialCheck],
    options: Given[InsightOptions],
) -> Response[Answer]:
    """A vote, or the decision of somebody who names himself: what became of it, always as 200."""
    if bodies.is_json(request):
        parameters = await _with_json(request)
    insight_id, annotation, update, data = _checked(parameters)
    voter = voter_of(request, parameters.text("device_id"), options.trusted_proxies)
    if voter.credentials is None and annotation == YES_WITH_DATA:
        raise faults.bad_request("`data` cannot be provided when the user is not authenticated")
    try:
        await credential_check.verify(voter.credentials)
    except Unverified:
        return Response(FAILED)
    return Response(
        await annotator.annotate(insight_id, annotation, update, data, voter, deadline_of(request))
    )


def _checked(parameters: Parameters) -> tuple[UUID, int, bool, Any]:
    """Id, annotation, update, data; the checks in the contract's order."""
    insight_id = parameters.uuid("insight_id")
    parameters.required("annotation")
    annotation = parameters.integer("annotation", 0, low=-1, high=2)
    update = parameters.boolean("update")
    data = parameters.json("data")
    if bodies.has_null_character(data):
        raise faults.invalid("data", "It must not contain null characters.")
    if annotation == YES_WITH_DATA and data is None:
        raise faults.bad_request("`data` must be provided when annotation == 2")
    if annotation == YES_WITH_DATA and update is False:
        raise faults.bad_request("`update` must be true when annotation == 2")
    if annotation != YES_WITH_DATA and data is not None:
        raise faults.bad_request("`annotation` must be 2 when `data` is provided")
    return insight_id, annotation, update is not False, data


async def _with_json(request: Asked) -> Parameters:
    """The members of a JSON body after those of the query; `data` is an object there, or JSON text as in a form."""
    body = await forms.read_body(request, bodies.MAX_BODY_BYTES, deadline_of(request))
    members = bodies.decode(body, dict[str, Any]) if body.strip() else {}
    pairs = [
        (name, value if isinstance(value, str) else msgspec.json.encode(value).decode())
        for name, value in members.items()
        if value is not None
    ]
    return Parameters.of_query(request.scope["query_string"], pairs)


HANDLERS = [annotate]
