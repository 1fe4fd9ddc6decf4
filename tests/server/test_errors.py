"""The error tree: statuses, codes, and what the gate's reasons become."""

from typing import get_args

import pytest

from kernels.decode import ImageRejected, Reason
from server import errors


def all_errors(kind: type[errors.AisleError] = errors.AisleError) -> list[type[errors.AisleError]]:
    return [kind, *(child for direct in kind.__subclasses__() for child in all_errors(direct))]


@pytest.mark.parametrize("kind", [kind for kind in all_errors() if kind.__module__ == "server.errors"])
def test_every_class_of_the_tree_is_drawn_with_its_status(kind: type[errors.AisleError]) -> None:
    drawn = errors.__doc__ or ""
    line = next(line for line in drawn.splitlines() if line.split()[:1] == [kind.__name__])
    assert kind is errors.AisleError or str(kind.status) in line
    assert kind.code == kind.code.upper() and kind.text


def test_a_code_of_the_instance_leaves_the_class_alone() -> None:
    fault = errors.BadRequest("No", code="TOKEN_WRONG", details={"a": 1}, headers={"X": "y"})
    assert (fault.code, fault.message, fault.details, fault.headers) == (
        "TOKEN_WRONG",
        "No",
        {"a": 1},
        {"X": "y"},
    )
    assert errors.BadRequest.code == "BAD_REQUEST"
    assert errors.BadRequest().message == "Bad request"


def test_every_reason_of_the_gate_has_a_code() -> None:
    assert set(get_args(Reason)) == set(errors.IMAGE_CODES)


def test_a_rejected_picture_keeps_reason_limit_and_text() -> None:
    fault = errors.from_rejected(ImageRejected("too_many_bytes", "over 10 bytes", 10))
    assert isinstance(fault, errors.BadRequest)
    assert (fault.reason, fault.limit, fault.message, fault.code) == (
        "too_many_bytes",
        10,
        "over 10 bytes",
        "IMAGE_TOO_LARGE",
    )


def test_being_full_always_says_when_to_come_back() -> None:
    assert errors.Overloaded().retry_after_s and errors.NotReady().retry_after_s
