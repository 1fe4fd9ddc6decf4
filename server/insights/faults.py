"""The refusals of this API in its three families of texts (contract 1.0).

The envelope in `schema` shows an error's `code` as the title and its message as the description.
"""

from __future__ import annotations

from server import errors

INVALID = "Invalid parameter"
MISSING = "Missing parameter"


def missing(name: str) -> errors.BadRequest:
    """A required parameter is not there."""
    return errors.BadRequest(f'The "{name}" parameter is required.', code=MISSING)


def invalid(name: str, why: str) -> errors.BadRequest:
    """A parameter has an unusable value; `why` is a sentence."""
    return errors.BadRequest(f'The "{name}" parameter is invalid. {why}', code=INVALID)


def titled(title: str) -> errors.BadRequest:
    """400 with nothing but a title."""
    return errors.BadRequest(code=title)


def bad_request(description: str) -> errors.BadRequest:
    """400 "400 Bad Request" with a description."""
    return errors.BadRequest(description)


def bad_body(why: str) -> errors.BadRequest:
    """A JSON body that is JSON but not what is asked for; `why` is one line."""
    return errors.BadRequest(why, code="Request data failed validation")


def bad_json() -> errors.BadRequest:
    """A body that is no JSON."""
    return errors.BadRequest("The request body could not be parsed as JSON.", code="Invalid JSON")


def unauthorised(title: str) -> errors.Unauthorised:
    """401 with nothing but a title."""
    return errors.Unauthorised(code=title)
