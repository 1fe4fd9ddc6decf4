"""The text of a product as hashed features: what the category network reads instead of words."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# A network reads only features made exactly as it was trained on: it carries the version it expects.
VERSION = "1"
BUCKETS = 1 << 16

_MAX_CHARACTERS = 1000
_MAX_WORD = 40
_MAX_WORDS = 40
_MAX_INGREDIENTS = 60
_GRAM_LENGTHS = (3, 4, 5)
# Where Chinese, Japanese and Korean begin: a word is one or two signs, and each says something by itself.
_FIRST_IDEOGRAPH = 0x2E80

_QUANTITY = re.compile(
    r"(?:\b\d+\s?[x×*]\s?)?"  # noqa: RUF001 - a multiplication sign, as on packs
    r"\b\d+(?:[.,]\d+)?\s?(?:kg|g|gr|mg|l|cl|dl|ml|oz|fl oz|lbs?|pcs|pieces|pack|st|stk|szt)\b"
)
_WORD = re.compile(r"[^\W_]+")
# Letters that are no letter with an accent, yet are often written as plain ones.
_PLAIN = str.maketrans(
    {"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"}
)
_ACCENTS = re.compile("[\u0300-\u036f]+")


def words(text: str) -> list[str]:
    """The words of a text: lower case, no accents, no quantities such as "6 x 25 cl"."""
    text = unicodedata.normalize("NFKD", text[:_MAX_CHARACTERS]).casefold().translate(_PLAIN)
    # Marks outside this range change the letter (Japanese voicing): they stay.
    text = unicodedata.normalize("NFC", _ACCENTS.sub("", text))
    return [word[:_MAX_WORD] for word in _WORD.findall(_QUANTITY.sub(" ", text))[:_MAX_WORDS]]


def features(name: str, ingredients: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The buckets of a product's features and their weights, both (N,); N is 0 when the name has no word.

    Ingredients are tags such as "en:wheat-flour"; all together weigh about as much as one word of the name.
    """
    spoken = words(name)
    if not spoken:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    buckets: list[int] = []
    weights: list[float] = []
    for word in spoken:
        word_buckets, word_weights = _word(word)
        buckets += word_buckets
        weights += word_weights
    for pair in itertools.pairwise(spoken):
        buckets.append(_bucket("p:" + " ".join(sorted(pair))))
        weights.append(1.0)
    listed = list(itertools.islice(_ingredient_words(ingredients), _MAX_INGREDIENTS))
    buckets += [_bucket(f"i:{word}") for word in listed]
    weights += [1.0 / math.sqrt(len(listed))] * len(listed) if listed else []
    return np.array(buckets, np.int64), np.array(weights, np.float32)


@lru_cache(maxsize=1 << 16)
def _word(word: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """A word as itself and as its pieces of 3 to 5 letters, its ends marked."""
    marked = f"<{word}>"
    pieces = {
        marked[start : start + length]
        for length in _GRAM_LENGTHS
        for start in range(len(marked) - length + 1)
        if length < len(marked)
    }
    pieces.update(letter for letter in word if ord(letter) >= _FIRST_IDEOGRAPH)
    buckets = tuple(_bucket(f"g:{piece}") for piece in sorted(pieces))
    share = 1.0 / math.sqrt(len(buckets)) if buckets else 0.0
    return (_bucket(f"w:{word}"), *buckets), (1.0, *[share] * len(buckets))


def _ingredient_words(tags: Iterable[str]) -> Iterator[str]:
    """The words of the tags without their language, each once, in order."""
    seen: set[str] = set()
    for tag in tags:
        for word in words(tag.partition(":")[2] or tag):
            if word not in seen:
                seen.add(word)
                yield word


def _bucket(feature: str) -> int:
    # Fast, the same on every machine, and even enough: collisions are a matter of how many buckets.
    return zlib.crc32(feature.encode("utf-8", "replace")) % BUCKETS
