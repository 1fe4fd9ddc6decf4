"""Where a picture goes in a network's input (centre crop, letterbox, stretch), and the way back for boxes."""

from typing import Literal, NamedTuple

Geometry = Literal["center_crop", "letterbox", "stretch"]
Box = tuple[float, float, float, float]


class Placement(NamedTuple):
    """Slot x = picture x * scale_x + offset_x, in pixels, and the same for y."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float


class Span(NamedTuple):
    """One axis: source pixels [low, high) go to `length` slot pixels from `first` on."""

    low: float
    high: float
    first: int
    length: int

    def scaled(self, factor: float) -> "Span":
        """The same span when the source has `factor` times as many pixels."""
        return self if factor == 1.0 else Span(self.low * factor, self.high * factor, self.first, self.length)

    def mirrored(self, size: int) -> "Span":
        """The same span of an axis of `size` source pixels counted from its other end."""
        return Span(size - self.high, size - self.low, self.first, self.length)


def plan(
    picture: tuple[int, int], slot: tuple[int, int], geometry: Geometry, box: Box | None
) -> tuple[Span, Span, Placement]:
    """Spans across and down, and the mapping they make; picture and slot are (width, height).

    "center_crop" resizes until the picture just covers the slot, the longer side truncated to whole pixels,
    and cuts the middle on whole slot pixels (the usual order; here both are one resampling). "letterbox" fits
    the whole; scaled size and padding are truncated to integers, and boxes go back by the one scale that was
    asked for, not by what truncation left of it (contract robotoff 5). "stretch" changes the aspect.
    Raises ValueError when the box, clipped to the picture, is empty or not a number.
    """
    x_min, y_min, x_max, y_max = (float(value) for value in box or (0, 0, *picture))
    x_min, x_max = max(x_min, 0.0), min(x_max, float(picture[0]))
    y_min, y_max = max(y_min, 0.0), min(y_max, float(picture[1]))
    box_width, box_height = x_max - x_min, y_max - y_min
    if not (box_width > 0 and box_height > 0):
        raise ValueError(f"the box {box} holds no pixels of a picture of {picture[0]} x {picture[1]}")
    slot_width, slot_height = slot
    across, down = Span(x_min, x_max, 0, slot_width), Span(y_min, y_max, 0, slot_height)
    is_wide = box_width * slot_height >= box_height * slot_width
    if geometry == "center_crop" and is_wide:
        across = _middle(across, int(box_width * slot_height / box_height))
    elif geometry == "center_crop":
        down = _middle(down, int(box_height * slot_width / box_width))
    elif geometry == "letterbox" and is_wide:
        down = _padded(down, int(box_height * slot_width / box_width))
    elif geometry == "letterbox":
        across = _padded(across, int(box_width * slot_height / box_height))
    elif geometry != "stretch":
        raise ValueError(f"unknown geometry {geometry!r}")
    if geometry == "letterbox":
        scale = min(slot_width / box_width, slot_height / box_height)
        placement = Placement(scale, scale, across.first - across.low * scale, down.first - down.low * scale)
        return across, down, placement
    scale_x, scale_y = across.length / (across.high - across.low), down.length / (down.high - down.low)
    offset_x, offset_y = across.first - across.low * scale_x, down.first - down.low * scale_y
    return across, down, Placement(scale_x, scale_y, offset_x, offset_y)


def _middle(span: Span, resized: int) -> Span:
    """The source pixels of the middle `span.length` of `resized` pixels that the whole span would become."""
    resized = max(resized, span.length)
    step = (span.high - span.low) / resized
    start = span.low + (resized - span.length) // 2 * step
    return Span(start, start + span.length * step, span.first, span.length)


def _padded(span: Span, length: int) -> Span:
    length = max(1, length)
    return Span(span.low, span.high, (span.length - length) // 2, length)
