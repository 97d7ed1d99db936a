"""How well cheap scores rank checkpoints against full fine-tuning: `python -m study.fidelity NAME [NAME ...]`.

A checkpoint is what one run of one study had learnt at one budget. Its score is the mean over tasks of the mean over
repetitions, each task by the metric that its study compares. The cheap score is that of the dev split, since a search
decides by dev scores; the full score is that of the test split, since that is what the search is for.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from curricula import InputError
from study.folder import saved_spec
from study.spec.evaluation import FULL
from study.spec.study import StudySpec
from study.store import PRETRAINING, Store

_CHECKPOINT = ["study", "run", "budget"]
_FINE_TUNING = [*_CHECKPOINT, "task", "repetition"]
_LEAST = 3  # checkpoints: two have a tau of 1 or -1, whatever the fidelity is worth
_LEAST_DRAWS = 100  # with fewer, an end of the interval is a guess between the two outermost resamples
_CAPTION = (
    "tau: Kendall's tau-b, 95 % bootstrap interval over checkpoints. Within budgets: pairs of one budget of one study "
    "only. Regret: full score lost by taking the cheap best. Cost: seconds, of the full ones."
)


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of cheap and full scores over all checkpoints.

    Attributes:
        tau: Kendall's tau-b.
        low: Of its 95 % percentile bootstrap interval. Checkpoints are resampled one by one: where several are of one
            run, the interval is rather too narrow.
        high: Of the same.
        skipped: Resamples left out, since all in them tied in one of the two rankings.
        spearman: Spearman's rho.
    """

    tau: float
    low: float
    high: float
    skipped: int
    spearman: float


@dataclass(frozen=True)
class Agreement:
    """How cheap scores agree with the full ones of the same checkpoints.

    Attributes:
        correlation: None where all checkpoints tie in one of the two rankings.
        tau_within: Concordant less discordant pairs, over all pairs of one budget of one study: what ASHA compares.
            None without such a pair.
        top_1: Whether the cheap score puts a checkpoint with the best full score first.
        regret: The best full score less that of the checkpoint that the cheap score puts first; where several tie for
            first, of the worst of them.
        cost: Seconds of the cheap fine-tunings over those of the full ones.
    """

    correlation: Correlation | None
    tau_within: float | None
    top_1: bool
    regret: float
    cost: float


@dataclass(frozen=True)
class Line:
    """One cheap fidelity and how many checkpoints have a full score too; fewer than three show nothing."""

    fidelity: str
    checkpoints: int
    agreement: Agreement | None


def compared(spec: StudySpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of what a study compares: of each task its own metric."""
    of_tasks = rows[rows["task"] != PRETRAINING]
    return of_tasks[of_tasks["metric"] == of_tasks["task"].map(spec.evaluation.metric_of)]


def scores(rows: pd.DataFrame, fidelity: str, split: str) -> "pd.Series[float]":
    """Return the score of each checkpoint, by study, run and budget; `rows` are `compared` ones.

    Raises:
        InputError: checkpoints were scored on different tasks, so that their means cannot be compared.
    """
    own = rows[(rows["fidelity"] == fidelity) & (rows["split"] == split) & (rows["task"] != PRETRAINING)]
    by_task = own.groupby([*_CHECKPOINT, "task"])["value"].mean().unstack()
    lacking = by_task.isna()
    if lacking.any(axis=None):
        task = lacking.columns[lacking.any()][0]
        without, having = lacking[lacking[task]].index[0], lacking[~lacking[task]].index[0]
        raise InputError(
            f"checkpoints are ranked by scores on the same tasks, but by `{fidelity}` {_place(*having)} was scored on "
            f"{task} and {_place(*without)} was not; measure studies with different tasks apart"
        )
    return by_task.mean(axis=1)


def _place(study: str, run: str, budget: int) -> str:
    return f"{study}/{run} at {budget:,} steps"


def seconds(rows: pd.DataFrame, fidelity: str, checkpoints: pd.Index) -> float:
    """Return the seconds of these checkpoints' fine-tunings, each counted once."""
    own = rows[(rows["fidelity"] == fidelity) & (rows["task"] != PRETRAINING)].drop_duplicates(_FINE_TUNING)
    return float(own[own.set_index(_CHECKPOINT).index.isin(checkpoints)]["seconds"].sum())


def _order(scores_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of each pair of checkpoints 1, 0 or -1: above, tied, below."""
    signs_NN: NDArray[np.float64] = np.sign(scores_N[:, None] - scores_N[None, :])
    return signs_NN


def resampled_taus(
    cheap_N: NDArray[np.float64], full_N: NDArray[np.float64], times_DN: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return Kendall's tau-b of each resample, shape (D,); nan where all tie in one ranking.

    A checkpoint drawn twice ties with itself, so that sums over pairs need only know how often each was drawn.

    Args:
        cheap_N: Scores of N checkpoints.
        full_N: Scores of the same.
        times_DN: How often each was drawn in each of D resamples.
    """
    cheap_NN, full_NN = _order(cheap_N), _order(full_N)
    concordance_D, cheap_untied_D, full_untied_D = (
        ((times_DN @ pairs_NN) * times_DN).sum(axis=1)
        for pairs_NN in (cheap_NN * full_NN, np.abs(cheap_NN), np.abs(full_NN))
    )
    untied_D = np.sqrt(cheap_untied_D * full_untied_D)
    taus_D: NDArray[np.float64] = np.divide(
        concordance_D, untied_D, out=np.full(len(untied_D), np.nan), where=untied_D > 0
    )
    return taus_D


def correlation(
    cheap_N: NDArray[np.float64], full_N: NDArray[np.float64], draws: int = 2000, seed: int = 0
) -> Correlation | None:
    """Return the rank correlation of N checkpoints; None where all tie in one of the two rankings."""
    tau = float(stats.kendalltau(cheap_N, full_N).statistic)
    if math.isnan(tau):
        return None
    count = len(cheap_N)
    times_DN = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    taus_D = resampled_taus(cheap_N, full_N, times_DN)
    known = taus_D[~np.isnan(taus_D)]
    low, high = (float(end) for end in np.percentile(known, [2.5, 97.5]))
    return Correlation(tau, low, high, draws - len(known), float(stats.spearmanr(cheap_N, full_N).statistic))


def tau_within(cheap_N: NDArray[np.float64], full_N: NDArray[np.float64], groups_N: NDArray[np.int64]) -> float | None:
    """Return (concordant - discordant) / pairs over the pairs within a group; ties count as neither."""
    paired_NN = np.triu(groups_N[:, None] == groups_N[None, :], 1)
    return float((_order(cheap_N) * _order(full_N))[paired_NN].mean()) if paired_NN.any() else None


def lines(rows: pd.DataFrame, draws: int = 2000, seed: int = 0) -> list[Line]:
    """Return one line for each fidelity but the full one, by name.

    Args:
        rows: `compared` rows of one study or more.
        draws: Bootstrap resamples.
        seed: Of the resamples.

    Raises:
        InputError: checkpoints were scored on different tasks.
    """
    full = scores(rows, FULL, "test")
    found = []
    for fidelity in sorted(set(rows[rows["task"] != PRETRAINING]["fidelity"]) - {FULL}):
        cheap = scores(rows, fidelity, "dev")
        both = cheap.index.intersection(full.index)
        agreement = None
        if len(both) >= _LEAST:
            cheap_N, full_N = (np.asarray(values[both], dtype=np.float64) for values in (cheap, full))
            groups_N = np.asarray(cheap[both].groupby(["study", "budget"]).ngroup(), dtype=np.int64)
            regret = float(full_N.max() - full_N[cheap_N == cheap_N.max()].min())
            agreement = Agreement(
                correlation=correlation(cheap_N, full_N, draws, seed),
                tau_within=tau_within(cheap_N, full_N, groups_N),
                top_1=regret == 0,
                regret=regret,
                cost=seconds(rows, fidelity, both) / seconds(rows, FULL, both),
            )
        found.append(Line(fidelity, len(both), agreement))
    return found


def table(found: list[Line]) -> Table:
    """Return the lines for the terminal."""
    shown = Table("fidelity", title="cheap dev scores against full test scores", caption=_CAPTION)
    for name in ("checkpoints", "tau", "tau within budgets", "top-1", "regret", "cost"):
        shown.add_column(name, justify="right")
    for line in found:
        shown.add_row(line.fidelity, *_cells(line))
        skipped = line.agreement and line.agreement.correlation and line.agreement.correlation.skipped
        if skipped:
            shown.caption = f"{shown.caption} {line.fidelity}: {skipped:,} resamples had ties only and were skipped."
    return shown


def _cells(line: Line) -> list[str]:
    if line.agreement is None:
        return [f"too few ({line.checkpoints})"]
    one, ranks = line.agreement, line.agreement.correlation
    return [
        str(line.checkpoints),
        f"{ranks.tau:.2f} ({ranks.low:.2f} to {ranks.high:.2f})" if ranks else "all tied",
        "no pairs" if one.tau_within is None else f"{one.tau_within:.2f}",
        "yes" if one.top_1 else "no",
        f"{one.regret:.3f}",
        f"{one.cost:.1%}",
    ]


def _measured(options: argparse.Namespace) -> list[Line]:
    for name, least in (("draws", _LEAST_DRAWS), ("seed", 0)):
        if (given := getattr(options, name)) < least:
            raise InputError(f"--{name} must be at least {least}, but got {given}")
    specs = [saved_spec(name, options.results) for name in dict.fromkeys(options.names)]
    found = lines(
        pd.concat([compared(spec, Store(spec.folder()).rows()) for spec in specs]), options.draws, options.seed
    )
    if not found:
        raise InputError(
            f"scores of another fidelity than `{FULL}` must be stored, but {', '.join(options.names)} has none: "
            "`evaluation.also` in a spec lists fidelities that are scored beside the full one"
        )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print what was measured; return 0, or 2 for wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m study.fidelity",
        description="Measure how well cheap dev scores rank checkpoints against full test scores, and what they cost.",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="name of a study, a folder under --results")
    parser.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap resamples (default: 2000)")
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="json for machines (default: table)"
    )
    options = parser.parse_args(arguments)
    try:
        found = _measured(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.format == "json":
        print(json.dumps([asdict(line) for line in found], indent=1))
    else:
        Console().print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
