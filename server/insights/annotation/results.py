"""What an annotation ends with: three keys, whatever happened (contract 1.2.9)."""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """The body of every 200 of the annotation."""

    status_code: int
    status: str
    description: str


SAVED = Answer(1, "saved", "the annotation was saved")
UPDATED = Answer(2, "updated", "the annotation was saved and sent to OFF")
NO_PRODUCT = Answer(3, "error_missing_product", "the product could not be found on OFF")
OUT_OF_DATE = Answer(
    4, "error_updated_product", "Robotoff data is out of date with OFF, the update was not sent"
)
ALREADY = Answer(5, "error_already_annotated", "the insight has already been annotated")
UNKNOWN = Answer(6, "error_unknown_insight", "unknown insight ID")
BAD_IMAGE = Answer(8, "error_invalid_image", "the image is invalid")
VOTED = Answer(9, "vote_saved", "the annotation vote was saved")
FAILED = Answer(10, "error_failed_update", "Open Food Facts update failed")
USER_INPUT = Answer(12, "user_input_updated", "the data provided by the user was saved and sent to OFF")
CANNOT_VOTE = Answer(
    13,
    "cannot_vote",
    "The voting mechanism is not compatible with this insight type, please authenticate.",
)

# The others say that nothing was decided, or that somebody else had decided before.
STORED = frozenset(
    answer.status_code for answer in (SAVED, UPDATED, NO_PRODUCT, OUT_OF_DATE, BAD_IMAGE, USER_INPUT)
)


def invalid_data(why: str) -> Answer:
    """The data does not fit the type; `why` is one line for the client."""
    return Answer(11, "error_invalid_data", why)
