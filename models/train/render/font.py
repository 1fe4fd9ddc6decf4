"""Text as coverage masks, set in the fonts this machine has.

The more families there are, the less a network learns one typeface by heart. Debian's fonts-* packages are a
good source: what was trained with is named in the model card, for other fonts give other pictures.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import ImageFont

from models.train.render.scene import Pixels

# A face is a font file's path, or one of the faces that OpenCV carries ("cv:sans", ...): those cover
# Latin, Cyrillic and CJK everywhere, so that a machine without any font still draws text.
BUILT_IN = ("cv:sans:400", "cv:sans:800", "cv:italic:500", "cv:uni:400")
FACES_PER_FAMILY = 3
# Symbol fonts draw no words.
NOT_TEXT = ("math", "symbol", "emoji", "icon", "dseg", "dingbat", "awesome", "unifont", "extralight", "thin")
PROBES = {
    "latin": "RaéßğŁ",
    "cyrillic": "ЖиЩ",
    "greek": "Ωλδ",
    "hebrew": "שםק",
    "arabic": "سمع",
    "cjk": "純牛",
}
PLAIN = ("regular", "sans", "roboto", "lato", "condensed", "arial", "helvetica", "bold", "medium")
MAX_BODY_FACES = 14
MIN_TEXT_PX = 3


def folders() -> list[Path]:
    """The usual font folders of Linux, macOS and Windows."""
    home = Path.home()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    if os.name == "nt":
        return [Path("C:/Windows/Fonts")]
    return [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local/share/fonts",
        home / ".fonts",
    ]


@lru_cache(maxsize=1)
def faces() -> tuple[str, ...]:
    """Every usable face, at most a few per family, in an order that does not depend on the folder."""
    found = {path.name: path for folder in folders() for path in folder.rglob("*.[to]tf")}
    families: dict[str, list[str]] = {}
    for name, path in sorted(found.items()):
        if any(word in name.lower() for word in NOT_TEXT):
            continue
        try:
            font = ImageFont.truetype(str(path), 20)
            family = font.getname()[0] or name
            drawn = [bytes(font.getmask(letter)) for letter in "AnR8"]
        except (OSError, ValueError):
            continue
        if len(set(drawn)) == len(drawn):
            families.setdefault(family.split(" Condensed")[0], []).append(str(path))
    chosen: list[str] = []
    for members in families.values():
        members.sort(key=lambda path: (_rank(Path(path).stem.lower()), path))
        chosen += members[:FACES_PER_FAMILY]
    return (*BUILT_IN, *chosen)


def _rank(name: str) -> int:
    """Bold and regular before the rarer cuts."""
    for rank, word in enumerate(("italic", "oblique", "light", "medium", "semi", "book")):
        if word in name:
            return 2 + rank
    return 0


@lru_cache(maxsize=8)
def faces_for(script: str) -> tuple[str, ...]:
    """The faces that have the glyphs of a script (a key of PROBES)."""
    if script == "cjk":
        built_in: tuple[str, ...] = ("cv:uni:400", "cv:sans:800")
    else:
        built_in = BUILT_IN if script in ("latin", "cyrillic") else ("cv:uni:400",)
    return built_in + tuple(
        face for face in faces() if not face.startswith("cv:") and _covers(face, PROBES[script])
    )


def _covers(face: str, letters: str) -> bool:
    font = ImageFont.truetype(face, 24)
    missing = bytes(font.getmask("\U000fffff"))
    return all(bytes(font.getmask(letter)) not in (missing, b"") for letter in letters)


@lru_cache(maxsize=512)
def _sized(face: str, size_px: int, is_shaped: bool) -> ImageFont.FreeTypeFont:
    # Only joined and right-to-left writing needs shaping; plain layout is several times faster.
    engine = ImageFont.Layout.RAQM if is_shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(face, size_px, layout_engine=engine)


@lru_cache(maxsize=8)
def _built_in(name: str) -> cv2.FontFace:
    return cv2.FontFace(name)


@lru_cache(maxsize=1)
def body_faces() -> frozenset[str]:
    """The few faces that small print is set in: a small set, so that its words are found in the cache."""
    latin = [face for face in faces_for("latin") if _is_plain(Path(face).stem.lower())]
    return frozenset((*BUILT_IN, *latin[:: max(1, len(latin) // MAX_BODY_FACES)]))


def _is_plain(name: str) -> bool:
    return any(word in name for word in PLAIN) and not any(
        word in name for word in ("italic", "oblique", "script")
    )


@lru_cache(maxsize=8)
def body_faces_for(script: str) -> tuple[str, ...]:
    """The faces for small print in a script."""
    able = faces_for(script)
    return tuple(face for face in able if face in body_faces()) or able[:3]


@lru_cache(maxsize=12288)
def line(text: str, face: str, height_px: int) -> Pixels:
    """One line of text as a read-only coverage mask (h, w) uint8; the capitals are about height_px * 0.7 high.

    The mask keeps the ascent and descent of the face, so that lines of one size share a baseline.
    """
    height_px = max(MIN_TEXT_PX, height_px)
    if face.startswith("cv:"):
        mask = _built_in_line(text, face, height_px)
    else:
        font = _sized(face, height_px, any(letter >= "\u0590" and letter <= "\u08ff" for letter in text))
        ascent, descent = font.getmetrics()
        glyphs, (left, top) = font.getmask2(text, mode="L")
        width, height = glyphs.size
        mask = np.zeros((max(1, ascent + descent), max(1, width + max(0, left))), np.uint8)
        drawn = np.frombuffer(bytes(glyphs), np.uint8).reshape(height, width)
        y, x = max(0, top), max(0, left)
        region = mask[y : y + height, x : x + width]
        region[...] = drawn[: region.shape[0], : region.shape[1]]
    mask.flags.writeable = False
    return mask


def _built_in_line(text: str, face: str, height_px: int) -> Pixels:
    _, name, weight = face.split(":")
    # OpenCV takes whole pixel sizes; the advance of a line is at most about its height per letter.
    width = int(height_px * (len(text) + 2) * 1.2) + 4
    canvas = np.zeros((int(height_px * 1.3) + 2, width), np.uint8)
    end, _ = cv2.putText(canvas, text, (1, height_px), (255,), _built_in(name), height_px, int(weight))
    return np.ascontiguousarray(canvas[:, : max(1, min(width, int(end[0]) + 2))])


def fitted(text: str, face: str, width_px: int, height_px: int) -> Pixels:
    """A line as large as about fits into width_px x height_px."""
    # Drawn once at a guessed size, then shrunk if it came out too wide: a second drawing costs more.
    guess = min(height_px * 0.85, 1.7 * width_px / max(1, len(text)))
    mask = line(text, face, max(MIN_TEXT_PX, int(guess)))
    scale = min(width_px / mask.shape[1], height_px / mask.shape[0])
    if scale >= 1.0:
        return mask
    size = max(1, int(mask.shape[1] * scale)), max(1, int(mask.shape[0] * scale))
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)


def trimmed(mask: Pixels) -> Pixels:
    """The mask without its empty border."""
    rows, columns = np.flatnonzero(mask.max(axis=1) > 24), np.flatnonzero(mask.max(axis=0) > 24)
    if rows.size == 0:
        return mask
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
