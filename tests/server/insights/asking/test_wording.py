"""Questions are asked in the reader's language where there is a catalogue of it."""

from pathlib import Path

import pytest

from server.insights.asking.wording import QUESTIONS, Wording, entries

TRANSLATED = ("de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "zh")


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_question_has_a_text_of_its_own_in(language: str) -> None:
    texts = Wording().questions(language)
    assert set(texts) == set(QUESTIONS)
    assert len(set(texts.values())) == len(QUESTIONS)
    assert not set(texts.values()) & set(QUESTIONS.values())


def test_there_is_no_other_catalogue() -> None:
    assert Wording().languages == sorted([*TRANSLATED, "en"])


def test_a_text_is_that_of_its_type() -> None:
    assert Wording().questions("fr")["label"] == "Le produit porte-t-il ce label ?"
    assert Wording().questions("en")["label"] == "Does the product have this label?"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("pt_BR", "pt"), ("zh-CN", "zh"), ("FR", "fr"), ("xx", "en"), ("", "en"), ("../fr", "en")],
)
def test_an_unknown_language_is_its_part_before_the_region_and_else_english(
    asked: str, answered: str
) -> None:
    wording = Wording()
    assert wording.questions(asked) == wording.questions(answered)


def test_an_empty_translation_is_english(tmp_path: Path) -> None:
    (tmp_path / "eo").mkdir()
    (tmp_path / "eo" / "questions.po").write_text(
        'msgid ""\nmsgstr "Language: eo\\n"\n\nmsgid "Does the product have this label?"\nmsgstr ""\n',
        "utf-8",
    )
    assert Wording(tmp_path).questions("eo") == QUESTIONS


def test_entries_may_go_over_lines_and_hold_quotes() -> None:
    catalogue = '# a note\nmsgid "one "\n"two"\nmsgstr ""\n"un \\"deux\\""\n\nmsgid "b"\nmsgstr "c"'
    assert list(entries(catalogue)) == [("one two", 'un "deux"'), ("b", "c")]
