"""The error envelope, and the key sets that published clients depend on."""

import json
from typing import Any

import msgspec
import pytest

from server import errors
from server.search import schema

REQUEST_ID = "r" * 8


def body(error: errors.AisleError) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = schema.envelope(error, REQUEST_ID)
    encoded = msgspec.json.encode(response.content)
    return response.status_code or 0, json.loads(encoded), dict(response.headers)


def test_an_error_is_a_code_and_a_text_and_nothing_else() -> None:
    status, answer, headers = body(errors.Forbidden("Token is invalid", code="TOKEN_INVALID"))
    assert status == 403
    assert answer == {"error": {"code": "TOKEN_INVALID", "message": "Token is invalid"}}
    assert headers["Cache-Control"] == "no-store"


def test_details_are_there_only_when_there_are_any() -> None:
    fault = errors.BadRequest("no", code="VALIDATION_ERROR", details={"name": ["This field is required."]})
    _, answer, _ = body(fault)
    assert answer["error"]["details"] == {"name": ["This field is required."]}


def test_what_is_not_found_has_an_empty_body() -> None:
    response = schema.envelope(errors.NotFound(), REQUEST_ID)
    assert response.status_code == 404 and response.content == b""


@pytest.mark.parametrize(
    "fault",
    [errors.Overloaded(), errors.DeadlineExceeded(), errors.NotReady("The database is not reachable")],
)
def test_full_late_and_unready_are_all_busy(fault: errors.AisleError) -> None:
    status, answer, headers = body(fault)
    assert (status, answer["error"]["code"]) == (503, "SERVER_BUSY")
    assert int(headers["Retry-After"]) >= 1


def test_a_wait_is_rounded_up() -> None:
    _, _, headers = body(errors.Forbidden("q", code="SCAN_QUOTA_EXCEEDED", retry_after_s=1.2))
    assert headers["Retry-After"] == "2"


def test_an_unknown_fault_tells_nothing() -> None:
    status, answer, _ = body(errors.InternalError("secret internals"))
    assert status == 500
    assert answer == {"error": {"code": "SERVER_ERROR", "message": "Internal server error"}}


@pytest.mark.parametrize(
    ("reason", "code", "message"),
    [
        ("too_many_bytes", "IMAGE_TOO_LARGE", "Image is too large"),
        ("too_many_pixels", "IMAGE_TOO_LARGE", "Image is too large"),
        ("too_small", "IMAGE_TOO_SMALL", "Image is too small"),
        ("transparent", "IMAGE_TRANSPARENCY", "Image has transparency"),
        ("not_loaded", "IMAGE_NOT_LOADED", "Image could not be loaded"),
        ("empty", "IMAGE_MISSING", "Image is missing"),
    ],
)
def test_every_reason_of_the_decoder_is_400_with_the_text_of_the_contract(
    reason: str, code: str, message: str
) -> None:
    status, answer, _ = body(errors.ImageError(reason, "The image has 5 bytes; at most 4.", limit=4))
    assert (status, answer["error"]["code"], answer["error"]["message"]) == (400, code, message)
    # The limit is named where a person can find it.
    assert "at most 4" in answer["error"]["details"]["image"][0]


def test_no_success_has_a_key_that_a_client_takes_for_an_error() -> None:
    wire = [
        schema.Collection,
        schema.Item,
        schema.Image,
        schema.Token,
        schema.Tag,
        schema.Page,
        schema.SearchAnswer,
        schema.Timestamp,
        schema.Info,
    ]
    for struct in wire:
        assert not {"error", "error_message"} & set(struct.__struct_fields__), struct


def test_management_objects_have_exactly_the_published_keys() -> None:
    assert set(schema.Collection.__struct_fields__) == {"uuid", "resource_uri", "name", "offline"}
    assert set(schema.Item.__struct_fields__) == {
        *("uuid", "resource_uri", "name", "collection", "url", "content", "trackable", "custom", "tags"),
    }
    assert set(schema.Image.__struct_fields__) == {
        *("uuid", "resource_uri", "item", "name", "file", "status", "quality"),
        *("thumb_120", "thumb_60", "tracking_data_status"),
    }
    assert set(schema.Token.__struct_fields__) == {"token", "resource_uri", "collection", "tags"}
    assert set(schema.Tag.__struct_fields__) == {"uuid", "resource_uri", "name", "collection"}
