import pytest

from server.search import scoring
from server.search.scoring import Evidence

COPY = Evidence(
    inliers=590, matches=600, coverage=0.95, spread=0.2, area=1.0, overlap=1.0, flatness=1.0, correlation=1.0
)
FAINT = Evidence(
    inliers=8, matches=24, coverage=0.16, spread=0.05, area=0.06, overlap=0.06, flatness=0.6, correlation=0.46
)


def test_an_exact_copy_scores_100_and_the_weakest_match_40() -> None:
    assert scoring.score(COPY) == 100
    assert scoring.is_accepted(FAINT)
    assert scoring.score(FAINT) == 40


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
        {"correlation": 0.3},
        {"coverage": 0.1},
        {"spread": 0.01},
    ],
)
def test_few_inliers_need_everything_else(change: dict[str, float]) -> None:
    assert not scoring.is_accepted(FAINT._replace(**change))


def test_many_inliers_need_no_likeness_of_pixels() -> None:
    assert scoring.is_accepted(FAINT._replace(inliers=12, correlation=0.0, coverage=0.05))


def test_scores_are_whole_numbers_from_40_to_100() -> None:
    nothing = Evidence(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    assert scoring.score(nothing) == 40
    assert isinstance(scoring.score(COPY), int)
