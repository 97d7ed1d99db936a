"""Ticks are round and few."""

import pytest

from study.figures.ticks import round_numbers, short


@pytest.mark.parametrize(
    ("ends", "is_log", "expected"),
    [
        ((0.05, 0.4), False, [0.1, 0.2, 0.3, 0.4]),
        ((1, 12), False, [5, 10]),
        ((1, 6), False, [2, 4, 6]),
        ((1e-4, 5e-3), True, [1e-4, 3e-4, 1e-3, 3e-3]),
        ((1e17, 1.1e18), True, [1e17, 2e17, 5e17, 1e18]),
        ((1e-9, 1e3), True, [1e-9, 1e-6, 1e-3, 1.0, 1e3]),
        ((0.5, 0.5), False, [0.5]),
        ((0.31, 0.34), True, [0.31, 0.34]),
    ],
)
def test_ticks_by_hand(ends: tuple[float, float], is_log: bool, expected: list[float]) -> None:
    assert round_numbers(*ends, is_log) == pytest.approx(expected)


def test_numbers_are_short() -> None:
    assert [short(value) for value in (2e17, 10_000, 0.0003, 0.5)] == ["2e17", "10,000", "0.0003", "0.5"]
