"""What the first bytes of a picture declare, read without a decoder.

Each function walks only as far as it must, and over a bounded number of parts: a file made of millions of
empty parts would otherwise cost seconds.
"""

import struct
from typing import NamedTuple

from kernels.exif import orientation

_MOST_JPEG_SEGMENTS = 2_048
_MOST_PNG_CHUNKS = 8_192
_MOST_GIF_EXTENSIONS = 8_192
_MOST_GIF_BLOCKS = 131_072
"""Of pixels, 255 bytes each at most; they are only skipped here."""
_MOST_TIFF_TAGS = 1_024
_STANDALONE = b"\x01\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8"
_NO_FRAME = b"\xc4\xc8\xcc"
"""Markers among the frame headers C0..CF that are none: Huffman tables, reserved, arithmetic coding."""
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)


class Broken(ValueError):
    """The bytes do not follow their own format."""


class JpegFrame(NamedTuple):
    """width, height: pixels as stored. orientation: EXIF, 1..8. scan_at: where the first scan begins."""

    width: int
    height: int
    orientation: int
    scan_at: int
    has_many_scans: bool


def jpeg(data: bytes) -> JpegFrame:
    """Walks the segments up to the first scan; damage outside size and EXIF is left to the decoder."""
    frame: tuple[int, bytes] | None = None
    turned = 1
    at = 2
    for _ in range(_MOST_JPEG_SEGMENTS):
        at = data.find(b"\xff", at)
        marker = data[at + 1 : at + 2] if at >= 0 else b""
        if not marker or marker == b"\xd9":
            break
        if marker == b"\xda":
            if frame is None:
                break
            kind, header = frame
            size = int.from_bytes(header[3:5], "big"), int.from_bytes(header[1:3], "big")
            has_all_components = data[at + 4 : at + 5] == header[5:6]
            return JpegFrame(*size, turned, at, kind in _PROGRESSIVE or not has_all_components)
        if marker in b"\0\xff" or marker in _STANDALONE:
            at += 1 if marker == b"\xff" else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if marker == b"\xe1" and segment.startswith(b"Exif\0") and turned == 1:
            turned = orientation(segment[6:])
        elif 0xC0 <= marker[0] <= 0xCF and marker not in _NO_FRAME and frame is None and len(segment) >= 6:
            frame = marker[0], segment
        at += 2 + max(length, 2)
    raise Broken("no frame or no scan")


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG that is whole: its chunks, of a bearable number, lead to the end mark."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise Broken("no IHDR")
    at = 8
    for _ in range(_MOST_PNG_CHUNKS):
        if data[at + 4 : at + 8] == b"IEND" and at + 12 <= len(data):
            return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if at >= len(data):
            raise Broken("no end mark")
    raise Broken("too many chunks")


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of the canvas."""
    kind, body = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    raise Broken("no picture chunk")


def check_tiff(data: bytes) -> None:
    """Refuses a first directory of unbearably many tags; each costs the reader as much as a tiny picture."""
    order = "<" if data.startswith(b"II") else ">"
    is_big = b"+" in data[2:4]
    try:
        (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
        (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, min(start, len(data)))
    except struct.error:
        raise Broken("no directory") from None
    if count > _MOST_TIFF_TAGS:
        raise Broken("too many tags")


class GifScreen(NamedTuple):
    """width, height: the screen, grown to the first frame if that is larger. frames: 1, or 2 for more."""

    width: int
    height: int
    frames: int


def gif(data: bytes) -> GifScreen:
    """Walks the blocks up to the second frame."""
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        at = _gif_blocks(data, 13 + _gif_palette(flags))
        if data[at] != 0x2C:
            raise Broken("no frame")
        x, y, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, at + 1)
    except (struct.error, IndexError):
        raise Broken("it ends inside the header") from None
    screen = max(width, x + frame_width), max(height, y + frame_height)
    try:
        at = _gif_blocks(data, _gif_sub_blocks(data, at + 11 + _gif_palette(flags), _MOST_GIF_BLOCKS)[0])
        return GifScreen(*screen, 2 if data[at] == 0x2C else 1)
    except IndexError:
        return GifScreen(*screen, 1)  # truncated: the decoder will say so


def _gif_palette(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_blocks(data: bytes, at: int) -> int:
    """Skips extensions; the offset of what follows them."""
    parts = _MOST_GIF_EXTENSIONS
    while data[at] == 0x21:
        at, parts = _gif_sub_blocks(data, at + 2, parts - 1)
    return at


def _gif_sub_blocks(data: bytes, at: int, parts: int) -> tuple[int, int]:
    """Skips blocks up to an empty one, at most `parts`; the offset behind it and the number of parts left."""
    while parts >= 0:
        if not data[at]:
            return at + 1, parts
        at += data[at] + 1
        parts -= 1
    raise Broken("too many blocks")
