from __future__ import annotations

import pytest

from server import deadline
from server.deadline import Deadline
from server.errors import DeadlineExceeded


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(deadline, "monotonic", lambda: now[0])
    return now


def test_every_wait_spends_from_one_moment(clock: list[float]) -> None:
    limit = Deadline.after(5)
    assert limit.remaining_s() == 5
    clock[0] = 104
    assert limit.remaining_s() == 1 and not limit.expired
    limit.check()


def test_at_the_moment_itself_the_time_is_over(clock: list[float]) -> None:
    limit = Deadline.after(5)
    clock[0] = 105
    assert limit.expired
    with pytest.raises(DeadlineExceeded):
        limit.check()


def test_the_rest_is_never_negative(clock: list[float]) -> None:
    limit = Deadline.after(5)
    clock[0] = 200
    assert limit.remaining_s() == 0
