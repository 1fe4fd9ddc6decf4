import numpy as np
import pytest

from server.search import features
from server.search.recognize import Match, RecognizeOptions, Recognizer
from server.search.replica import Replica
from tests.server.search.scenery import (
    FRAME,
    Gray,
    described,
    frame,
    gray_print,
    image,
    item,
    query,
    rectangle,
    replica_of,
)

SEEDS = range(1, 7)


@pytest.fixture(scope="module")
def replica() -> Replica:
    return replica_of(SEEDS)


def search(replica: Replica, pixels: Gray, **options: object) -> list[Match]:
    return Recognizer().run(replica, query(pixels), RecognizeOptions(**options)).matches  # type: ignore[arg-type]


def test_the_picture_itself_scores_100(replica: Replica) -> None:
    (match,) = search(replica, gray_print(2))
    assert (match.item_id, match.image_id, match.score) == (item(2), image(2), 100)
    np.testing.assert_allclose(match.bbox, [[0, 0], [1, 0], [0, 1], [1, 1]], atol=0.01)


def test_bbox_is_where_the_object_lies(replica: Replica) -> None:
    corners = [[80.0, 150.0], [400.0, 190.0], [60.0, 400.0], [390.0, 470.0]]
    (match,) = search(replica, frame((gray_print(3), corners)))
    assert match.item_id == item(3)
    np.testing.assert_allclose(np.array(match.bbox) * FRAME, corners, atol=6)
    assert 40 <= match.score < 95
    assert match.inliers >= 12
    assert 0 < match.inlier_ratio <= 1
    assert 0 < match.coverage <= 1


def test_an_unknown_picture_gives_nothing(replica: Replica) -> None:
    assert search(replica, gray_print(99)) == []
    assert search(Replica(), gray_print(1)) == []


def test_a_mirrored_picture_is_not_the_same(replica: Replica) -> None:
    assert search(replica, np.ascontiguousarray(gray_print(2)[:, ::-1])) == []


def test_upside_down_is_the_same(replica: Replica) -> None:
    (match,) = search(replica, np.ascontiguousarray(gray_print(2)[::-1, ::-1]))
    np.testing.assert_allclose(match.bbox, [[1, 1], [0, 1], [1, 0], [0, 0]], atol=0.01)


def test_several_objects_come_back_each_with_its_own_bbox(replica: Replica) -> None:
    places = {
        1: rectangle(20, 20, 260, 195),
        4: rectangle(200, 240, 260, 195),
        5: rectangle(10, 440, 240, 180),
    }
    matches = search(replica, frame(*((gray_print(seed), place) for seed, place in places.items())))
    assert {match.item_id for match in matches} == {item(seed) for seed in places}
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
    for seed, place in places.items():
        (match,) = (match for match in matches if match.item_id == item(seed))
        np.testing.assert_allclose(np.array(match.bbox) * FRAME, place, atol=6)


def test_an_item_scores_as_its_best_image(replica: Replica) -> None:
    mixed = replica_of([1, 2])
    mixed.add_image(image(3), item(1), described(3))
    matches = search(mixed, frame((gray_print(3), rectangle(60, 100, 360, 270))))
    assert [(match.item_id, match.image_id) for match in matches] == [(item(1), image(3))]


def test_copies_are_one_result_unless_all_are_asked_for(replica: Replica) -> None:
    places = [rectangle(20, 20, 300, 225), rectangle(150, 260, 300, 225)]
    pixels = frame(*((gray_print(2), place) for place in places))
    assert len(search(replica, pixels)) == 1
    matches = search(replica, pixels, multi=True)
    assert [match.item_id for match in matches] == [item(2), item(2)]
    tops = sorted(match.bbox[0][1] * FRAME[1] for match in matches)
    np.testing.assert_allclose(tops, [20, 260], atol=6)
    assert len(search(replica, pixels, multi=True, limit=1)) == 1


def test_limit_and_min_score_cut_the_list(replica: Replica) -> None:
    pixels = frame(
        (gray_print(1), rectangle(20, 20, 400, 300)), (gray_print(2), rectangle(200, 400, 120, 90))
    )
    first, second = search(replica, pixels)
    assert first.score > second.score
    assert [match.item_id for match in search(replica, pixels, limit=1)] == [first.item_id]
    assert [match.item_id for match in search(replica, pixels, min_score=first.score)] == [first.item_id]
    assert search(replica, pixels, min_score=100) == []


def test_only_allowed_items_are_found(replica: Replica) -> None:
    pixels = gray_print(2)
    assert search(replica, pixels, allow=[item(1), item(3)]) == []
    assert [match.item_id for match in search(replica, pixels, allow={item(2)})] == [item(2)]


def label(text: int) -> Gray:
    """Print 8 with one area of its own: a variant of the same artwork."""
    picture = gray_print(8).copy()
    picture[90:180, 120:240] = gray_print(text)[:90, :120]
    return picture


@pytest.mark.parametrize("shown", [11, 12])
def test_near_duplicates_are_both_returned_the_right_one_first(shown: int) -> None:
    replica = Replica()
    for variant in (11, 12):
        replica.add_image(image(variant), item(variant), features.describe(label(variant)))
    matches = search(replica, frame((label(shown), rectangle(60, 100, 360, 270))))
    assert [match.item_id for match in matches] == [item(shown), item(23 - shown)]
    assert matches[0].score >= matches[1].score


def test_ties_go_to_the_older_picture() -> None:
    replica = Replica()
    for number in (9, 3, 5):
        replica.add_image(image(number), item(number), described(1))
    matches = search(replica, gray_print(1))
    assert [match.item_id for match in matches] == [item(9), item(3), item(5)]


def test_the_same_query_gives_the_same_answer(replica: Replica) -> None:
    pixels = frame((gray_print(1), rectangle(20, 20, 400, 300)))
    first, second = search(replica, pixels), search(replica, pixels)
    assert [match[:6] for match in first] == [match[:6] for match in second]
    np.testing.assert_array_equal(first[0].homography, second[0].homography)


def test_times_of_every_stage_are_told(replica: Replica) -> None:
    for picture in (gray_print(1), gray_print(9)):
        stage_ms = Recognizer().run(replica, query(picture), RecognizeOptions()).stage_ms
        assert set(stage_ms) == {"feat", "ann", "gv"}
        assert all(spent > 0 for spent in stage_ms.values())
