"""Tags: what names become in lists that are compared (contract 2.9)."""

from __future__ import annotations

import re
import unicodedata

# Letters that have no accent to drop and still a plain spelling.
PLAIN = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
        "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H", "\u0131": "i", "\u2019": "'",
    }
)  # fmt: skip
PREFIXED = re.compile(r"[a-z]{2,3}:\S")


def tag(text: str) -> str:
    """The tag of a free text: "Crème d'Été" -> "creme-d-ete"; what has no ASCII spelling stays."""
    plain = "".join(_ascii(letter) for letter in text.translate(PLAIN)).lower()
    plain = plain.replace(" & ", "-")
    for letter in " '.":
        plain = plain.replace(letter, "-")
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
