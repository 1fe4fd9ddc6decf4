"""Tags of free texts."""

import pytest

from server.insights import tags


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Crème d'Été", "creme-d-ete"),
        ("Marks & Spencer", "marks-spencer"),
        ("Dr. Oetker", "dr--oetker"),
        ("Yes! Really?", "yes-really"),
        ("Straße", "strasse"),
        ("日本 の茶", "日本-の茶"),
        (" .Lidl. ", "lidl"),
        ("EMB 52052B", "emb-52052b"),
    ],
)
def test_a_text_is_folded_where_ascii_has_a_spelling(text: str, tag: str) -> None:
    assert tags.tag(text) == tag


@pytest.mark.parametrize(("text", "is_tag"), [("en:soups", True), ("Nestlé: good", False), ("e:x", False)])
def test_a_tag_names_its_language_first(text: str, is_tag: bool) -> None:
    assert tags.is_tag(text) is is_tag


@pytest.mark.parametrize(
    ("text", "tag"), [("É", "e"), ("L\u2019Été", "l-ete"), ("ØKO ẞ", "oko-ss"), ("й", "й")]
)
def test_accents_of_their_own_and_typographic_signs_are_folded_too(text: str, tag: str) -> None:
    assert tags.tag(text) == tag
