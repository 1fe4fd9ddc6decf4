"""Tags: what names become in lists that are compared (contract 2.9)."""

from __future__ import annotations

import re
import unicodedata

# Signs that have no accent to drop and still a plain spelling.
PLAIN = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H", "\u0131": "i",
    "\u2018": "'", "\u2019": "'", "\u2013": "-", "\u2014": "-", "\u2026": "...",
}  # fmt: skip
PREFIXED = re.compile(r"[a-z]{2,3}:\S")


class _Folding(dict[int, str]):
    """What `str.translate` puts in place of each sign, worked out once per sign."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        folded = PLAIN.get(letter) or _ascii(letter)
        self[code] = folded
        return folded


_folding = _Folding()


def tag(text: str) -> str:
    """The tag of a free text: "Crème d'Été" -> "creme-d-ete"; what has no ASCII spelling stays."""
    if not text.isascii():
        # Composed first, so that an accent of its own is one with its letter.
        text = unicodedata.normalize("NFC", text).translate(_folding)
    plain = text.lower().replace(" & ", "-").replace(" ", "-").replace("'", "-").replace(".", "-")
    return plain.replace("!", "").replace("?", "").strip("-")


def is_tag(text: str) -> bool:
    """Whether it names a language first, as the tags of taxonomies do: "en:soups"."""
    return PREFIXED.match(text) is not None


def _ascii(letter: str) -> str:
    """The letter without its accents where what is left is ASCII, else as it is."""
    if letter.isascii():
        return letter
    bare = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return bare if bare and bare.isascii() else letter
