"""A study in a notebook: its scores as a table, its verdicts and claims, and the pictures of its report.

>>> from study.api import Study
>>> study = Study.load("mini")
>>> study
<Study mini: constant, linear, random_init>
>>> test = study.scores().query("chosen and split == 'test' and curriculum == 'constant'")
>>> test.groupby("budget")["value"].mean().round(3).to_dict()
{2: 0.4, 6: 0.633}
>>> print(study.verdict("constant", "random_init").sentence("MCC"))
`constant` at 6 steps against `random_init`: +0.417 MCC, from too little to tell (1 task(s), 2 seed(s)).
>>> study.time_to_target(0.5)["constant"].reached["steps"].in_words()
'4.56'
>>> figure = study.plot.scores()  # in a notebook, what stands alone on a line is drawn
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from curricula import InputError
from curricula.errors import nearest
from study import tasks
from study.evidence.claims import Claim
from study.evidence.findings import times
from study.evidence.pairing import Arm
from study.evidence.summary import CurriculumLine, Summary
from study.evidence.time_to_target import Target, TimeToTarget
from study.evidence.verdict import Verdict, verdicts
from study.report.reading import copies_of, opened
from study.spec.study import StudySpec
from study.store import PRETRAINING


@dataclass(frozen=True, repr=False)
class Study:
    """A study as it lies in its folder; `Study.load` opens it.

    Attributes:
        summary: All that the report shows.
        rows: Every row that could be read, losses and costs of the pretraining included, as `Store.rows` gives them.
    """

    summary: Summary
    rows: pd.DataFrame

    @classmethod
    def load(cls, name: str, results: str | Path = "results") -> "Study":
        """Open a study; what of it cannot be read, such as a damaged file, is warned of and left out.

        Args:
            name: Of its folder.
            results: The folder of all studies.

        Raises:
            InputError: there is no such study, or this version cannot use its spec or its scores.
        """
        place = Path(results).expanduser().resolve()
        found = opened(name, place, copies_of(name, place))
        if found.summary is None:
            raise InputError("; ".join([*found.notes, f"`python -m study.report {name}` shows the rows of {name}"]))
        for note in found.notes:
            warnings.warn(note, stacklevel=2)
        return cls(found.summary, found.rows)

    def __repr__(self) -> str:
        return f"<Study {self.spec.name}: {', '.join(line.curriculum for line in self.summary.lines)}>"

    @property
    def spec(self) -> StudySpec:
        """The study's spec."""
        return self.summary.spec

    def scores(self) -> pd.DataFrame:
        """Return every score of every trial, one a row, in the metric in which its task is compared.

        Further metrics are in `rows`: a mean over them would be none of anything.

        Columns: `curriculum`, `parameters` (JSON) and `seed` of a trial, its `run` (name) and `role`; `budget`, the
        steps of pretraining before the score, of a `horizon`; `branch` (trunk or cooldown); `task`, `repetition`
        (fine-tuning seed or few-shot draw), `split` (dev or test), `fidelity` (full, or the name of a cheaper way),
        `metric` and its `value`; `seconds` that this fine-tuning took; `study`; and `chosen`, whether the report shows
        the configuration: the best of its curriculum by its dev scores.
        """
        found = tasks.own_metric(self.spec, self.rows)
        return found.assign(chosen=found["run"].isin(self._chosen()))

    def verdict(self, a: str, b: str, budget: int | None = None) -> Verdict:
        """Return the verdict on two curricula, controls or baselines; a positive difference is in favour of `a`.

        Its p is adjusted for all comparisons of the report, and for this one where it is not among them: who looks
        further finds more by chance.

        Args:
            a: The one.
            b: The other.
            budget: Steps at which those that are pretrained are compared; none: the most that both were scored at.

        Raises:
            InputError: an unknown name; no budget, or no task and seed, that both have.
        """
        pair = self._arms(self._line(a), self._line(b), budget)
        known = self.summary.findings.verdicts
        found = next((verdict for verdict in known if (verdict.a, verdict.b) == pair), None)
        if found is not None:
            return found
        others = [(verdict.a, verdict.b) for verdict in known if {verdict.a, verdict.b} != set(pair)]
        return verdicts(self._compared(), [pair, *others])[0]

    def claims(self) -> list[Claim]:
        """Return what may be said of each curriculum that came to the longest budget, controls left out."""
        return self.summary.findings.claims

    def time_to_target(self, target: Target | float | str) -> dict[str, TimeToTarget]:
        """Return what each pretrained curriculum needs to reach a score.

        Args:
            target: A mean over tasks; or the name of a curriculum, control or baseline, for its score at its largest
                budget; or any `Target`, such as a share of published scores.

        Returns:
            By curriculum, those left out that have no task and seed scored at all their budgets and in the target.

        Raises:
            InputError: an unknown name.
        """
        if isinstance(target, str):
            line = self._line(target)
            target = Target.of_arm(self._compared(), Arm(line.curriculum, max(line.at)))
        elif not isinstance(target, Target):
            target = Target.of_number(target)
        names = [line.curriculum for line in self.summary.lines if line.is_pretrained]
        costs = self.rows[(self.rows["task"] == PRETRAINING) & self.rows["run"].isin(self._chosen())]
        return {time.curriculum: time for time in times(self._compared(), costs, names, target)}

    @property
    def plot(self) -> "Plots":
        """The pictures of the report."""
        return Plots(self.summary)

    def _chosen(self) -> list[str]:
        return [run for line in self.summary.lines for run in line.runs]

    def _compared(self) -> pd.DataFrame:
        """Return the test scores that the report compares."""
        return tasks.scores(self.spec, self.rows[self.rows["run"].isin(self._chosen())], "test")

    def _line(self, name: str) -> CurriculumLine:
        lines = {line.curriculum: line for line in self.summary.lines}
        if name not in lines:
            raise InputError(f"the study {self.spec.name} has no scores of `{name}`{nearest(name, lines)}")
        return lines[name]

    def _arms(self, a: CurriculumLine, b: CurriculumLine, budget: int | None) -> tuple[Arm, Arm]:
        if budget is None:
            pretrained = [set(line.at) for line in (a, b) if line.is_pretrained]
            shared = set.intersection(*pretrained) if pretrained else {0}
            if not shared:
                raise InputError(f"`{a.curriculum}` and `{b.curriculum}` were scored at no budget in common")
            budget = max(shared)
        one, other = (Arm(line.curriculum, budget if line.is_pretrained else 0) for line in (a, b))
        return one, other


@dataclass(frozen=True)
class Plots:
    """The pictures of a report, as plotly figures."""

    summary: Summary

    def scores(self) -> Any:
        """Draw the test score at each budget with its seeds; from three on, bars and bands are 95 % intervals."""
        from study.figures import scores

        return scores.scores(self.summary)

    def losses(self) -> Any:
        """Draw the validation loss at each budget."""
        from study.figures import curves

        return curves.losses(self.summary)

    def schedules(self) -> Any:
        """Draw what each curriculum asked for over the horizon."""
        from study.figures import curves

        return curves.schedules(self.summary)

    def time(self) -> Any:
        """Draw the seconds of each curriculum's best run, by part."""
        from study.figures import curves

        return curves.time(self.summary)

    def costs(self) -> Any:
        """Draw the test score against what one pretraining took, and what nothing dominates.

        Raises:
            InputError: no cost is known.
        """
        from study.figures import cost

        return _shown(cost.score_and_cost(self.summary), "costs need rows of the pretraining")

    def tasks(self) -> Any:
        """Draw on which tasks each curriculum is above the control, and on which below.

        Raises:
            InputError: there is one task, or nothing to compare with the control.
        """
        from study.figures import task_map

        return _shown(task_map.heat_map(self.summary), "tasks need two of them, and a curriculum beside `constant`")

    def search(self, curriculum: str | None = None) -> Any:
        """Draw each trial of the search as a line through what it tried.

        Args:
            curriculum: The one whose own arguments are shown; none: what all curricula share.

        Raises:
            InputError: there was no search, or too few trials, or the curriculum has no argument that was searched.
        """
        from study.figures import searches

        found = searches.searches(self.summary)
        return _shown(found.get(curriculum or ""), "search needs three trials, and arguments that were searched")

    def importances(self) -> Any:
        """Draw how much of the differences between trials each searched number explains.

        Raises:
            InputError: no curriculum has enough trials at one budget.
        """
        from study.figures import searches
        from study.figures.importances import FEWEST

        needs = f"importances need {FEWEST} trials of a curriculum at one budget, and two numbers that were searched"
        return _shown(searches.importance(self.summary), needs)

    def ranks(self) -> Any:
        """Draw average ranks over tasks.

        Raises:
            InputError: fewer than two curricula, or tasks, came to the longest budget.
        """
        return self._of_verdict("ranks")

    def profiles(self) -> Any:
        """Draw on how many tasks each curriculum is how near to the best.

        Raises:
            InputError: as `ranks`.
        """
        return self._of_verdict("profiles")

    def _of_verdict(self, name: str) -> Any:
        from study.figures import ranking  # loads torch, which tables do not need

        found = ranking.ranks_and_profiles(self.summary).get(name)
        return _shown(found, f"{name} need two curricula and two tasks that came to the longest budget")


def _shown(figure: Any, needs: str) -> Any:
    if figure is None:
        raise InputError(f"there is nothing to draw: {needs}")
    return figure
