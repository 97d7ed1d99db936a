"""How often the verdict finds what is not there, and what is: `python -m tests.benchmarks.verdict`.

Studies are simulated in which nothing helps: each has 4 curricula, 27 tasks and some seeds, and compares each pair.
What tasks do to curricula is drawn from the differences of one published model (Tables 2 and B.2 of arXiv 2408.07180),
all tails included; half of their variance goes to tasks and half to single fine-tunings. Beside that, seeds may share
something over all tasks. The baseline is the t test that takes pairs of task and seed as independent.
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from study.evidence.effects import effect
from study.evidence.permutation import holm, paired_p
from study.evidence.published import published
from study.evidence.verdict import Outcome, outcome_of

CURRICULA = ("genemask", "global", "cm-step", "cm-gems")  # published after 10,000 steps, of both models
PAIRS = tuple(itertools.combinations(range(len(CURRICULA)), 2))
STUDIES, TASKS, TRUE = 2_000, 27, 2.0


@dataclass(frozen=True)
class Setting:
    """Which studies are simulated.

    Attributes:
        model: Whose published differences are drawn from: DNABERT (SD of a difference 2.3) or LOGO (6.8).
        seeds: Of each curriculum.
        shared: SD of what a seed shares over tasks, in a difference, in points of MCC.
    """

    model: str
    seeds: int
    shared: float


NULL = (
    Setting("DNABERT", 3, 0.0),
    Setting("DNABERT", 3, 0.5),
    Setting("DNABERT", 3, 1.0),
    Setting("DNABERT", 2, 0.5),
    Setting("DNABERT", 5, 1.0),
    Setting("LOGO", 3, 0.0),
    Setting("LOGO", 3, 1.0),
)


@dataclass(frozen=True)
class Found:
    """Rates over studies.

    Attributes:
        wins: Studies in which any of the comparisons was called better or worse.
        single: Comparisons in which p alone, unadjusted, was at most 0.05.
        covered: Intervals that held the truth.
        as_pairs: Comparisons in which the t test over independent pairs said p <= 0.05.
        power: Comparisons of the first curriculum that were called better; with a true difference, the power.
    """

    wins: float
    single: float
    covered: float
    as_pairs: float
    power: float


def residuals(model: str) -> NDArray[np.float64]:
    """Return (tasks, curricula) published MCC x 100 less the means of its row and column."""
    rows = published()
    own = rows[(rows["model"] == model) & (rows["steps"] == 10_000)]
    table = own.pivot(index="task", columns="masking", values="value")[list(CURRICULA)].to_numpy()
    return table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()


def studies(setting: Setting, count: int, true: float, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Draw (curricula, tasks, seeds) scores; the first curriculum is better by `true` points of MCC."""
    random, pool = np.random.default_rng(seed), residuals(setting.model)
    for _ in range(count):
        of_task = random.choice(pool, TASKS).T[:, :, None]
        rest = random.choice(pool, (TASKS, setting.seeds)).transpose(2, 0, 1)
        of_seed = random.normal(0, setting.shared / 2**0.5, (len(CURRICULA), 1, setting.seeds))
        scores = (of_task + rest) / 2**0.5 + of_seed
        scores[0] += true
        yield scores


def simulate(setting: Setting, count: int, true: float = 0.0) -> Found:
    """Run the verdict over so many studies."""
    wins, single, covered, as_pairs, better = 0, 0, 0, 0, 0
    for scores in studies(setting, count, true):
        differences = [scores[one] - scores[other] for one, other in PAIRS]
        effects, ps = [effect(values) for values in differences], [paired_p(values) for values in differences]
        outcomes = [outcome_of(found, p) for found, p in zip(effects, holm(ps), strict=True)]
        wins += any(outcome in (Outcome.BETTER, Outcome.WORSE) for outcome in outcomes)
        better += sum(o is Outcome.BETTER for o, (one, _) in zip(outcomes, PAIRS, strict=True) if one == 0)
        single += sum(p <= 0.05 for p in ps)
        truths = [true if one == 0 else 0.0 for one, _ in PAIRS]
        covered += sum(found.low <= truth <= found.high for found, truth in zip(effects, truths, strict=True))
        as_pairs += sum(stats.ttest_1samp(values.ravel(), 0).pvalue <= 0.05 for values in differences)
    of_first = sum(one == 0 for one, _ in PAIRS)
    each = count * len(PAIRS)
    return Found(wins / count, single / each, covered / each, as_pairs / each, better / (count * of_first))


def main() -> int:
    """Print the rates; return 1 where wins are false in more than 5 % of the studies, or coverage is not 93 to 97 %."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.verdict", description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=STUDIES, metavar="N", help=f"of each kind (default: {STUDIES})")
    count = parser.parse_args().studies
    print(f"{count} studies of each kind without any difference, {len(PAIRS)} comparisons a study")
    print("                         studies with    comparisons    intervals that    pairs as independent,")
    print("                         a false win     p <= 0.05      hold the truth    t test: p <= 0.05")
    failed = False
    for setting in NULL:
        found = simulate(setting, count)
        print(
            f"{_name(setting)}  {found.wins:8.1%}  {found.single:13.1%}  {found.covered:14.1%}  {found.as_pairs:17.1%}",
            flush=True,
        )
        failed |= found.wins > 0.05 or not 0.93 <= found.covered <= 0.97
    print(f"with a true difference of {TRUE:+g} points of MCC, how often it is called better (power)")
    for seeds, shared in itertools.product((3, 5, 10), (0.0, 0.5, 1.0)):
        setting = Setting("DNABERT", seeds, shared)
        print(f"{_name(setting)}  {simulate(setting, max(1, count // 4), TRUE).power:8.1%}", flush=True)
    return int(failed)


def _name(setting: Setting) -> str:
    return f"{setting.model:7}, {setting.seeds:2} seeds, share {setting.shared:.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
