"""What the scores of a study show: verdicts and claims, task by task too, ranks, and what it costs to reach a score."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from curricula import InputError
from study import tasks
from study.evidence.claims import Claim, claims
from study.evidence.effects import Effect
from study.evidence.pairing import Arm, have_pairs, paired, task_means
from study.evidence.published import Group, published_for
from study.evidence.ranks import Ranks, profiles, ranks
from study.evidence.time_to_target import Target, TimeToTarget, time_to_target
from study.evidence.verdict import Verdict, by_group, by_task
from study.spec.study import CONTROL, RANDOM_INIT, StudySpec
from study.store import PRETRAINING

PUBLISHED, SHARE = "DNABERT, random, 120,000 steps (published)", 0.9  # what the paper compares itself with


@dataclass(frozen=True)
class Apart:
    """One curriculum against the control, task by task. It describes: where one of many tasks differs may be chance.

    Attributes:
        tasks: As `verdict.by_task` gives them.
        groups: Mean difference over GUE's tasks of human DNA, and over its others.
    """

    arm: Arm
    control: Arm
    tasks: pd.DataFrame
    groups: dict[Group, Effect]


@dataclass(frozen=True)
class Findings:
    """All that is said of the test scores of a study.

    Attributes:
        claims: On what came to the longest budget that any curriculum reached, controls left out.
        initial: Every pretrained curriculum at its largest budget against random initialisation.
        verdicts: These, and each comparison behind a claim; p is adjusted for all of them.
        ranks: Of what came to that budget; None for one curriculum or one task.
        profiles: Of the same.
        times: To the control's score at its largest budget, that of the control itself among them; and to a share of a
            published score, where the tasks have one.
        apart: What came to the longest budget, the control left out; nothing where there is one task.
    """

    claims: list[Claim]
    initial: list[Verdict]
    verdicts: list[Verdict]
    ranks: Ranks | None
    profiles: pd.DataFrame | None
    times: list[TimeToTarget]
    apart: list[Apart]


def findings(spec: StudySpec, rows: pd.DataFrame, largest: Mapping[str, int]) -> Findings:
    """Find what the rows of a study show.

    Args:
        spec: Of the study.
        rows: As `Store.rows` gives them, of one configuration of each curriculum.
        largest: The largest budget, steps, at which each pretrained curriculum was scored in full.
    """
    if not largest:
        return Findings([], [], [], None, None, [], [])
    scored = tasks.scores(spec, rows, "test")
    arms, initial = [Arm(name, budget) for name, budget in largest.items()], Arm(RANDOM_INIT, 0)
    has_initial = bool((scored["curriculum"] == RANDOM_INIT).any())
    also = [(arm, initial) for arm in arms if has_initial and have_pairs(scored, arm, initial)]
    claimed, verdicts = claims(spec, rows, max(largest.values()), also)
    furthest = [arm for arm in arms if arm.budget == max(largest.values())]
    means = _means(scored, furthest)
    return Findings(
        claims=claimed,
        initial=[verdict for verdict in verdicts if (verdict.a, verdict.b) in also],
        verdicts=verdicts,
        ranks=None if means is None else ranks(means),
        profiles=None if means is None else profiles(means),
        times=[
            time
            for target in _targets(spec, scored, largest)
            for time in times(scored, rows[rows["task"] == PRETRAINING], largest, target)
        ],
        apart=[] if scored["task"].nunique() < 2 else _apart(scored, furthest),
    )


def _apart(scored: pd.DataFrame, arms: list[Arm]) -> list[Apart]:
    control = next((arm for arm in arms if arm.curriculum == CONTROL), None)
    if control is None:
        return []
    others = [arm for arm in arms if arm != control and have_pairs(scored, arm, control)]
    both = [(arm, paired(scored, arm, control)) for arm in others]
    return [Apart(arm, control, by_task(pairs), by_group(pairs)) for arm, pairs in both]


def _means(scored: pd.DataFrame, arms: list[Arm]) -> pd.DataFrame | None:
    """Return (tasks, curricula) means where there are two of each to be ranked."""
    if len(arms) < 2 or not all(have_pairs(scored, arms[0], other) for other in arms[1:]):
        return None
    means = task_means(scored, arms)
    return means.rename(columns=lambda arm: arm.curriculum) if len(means) > 1 else None


def _targets(spec: StudySpec, scored: pd.DataFrame, largest: Mapping[str, int]) -> list[Target]:
    """Return what there is to reach: the control's score, and a share of what the paper's own baseline has."""
    found = []
    if CONTROL in largest:
        found.append(Target.of_arm(scored, Arm(CONTROL, largest[CONTROL])))
    tasks_of_mcc = [task.name for task in spec.evaluation.tasks if spec.evaluation.metric_of(task.name) == "mcc"]
    line = next((line for line in published_for(tasks_of_mcc) if line.label == PUBLISHED), None)
    if line is not None:
        found.append(Target.of_share(line.label, line.mcc, SHARE))
    return found


def times(
    scored: pd.DataFrame, pretraining: pd.DataFrame, curricula: Iterable[str], target: Target
) -> list[TimeToTarget]:
    """Return what curricula need to reach a target, as far as they can be compared with it.

    Args:
        scored: Test scores, as `time_to_target` takes them.
        pretraining: Rows of the pretraining, which have its costs.
        curricula: Those that were pretrained.
        target: What to reach.
    """
    rows, found = pd.concat([scored, pretraining]), []
    for name in curricula:
        try:
            found.append(time_to_target(rows, name, target))
        except InputError:  # no task and seed has a score at every budget: the study is not done yet
            continue
    return found
