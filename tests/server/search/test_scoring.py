import pytest

from server.search import scoring
from server.search.scoring import Evidence

COPY = Evidence(
    inliers=590,
    matches=600,
    coverage=0.95,
    spread=0.2,
    area=1.0,
    overlap=1.0,
    flatness=1.0,
    correlation=1.0,
    agreement=1.0,
)
FAINT = Evidence(
    inliers=9,
    matches=18,
    coverage=0.18,
    spread=0.05,
    area=0.06,
    overlap=0.06,
    flatness=0.85,
    correlation=0.5,
    agreement=0.98,
)
# Two posters that share a word, as the bench makes them.
SHARED_WORD = FAINT._replace(inliers=30, matches=60, coverage=0.02, correlation=0.2, agreement=0.3)


def test_an_exact_copy_scores_100_and_the_weakest_match_little_over_40() -> None:
    assert scoring.score(COPY) == 100
    assert scoring.is_accepted(FAINT)
    assert 40 <= scoring.score(FAINT) <= 45


@pytest.mark.parametrize("field", ["inliers", "coverage", "area", "overlap", "flatness", "correlation"])
def test_score_never_falls_with_more_evidence(field: str) -> None:
    low, high = getattr(FAINT, field), getattr(COPY, field)
    steps = [low + (high - low) * step / 20 for step in range(21)]
    for other in (FAINT._replace(matches=600), COPY):
        scores = [scoring.score(other._replace(**{field: value})) for value in steps]
        assert scores == sorted(scores)
        assert scores[0] >= scoring.MIN_SCORE


def test_more_wrong_matches_never_raise_the_score() -> None:
    scores = [scoring.score(COPY._replace(inliers=50, matches=matches)) for matches in range(50, 400, 10)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    "change",
    [
        {"inliers": 7},
        {"matches": 40},
        {"agreement": 0.5},
        {"coverage": 0.08},
        {"spread": 0.01},
        {"flatness": 0.4},
    ],
)
def test_few_inliers_need_everything_else(change: dict[str, float]) -> None:
    assert not scoring.is_accepted(FAINT._replace(**change))


def test_a_shared_word_is_no_match_however_many_inliers_it_has() -> None:
    assert not scoring.is_accepted(SHARED_WORD)
    assert not scoring.is_accepted(SHARED_WORD._replace(inliers=55))


def test_a_hidden_object_is_accepted_by_what_is_seen_of_it() -> None:
    hidden = COPY._replace(inliers=40, matches=48, coverage=0.2, correlation=0.0, agreement=0.38)
    assert scoring.is_accepted(hidden)


@pytest.mark.parametrize("field", ["inliers", "coverage", "agreement", "flatness"])
def test_log_odds_grow_with_evidence(field: str) -> None:
    low, high = getattr(FAINT, field), getattr(COPY, field)
    steps = [low + (high - low) * step / 10 for step in range(11)]
    odds = [scoring.log_odds(FAINT._replace(matches=600, **{field: value})) for value in steps]
    assert odds == sorted(odds)


def test_scores_are_whole_numbers_from_40_to_100() -> None:
    nothing = Evidence(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    assert scoring.score(nothing) == 40
    assert isinstance(scoring.score(COPY), int)
