"""Where a picture goes in the slot, and that the mapping it returns is the one that was used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.placement import Geometry, Span, plan

SIDES = st.integers(1, 5000)
GEOMETRIES: tuple[Geometry, ...] = ("center_crop", "letterbox", "stretch")


def test_a_centre_crop_resizes_to_whole_pixels_and_cuts_whole_pixels() -> None:
    across, down, placement = plan((1600, 1201), (224, 224), "center_crop", None)
    # 224 * 1600 / 1201 = 298.4: 298 pixels, of which 37 are cut on the left.
    assert down == Span(0.0, 1201.0, 0, 224)
    assert (across.first, across.length) == (0, 224)
    assert across.low == pytest.approx(37 * 1600 / 298) and across.high == pytest.approx(261 * 1600 / 298)
    assert placement.scale_y == 224 / 1201 and placement.scale_x == pytest.approx(298 / 1600)
    assert placement.offset_x == pytest.approx(-37)


def test_a_centre_crop_of_a_square_is_all_of_it() -> None:
    for side in (1, 223, 224, 3001):
        across, down, _ = plan((side, side), (224, 224), "center_crop", None)
        assert across == down == Span(0.0, side, 0, 224)


def test_a_letterbox_truncates_the_scaled_size_and_the_padding() -> None:
    across, down, _ = plan((640, 427), (640, 640), "letterbox", None)
    assert (across.first, across.length, down.first, down.length) == (0, 640, 106, 427)
    across, down, _ = plan((3, 1000), (640, 640), "letterbox", None)
    assert (across.first, across.length, down.length) == (319, 1, 640)


def test_boxes_leave_a_letterbox_by_one_scale() -> None:
    # Contract robotoff 5: 333 / 1000 * 640 = 213.1 rows are truncated to 213, the scale stays 0.64.
    _, down, placement = plan((1000, 333), (640, 640), "letterbox", None)
    assert (down.first, down.length) == (213, 213)
    assert placement == (0.64, 0.64, 0.0, 213.0)


def test_a_letterbox_of_the_whole_picture_loses_no_pixel_to_rounding() -> None:
    for side in range(1, 2000):
        across, down, _ = plan((side, side), (640, 640), "letterbox", None)
        assert across.length == down.length == 640


def test_stretching_uses_each_axis_whole() -> None:
    across, down, placement = plan((100, 50), (10, 20), "stretch", None)
    assert (across, down) == (Span(0.0, 100.0, 0, 10), Span(0.0, 50.0, 0, 20))
    assert placement == (0.1, 0.4, 0.0, 0.0)


def test_a_box_is_clipped_to_the_picture() -> None:
    across, down, _ = plan((100, 50), (10, 10), "stretch", (-5.0, 10.5, 20.0, 500.0))
    assert (across.low, across.high, down.low, down.high) == (0.0, 20.0, 10.5, 50.0)


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 9), (9, 5, 5, 9), (100, 0, 120, 50), (-9, 0, 0, 50), (float("nan"), 0, 9, 9)]
)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_box_without_pixels_is_an_error(box: tuple[float, float, float, float], geometry: Geometry) -> None:
    with pytest.raises(ValueError, match="holds no pixels"):
        plan((100, 50), (10, 10), geometry, box)


def test_an_unknown_geometry_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown geometry"):
        plan((100, 50), (10, 10), "fit", None)  # type: ignore[arg-type]


@given(
    st.tuples(SIDES, SIDES), st.tuples(st.integers(1, 700), st.integers(1, 700)), st.sampled_from(GEOMETRIES)
)
def test_spans_stay_inside_picture_and_slot(
    picture: tuple[int, int], slot: tuple[int, int], geometry: Geometry
) -> None:
    *spans, placement = plan(picture, slot, geometry, None)
    scales, offsets = placement[:2], placement[2:]
    for span, side, room, scale, offset in zip(spans, picture, slot, scales, offsets, strict=True):
        assert 0 <= span.low < span.high <= side + 1e-9
        assert span.length >= 1 and span.first >= 0 and span.first + span.length <= room
        assert span.low * scale + offset == pytest.approx(span.first, abs=1e-6)
        # Truncation takes less than a pixel from a letterbox; a side of less than one pixel gets one.
        slack = 1.0 if geometry == "letterbox" else 1e-6
        assert span.high * scale + offset == pytest.approx(span.first + span.length, abs=slack)
        assert geometry == "letterbox" or span.length == room


def test_a_span_of_a_smaller_picture_covers_the_same_part() -> None:
    assert Span(10.0, 20.0, 3, 7).scaled(0.5) == Span(5.0, 10.0, 3, 7)
    assert Span(10.0, 20.0, 3, 7).scaled(1.0) == Span(10.0, 20.0, 3, 7)


@given(SIDES, SIDES)
def test_mirroring_twice_changes_nothing(low: int, more: int) -> None:
    span = Span(float(low), float(low + more), 3, 7)
    assert span.mirrored(low + more + 5).mirrored(low + more + 5) == span
