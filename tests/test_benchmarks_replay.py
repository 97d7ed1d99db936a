"""Successive halving on recorded curves of real trials, and on curves whose best trade-offs are known."""

import numpy as np
import pytest

from tests.benchmarks.replay import orders, play, spec_of
from tests.curves import Curve, by_loss, recorded

BUDGETS = (25, 75, 225, 675)


def test_the_winner_of_recorded_trials_is_found_for_a_third_of_the_steps() -> None:
    curves = by_loss(recorded())
    spec = spec_of(curves, factor=2.0)
    last = spec.pretraining.budgets[-1]
    best = max(range(len(curves)), key=lambda number: curves[number].scores[last])
    played = [play(spec, curves, order) for order in orders(200, len(curves))]
    assert np.mean([one.share for one in played]) <= 1 / 3
    assert np.mean([best in one.finished for one in played]) >= 0.9


def known_front() -> tuple[list[Curve], set[int]]:
    """Return 60 trials of six prices a step, and the best one of each price, which nothing dominates at any budget."""
    draw, curves, front = np.random.default_rng(3), [], set()
    for price in range(1, 7):
        for place in range(10):
            quality = 0.1 * price + (0.08 if place == 0 else 0.05 * draw.random())
            if place == 0:
                front.add(len(curves))
            scores = {budget: quality * (1 - 0.5 * 25 / budget) for budget in BUDGETS}
            flops = {budget: float(budget * price) for budget in BUDGETS}
            curves.append(Curve("constant", {}, scores, {}, flops))
    return curves, front


def test_by_score_and_cost_every_one_of_a_known_front_is_recovered() -> None:
    curves, front = known_front()
    spec = spec_of(curves, factor=3.0, cost="flops")
    for order in orders(50, len(curves)):
        played = play(spec, curves, order)
        assert front <= set(played.finished)
        assert played.share < 0.7


def test_by_score_alone_the_cheap_ones_of_it_are_lost() -> None:
    curves, front = known_front()
    spec = spec_of(curves, factor=3.0)
    recovered = [len(front & set(play(spec, curves, order).finished)) for order in orders(50, len(curves))]
    assert np.mean(recovered) == pytest.approx(2, abs=1.5)
