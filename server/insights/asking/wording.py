"""The texts of questions in the reader's language, from gettext catalogues keyed by the English text (contract 2.5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "locale"
CATALOGUE = "questions.po"

QUESTIONS = {
    "category": "Does the product belong to this category?",
    "label": "Does the product have this label?",
    "product_weight": "Does this weight match the weight displayed on the product?",
    "brand": "Does the product belong to this brand?",
    "nutrition_image": "Is this image a nutrition image for this language?",
    "packaging": "Does the product have this packaging element?",
    "is_upc_image": "Is there a product barcode on this image?",
    "image_orientation": "Is this image rotated with the following orientation?",
}
# An entry: one line or several for each of the two; quoted as in JSON.
ENTRY = re.compile(r'^msgid ((?:".*"\s+)+)msgstr ((?:".*"(?:\s+|$))+)', re.MULTILINE)
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


class Wording:
    """All catalogues, read once."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._texts: dict[str, Mapping[str, str]] = {"en": QUESTIONS}
        for path in sorted(folder.glob(f"*/{CATALOGUE}")):
            translated = dict(entries(path.read_text("utf-8")))
            self._texts[path.parent.name] = {
                kind: translated.get(text) or text for kind, text in QUESTIONS.items()
            }

    @property
    def languages(self) -> list[str]:
        """Those with a catalogue, and English."""
        return sorted(self._texts)

    def questions(self, language: str) -> Mapping[str, str]:
        """The text for each type of question: of this language, else of the part before - or _, else English."""
        return self._texts.get(language) or self._texts.get(without_region(language)) or QUESTIONS


def without_region(language: str) -> str:
    """The "pt" of "pt_BR" and "pt-BR"."""
    return re.split("[-_]", language, maxsplit=1)[0].lower()


def entries(catalogue: str) -> Iterator[tuple[str, str]]:
    """Each text of a .po file with its translation, "" where there is none."""
    for original, translation in ENTRY.findall(catalogue):
        yield _joined(original), _joined(translation)


def _joined(quoted: str) -> str:
    return "".join(json.loads(part) for part in QUOTED.findall(quoted))
