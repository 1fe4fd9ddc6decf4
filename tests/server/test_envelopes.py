"""Errors in the words of the product whose address was called; unknown faults without internals."""

import errno
import json
import logging
from typing import Any

import msgspec
import pytest
from litestar import Response
from litestar.exceptions import MethodNotAllowedException, NotFoundException, ValidationException

from kernels.decode import ImageRejected
from server import errors, logs
from server.disconnect import ClientGone
from server.envelopes import Envelopes, as_aisle, is_under


def loud(error: errors.AisleError, request_id: str) -> Response[Any]:
    return Response({"loud": error.code.lower(), "id": request_id}, status_code=error.status)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (errors.Conflict(), errors.Conflict),
        (ImageRejected("not_loaded", "no", None), errors.ImageError),
        (NotFoundException(), errors.NotFound),
        (MethodNotAllowedException(), errors.MethodNotAllowed),
        (ValidationException(), errors.BadRequest),
        (msgspec.ValidationError("no"), errors.BadRequest),
        (OSError(errno.ENOSPC, "full"), errors.StorageFull),
        (OSError(errno.EIO, "broken"), errors.InternalError),
        (TimeoutError(), errors.DeadlineExceeded),
        (ZeroDivisionError(), errors.InternalError),
    ],
)
def test_every_exception_has_a_place_in_the_tree(fault: Exception, kind: type[errors.AisleError]) -> None:
    assert type(as_aisle(fault)) is kind


def test_the_allowed_methods_survive() -> None:
    assert as_aisle(MethodNotAllowedException(headers={"allow": "GET"})).headers == {"allow": "GET"}


def test_the_longest_prefix_decides_and_a_prefix_ends_at_a_slash() -> None:
    envelopes = Envelopes({"/v1": loud})
    assert "loud" in envelopes.render("/v1/search", errors.NotFound()).content
    assert "loud" in envelopes.render("/v1", errors.NotFound()).content
    assert not isinstance(envelopes.render("/v10", errors.NotFound()).content, dict)
    assert is_under("/v1/", "/v1") and not is_under("/v1x", "/v1")


def test_headers_of_the_error_are_added_whatever_the_envelope() -> None:
    response = Envelopes({"/": loud}).render("/", errors.Overloaded(retry_after_s=2.1))
    assert response.headers["Retry-After"] == "3" and response.headers["Cache-Control"] == "no-store"


def test_an_unknown_fault_says_only_its_id(caplog: pytest.LogCaptureFixture) -> None:
    token = logs.request_id.set("r-1")
    try:
        with caplog.at_level(logging.ERROR):
            response = Envelopes({}).answer("/x", RuntimeError("password=hunter2"))
    finally:
        logs.request_id.reset(token)
    body = msgspec.json.encode(response.content)
    assert response.status_code == 500 and b"hunter2" not in body
    assert json.loads(body)["error"]["request_id"] == "r-1"
    assert "hunter2" in caplog.text


def test_nobody_is_answered_when_the_client_left() -> None:
    assert Envelopes({}).answer("/x", ClientGone()).status_code == 499
