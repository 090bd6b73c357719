from __future__ import annotations

import pytest

from gateway.kept import Kept


class Source:
    def __init__(self) -> None:
        self.fetched = 0
        self.now = 0.0
        self.fails = False

    def fetch(self) -> int:
        self.fetched += 1
        if self.fails:
            raise ConnectionError
        return self.fetched


def test_a_value_is_fetched_once_in_a_while() -> None:
    source = Source()
    kept = Kept(source.fetch, 5.0, lambda: source.now)
    assert [kept.value(), kept.value()] == [1, 1]
    source.now = 5.0
    assert kept.value() == 2


def test_a_failure_is_not_kept() -> None:
    source = Source()
    kept = Kept(source.fetch, 5.0, lambda: source.now)
    source.fails = True
    with pytest.raises(ConnectionError):
        kept.value()
    source.fails = False
    assert kept.value() == 2
