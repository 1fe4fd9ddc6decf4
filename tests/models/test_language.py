from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.language import LanguageIdentifier

SENTENCES = {
    "en": "Keep in a cool, dry place and consume within three days of opening.",
    "fr": "À conserver dans un endroit frais et sec, à consommer rapidement après ouverture.",
    "de": "Kühl und trocken lagern und nach dem Öffnen innerhalb von drei Tagen verbrauchen.",
    "es": "Conservar en un lugar fresco y seco y consumir en tres días una vez abierto.",
    "it": "Conservare in luogo fresco e asciutto e consumare entro tre giorni dall'apertura.",
    "nl": "Koel en droog bewaren en na opening binnen drie dagen gebruiken.",
    "pt": "Conservar em local fresco e seco e não consumir depois da data indicada.",
    "pl": "Przechowywać w chłodnym i suchym miejscu, po otwarciu spożyć w ciągu trzech dni.",
    "ru": "Хранить в сухом прохладном месте, после вскрытия употребить в течение трёх дней.",
    "el": "Διατηρείται σε δροσερό και ξηρό μέρος και καταναλώνεται εντός τριών ημερών.",
    "ja": "直射日光を避け、涼しい場所で保存してください。",
    "zh": "请放在阴凉干燥处保存。开封后请尽快食用。",
    "ar": "يحفظ في مكان بارد وجاف ويستهلك خلال ثلاثة أيام من الفتح.",
}


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier()


def test_sentences_of_many_languages_are_told_apart(identifier: LanguageIdentifier) -> None:
    found = identifier.identify(list(SENTENCES.values()))
    assert [one[0].label for one in found] == list(SENTENCES)


def test_capitals_and_line_breaks_change_nothing(identifier: LanguageIdentifier) -> None:
    plain, broken = identifier.identify(
        ["à conserver au frais et au sec", "À CONSERVER\nAU FRAIS\r\nET AU SEC"]
    )
    assert broken == plain
    assert plain[0].label == "fr"


def test_k_and_threshold_limit_the_answer_and_it_falls(identifier: LanguageIdentifier) -> None:
    text = "poulet roti"
    many = identifier.identify([text], k=10)[0]
    assert len(many) == 10
    assert [one.probability for one in many] == sorted((one.probability for one in many), reverse=True)
    assert all(0.0 <= one.probability <= 1.0 for one in many)
    assert identifier.identify([text], k=3)[0] == many[:3]
    likely = identifier.identify([text], k=10, threshold=0.05)[0]
    assert likely == [one for one in many if one.probability >= 0.05]


@pytest.mark.parametrize("text", ["", "  \n ", "500 / 12.3 %", "\ud800"])
def test_a_text_without_letters_has_no_language(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify([text], k=5) == [[]]


def test_texts_are_answered_each_for_itself(identifier: LanguageIdentifier) -> None:
    texts = [SENTENCES["it"], "", "broken \ud800 text in plain English", SENTENCES["it"]]
    first, nothing, broken, again = identifier.identify(texts)
    assert first == again and not nothing and broken[0].label == "en"
    assert identifier.identify([]) == []


@pytest.mark.parametrize(("k", "threshold"), [(0, 0.0), (1, -0.1), (1, 1.1)])
def test_a_bad_limit_is_refused(identifier: LanguageIdentifier, k: int, threshold: float) -> None:
    with pytest.raises(ValueError, match="k must be"):
        identifier.identify(["text"], k, threshold)


def test_a_long_text_is_read_from_its_beginning(identifier: LanguageIdentifier) -> None:
    assert identifier.identify(["guten Morgen liebe Leute " * 100_000])[0][0].label == "de"


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert LanguageIdentifier().identify([SENTENCES["fr"]])[0][0].label == "fr"


def test_many_threads_get_what_one_gets(identifier: LanguageIdentifier) -> None:
    texts = list(SENTENCES.values())
    alone = identifier.identify(texts, k=3)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: identifier.identify(texts, k=3), range(40)):
            assert answer == alone
