"""Learning rates by hand, and where branches leave the trunk."""

import dataclasses

import pytest

from tests import runs
from trainers.pretraining.learning_rate import cooling, fork_of, learning_rate
from trainers.settings import PretrainSettings

PEAK = 8e-4


@pytest.fixture(scope="module")
def settings(prepared) -> PretrainSettings:
    return runs.settings(prepared, warmup=10, horizon=110, learning_rate=PEAK)


@pytest.mark.parametrize(
    ("schedule", "step", "share_of_the_peak"),
    [
        *(("linear", *case) for case in [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (60, 0.5), (109, 0.01), (110, 0.0)]),
        *(("cosine", *case) for case in [(0, 0.1), (4, 0.5), (10, 1.0), (35, 0.853553), (60, 0.5), (110, 0.0)]),
        *(("wsd", *case) for case in [(0, 0.1), (4, 0.5), (10, 1.0), (60, 1.0), (88, 1.0), (99, 0.5), (110, 0.0)]),
    ],
)
def test_the_rate_warms_up_and_decays_to_0(schedule, step, share_of_the_peak, settings):
    own = dataclasses.replace(settings, schedule=schedule)
    assert learning_rate(own, step) == pytest.approx(PEAK * share_of_the_peak, abs=1e-12, rel=1e-5)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "wsd"])
def test_a_horizon_without_warmup_or_of_one_step_has_a_rate(schedule, settings):
    own = dataclasses.replace(settings, schedule=schedule, warmup=0, horizon=1)
    assert learning_rate(own, 0) == PEAK
    assert learning_rate(own, 1) == 0


@pytest.mark.parametrize(
    ("cooldown", "budget", "fork"), [(0.0, 50, 50), (0.2, 50, 40), (0.2, 110, 110), (0.5, 7, 3), (0.2, 1, 1)]
)
def test_a_branch_takes_the_last_part_of_its_budget_and_the_horizon_needs_none(cooldown, budget, fork, settings):
    assert fork_of(dataclasses.replace(settings, cooldown=cooldown), budget) == fork


def test_a_branch_cools_down_in_a_straight_line():
    assert [cooling(40, 50, step) for step in (40, 45, 49, 50)] == [1.0, 0.5, 0.1, 0.0]
