"""Boxes: which are usable, and where they are after a picture was turned."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.insights.annotation import boxes
from server.insights.annotation.boxes import ANGLES, Box, Size

SIZES = st.tuples(st.integers(1, 8000), st.integers(1, 8000))


@st.composite
def boxes_in_pictures(draw: st.DrawFn) -> tuple[Box, Size]:
    width, height = draw(SIZES)
    y0, y1 = sorted(draw(st.tuples(st.integers(0, height), st.integers(0, height))))
    x0, x1 = sorted(draw(st.tuples(st.integers(0, width), st.integers(0, width))))
    return (y0, x0, y1, x1), (width, height)


@given(boxes_in_pictures())
def test_four_quarter_turns_change_nothing(case: tuple[Box, Size]) -> None:
    box, size = case
    turned, now = box, size
    for _ in range(4):
        turned, now = boxes.turned(turned, now, 90), boxes.turned_size(now, 90)
    assert (turned, now) == (box, size)


@given(boxes_in_pictures(), st.sampled_from(ANGLES))
def test_a_turned_box_stays_inside_and_keeps_its_area(case: tuple[Box, Size], angle: int) -> None:
    box, size = case
    y0, x0, y1, x1 = boxes.turned(box, size, angle)
    width, height = boxes.turned_size(size, angle)
    assert 0 <= y0 <= y1 <= height
    assert 0 <= x0 <= x1 <= width
    assert (y1 - y0) * (x1 - x0) == (box[2] - box[0]) * (box[3] - box[1])


@given(boxes_in_pictures(), st.sampled_from(ANGLES), st.sampled_from(ANGLES))
def test_one_turn_is_as_good_as_two_that_add_up_to_it(
    case: tuple[Box, Size], first: int, second: int
) -> None:
    box, size = case
    twice = boxes.turned(boxes.turned(box, size, first), boxes.turned_size(size, first), second)
    assert twice == boxes.turned(box, size, (first + second) % 360)


@given(boxes_in_pictures(), st.sampled_from(ANGLES))
def test_a_box_turns_as_its_pixels_do(case: tuple[Box, Size], angle: int) -> None:
    """The slow twin: the corners one by one, clockwise around the middle of the picture."""
    (y0, x0, y1, x1), (width, height) = case
    new_width, new_height = boxes.turned_size((width, height), angle)
    cosine, sine = round(math.cos(math.radians(angle))), round(math.sin(math.radians(angle)))
    corners = []
    for y, x in ((y0, x0), (y1, x1)):
        right, down = x - width / 2, y - height / 2
        corners.append(
            (down * cosine + right * sine + new_height / 2, right * cosine - down * sine + new_width / 2)
        )
    ys, xs = zip(*corners, strict=True)
    assert boxes.turned((y0, x0, y1, x1), (width, height), angle) == (min(ys), min(xs), max(ys), max(xs))


def test_a_crop_is_in_pixels_of_the_turned_picture() -> None:
    assert boxes.crop((0.1, 0.2, 0.5, 0.6), (1000, 2000), 0) == (200, 200, 600, 1000)
    assert boxes.crop((0.1, 0.2, 0.5, 0.6), (1000, 2000), 90) == (1000, 200, 1800, 600)
    assert boxes.crop((0.1, 0.2, 0.5, 0.6), (1000, 2000), 180) == (400, 1000, 800, 1800)
    assert boxes.crop((0.1, 0.2, 0.5, 0.6), (1000, 2000), 270) == (200, 400, 1000, 800)


def test_what_is_no_quarter_turn_is_refused() -> None:
    with pytest.raises(ValueError, match="45"):
        boxes.turned((0, 0, 1, 1), (2, 2), 45)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([0, 0, 1, 1], (0, 0, 1, 1)),
        ((0.25, 0.5, 0.75, 1), (0.25, 0.5, 0.75, 1)),
        ([0.5, 0, 0.5, 1], None),
        ([0.6, 0, 0.5, 1], None),
        ([0, 0.5, 1, 0.4], None),
        ([-0.1, 0, 1, 1], None),
        ([0, 0, 1, 1.01], None),
        ([0, 0, 1], None),
        ([0, 0, 1, 1, 1], None),
        ([0, 0, 1, True], None),
        ([0, 0, 1, "1"], None),
        ([0, 0, 1, float("nan")], None),
        ([0, 0, 1, 10**400], None),
        ("0011", None),
        ({"y_min": 0}, None),
        (None, None),
    ],
)
def test_a_relative_box_is_four_rising_numbers_within_0_and_1(value: Any, found: Box | None) -> None:
    assert boxes.relative(value) == found


@pytest.mark.parametrize(
    ("value", "angle"),
    [
        (0, 0),
        (90, 90),
        (270.0, 270),
        (360, 0),
        (-90, 270),
        (45, None),
        (True, None),
        ("90", None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        (90 * 10**400, 0),
        (10**400, None),
    ],
)
def test_an_angle_is_a_quarter_turn(value: Any, angle: int | None) -> None:
    assert boxes.angle_of(value) == angle
