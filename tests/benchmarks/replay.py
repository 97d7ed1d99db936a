"""How much of a search successive halving saves, on recorded curves: `python -m tests.benchmarks.replay`.

The curves are of real trials that nobody stopped (tests/curves.csv; `--record NAME` writes it anew from a stored study
with `search.reduction_factor` next to 1). Each order of them is played through the study's own rule, one trial after
the other; the baseline is the search that trains every trial to the longest budget. No model is trained.
"""

import argparse
import random
from dataclasses import dataclass

import numpy as np

from study.folder import saved_spec
from study.search.asha import Halving
from study.spec.files import parse
from study.spec.study import StudySpec
from tests.curves import FILE, Curve, by_loss, record, recorded
from tests.studies import MINI

ORDERS = 500


@dataclass(frozen=True)
class Played:
    """One order of the trials: steps trained, as a share of all, and which of the curves came to the end."""

    share: float
    finished: list[int]


def spec_of(curves: list[Curve], factor: float, cost: str | None = None) -> StudySpec:
    """Return a study with the budgets of the curves."""
    pretraining = {**MINI["pretraining"], "budgets": sorted(curves[0].scores)}
    search = {**MINI["search"], "reduction_factor": factor, "cost": cost}
    return parse({**MINI, "pretraining": pretraining, "search": search}, "replay")


def play(spec: StudySpec, curves: list[Curve], order: list[int]) -> Played:
    """Run a search over recorded trials, one at a time."""
    rule, budgets = Halving(spec), spec.pretraining.budgets
    steps, finished = 0, []
    for number in order:
        curve, reached = curves[number], 0
        for budget in budgets:
            steps, reached = steps + budget - reached, budget
            values = [curve.scores[budget], *([curve.flops[budget]] if spec.search.cost else [])]
            if budget == budgets[-1]:
                finished.append(number)
            elif not rule.reached(str(number), budget, values):
                break
    return Played(steps / (len(order) * budgets[-1]), finished)


def orders(count: int, trials: int) -> list[list[int]]:
    """Return random orders of the trials, always the same."""
    draw = random.Random(0)
    return [draw.sample(range(trials), trials) for _ in range(count)]


def main() -> int:
    """Print the figures; return 1 where the winner is lost or a third of the compute is not enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replay", description=__doc__.splitlines()[0])
    parser.add_argument("--record", metavar="NAME", help="first record the curves of this stored study")
    parser.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    parser.add_argument("--factor", type=float, default=2.0, metavar="N", help="reduction factor (default: 2)")
    options = parser.parse_args()
    if options.record:
        print(f"{record(saved_spec(options.record, options.results))} curves recorded in {FILE.name}")
    curves = recorded()
    print(
        f"{len(curves)} recorded trials, budgets {sorted(curves[0].scores)}, {ORDERS} orders, factor {options.factor:g}"
    )
    share, found = compared(by_loss(curves), options.factor, "validation loss")
    compared(curves, options.factor, "few-shot score")
    return int(share > 1 / 3 or found < 0.9)


def compared(curves: list[Curve], factor: float, what: str) -> tuple[float, float]:
    """Print how a search by some score went; return the share of steps, and of orders that found the winner."""
    spec = spec_of(curves, factor)
    last = spec.pretraining.budgets[-1]
    best = max(curve.scores[last] for curve in curves)
    played = [play(spec, curves, order) for order in orders(ORDERS, len(curves))]
    found = np.array([max(curves[number].scores[last] for number in one.finished) for one in played])
    share = np.array([one.share for one in played])
    print(f"by {what}: {share.mean():.3f} of the exhaustive search's steps (most: {share.max():.3f})")
    print(
        f"    the winner is found in {(found == best).mean():.1%} of them; lost on average: {(best - found).mean():.4f}"
    )
    return float(share.mean()), float((found == best).mean())


if __name__ == "__main__":
    raise SystemExit(main())
