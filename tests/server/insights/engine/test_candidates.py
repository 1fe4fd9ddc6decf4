"""The walk from candidates to insights, against a slow twin that follows the contract's words."""

from functools import cmp_to_key
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.insights.engine.candidates import (
    Candidate,
    Fact,
    Known,
    image_number,
    ordered,
    ordered_predictions,
    priority_of,
    walk,
)
from server.insights.engine.predictions import Prediction

IMAGES = st.sampled_from([None, "/1/1.jpg", "/1/2.jpg", "/1/10.jpg"])
# Each letter is said by the ones before it, as a category is by those below.
TAGS = st.sampled_from("abcd")
CANDIDATES = st.builds(
    Candidate,
    value_tag=TAGS,
    source_image=IMAGES,
    automatic_processing=st.booleans(),
    predictor=st.sampled_from([None, "neural", "regex"]),
    priority=st.sampled_from([1, 2]),
)
KNOWN = st.tuples(
    st.builds(UUID, int=st.integers(0, 2**128 - 1)),
    st.sampled_from([None, None, None, 0, 1]),
    st.booleans(),
    TAGS,
    st.none(),
    IMAGES,
    st.just({}),
).map(lambda columns: Known(*columns))


def conflicts(candidate: Candidate, reference: Fact) -> bool:
    return str(candidate.value_tag) <= str(reference.value_tag)


def before(one: Candidate, other: Candidate) -> int:
    """Contract 4.4.5, step by step: negative when `one` comes first."""
    if one.priority != other.priority:
        return -1 if one.priority < other.priority else 1
    if image_number(one.source_image) != image_number(other.source_image):
        return -1 if image_number(one.source_image) > image_number(other.source_image) else 1
    if one.automatic_processing != other.automatic_processing:
        return -1 if one.automatic_processing else 1
    if one.predictor != other.predictor:
        if one.predictor is None or other.predictor is None:
            return -1 if other.predictor is None else 1
        return -1 if one.predictor < other.predictor else 1
    return 0


@given(st.lists(CANDIDATES, max_size=8), st.lists(KNOWN, max_size=6, unique_by=lambda one: one.id))
def test_the_walk_does_what_the_contract_says(candidates: list[Candidate], known: list[Known]) -> None:
    selected: list[Candidate] = []
    mapped: dict[UUID, Candidate] = {}
    new: list[Candidate] = []
    for candidate in sorted(candidates, key=cmp_to_key(before)):
        closed = [one for one in known if one.annotation is not None or one.automatic_processing]
        if any(conflicts(candidate, one) for one in closed + selected):
            continue
        selected.append(candidate)
        for one in known:
            if one.id in mapped or one in closed or one.source_image != candidate.source_image:
                continue
            if conflicts(candidate, one):
                mapped[one.id] = candidate
                break
        else:
            new.append(candidate)
    left = [
        one.id
        for one in known
        if one.annotation is None and not one.automatic_processing and one.id not in mapped
    ]

    result = walk(candidates, known, conflicts)
    assert result.created == new
    assert {insight.id: candidate for candidate, insight in result.updated} == mapped
    assert [insight.id for insight in result.deleted] == left


@given(st.lists(CANDIDATES, max_size=8))
def test_what_was_made_once_is_only_taken_over_the_next_time(candidates: list[Candidate]) -> None:
    def is_same(candidate: Candidate, reference: Fact) -> bool:
        return candidate.value_tag == reference.value_tag

    first = walk(candidates, [], is_same)
    known = [
        Known(UUID(int=place), None, one.automatic_processing, one.value_tag, None, one.source_image, {})
        for place, one in enumerate(first.created)
    ]
    again = walk(candidates, known, is_same)
    assert (again.created, again.deleted) == ([], [])
    assert [insight for _, insight in again.updated] == [one for one in known if one.is_open]
    for candidate, insight in again.updated:
        assert (candidate.value_tag, candidate.source_image) == (insight.value_tag, insight.source_image)


def test_an_open_insight_of_another_image_makes_room_for_the_candidate() -> None:
    old = Known(UUID(int=1), None, False, "a", None, "/1/1.jpg", {})
    result = walk([Candidate(value_tag="a", source_image="/1/2.jpg")], [old], conflicts)
    assert (len(result.created), result.updated, result.deleted) == (1, [], [old])


def test_the_newest_image_is_that_of_the_highest_number() -> None:
    images = [None, "/1/9.jpg", "/1/10.jpg", "/1/front_fr.3.400.jpg"]
    assert [image_number(image) for image in images] == [0, 9, 10, 0]
    newest, *_ = ordered([Candidate(source_image=image) for image in images])
    assert newest.source_image == "/1/10.jpg"


def test_a_priority_that_is_no_number_counts_as_one() -> None:
    assert [priority_of(data) for data in ({}, {"priority": 3}, {"priority": "x"}, {"priority": None})] == [
        1,
        3,
        1,
        1,
    ]


def test_predictions_are_ordered_by_priority_image_and_predictor() -> None:
    def prediction(number: int, image: str | None, predictor: str | None, priority: int = 1) -> Prediction:
        return Prediction(
            number, "1", "label", {"priority": priority}, source_image=image, predictor=predictor
        )

    rows = [
        prediction(1, None, None),
        prediction(2, "/1/2.jpg", None),
        prediction(3, "/1/2.jpg", "regex"),
        prediction(4, "/1/2.jpg", "flashtext"),
        prediction(5, "/1/9.jpg", None),
        prediction(6, None, None, priority=0),
    ]
    assert [row.id for row in ordered_predictions(rows)] == [6, 5, 4, 3, 2, 1]
