"""Which controls a study has, and the one sentence that it may say of a curriculum."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from curricula import InputError
from study.evidence.claims import Claim, Support, claims
from study.evidence.controls import Control, controls, in_words
from study.evidence.pairing import Arm
from study.evidence.verdict import Outcome
from study.runs import default_run
from study.spec.evaluation import CONTROLS
from study.spec.files import load, parse
from study.spec.study import StudySpec
from tests.score_rows import costs, scored
from tests.studies import MINI

BUDGET, SEEDS = 6, 4
CURRICULA: dict[str, Any] = {
    "constant": {"strategy": "random", "span": 1},
    "long_spans": {"curriculum": "constant", "strategy": "random", "span": 6},
    "often": {"curriculum": "constant", "strategy": "random", "span": 1, "rate": 0.3},
    "genemask": {"curriculum": "constant", "strategy": "genemask"},
    "cm_gems": {},
    "placebo_cm_gems": {},
    "linear": {"span": 1},
}
SHARES = {"constant": 0.15, "long_spans": 0.15, "often": 0.30, "genemask": 0.17, "linear": 0.30}  # others: 0.15


def study(*names: str, **changes: Any) -> StudySpec:
    chosen = {name: CURRICULA[name] for name in names}
    return parse({**MINI, "curricula": chosen, "grid": "all", "search": {"trials": 0}, **changes}, "test")


def rows_of(spec: StudySpec, scores: Mapping[str, float], seeds: int = SEEDS) -> pd.DataFrame:
    """Rows of every curriculum with about this score on each of ten tasks; tasks and seeds differ a little."""
    draw, parts = np.random.default_rng(0), []
    level = draw.normal(0, 0.1, (10, 1))
    for name, score in scores.items():
        values = level + score + 0.002 * draw.normal(size=(10, 1 if name in CONTROLS else seeds))
        table = {f"task/{number}": list(row) for number, row in enumerate(values)}
        if name not in spec.curricula:
            parts.append(scored(name, 0, table, role="baseline" if name in CONTROLS else "control"))
            continue
        parameters = json.dumps(default_run(spec, name, "grid").parameters())
        parts.append(scored(name, BUDGET, table, parameters=parameters))
        parts.append(costs(name, BUDGET, tokens=1e7, masked_tokens=1e7 * SHARES.get(name, 0.15)))
    return pd.concat(parts, ignore_index=True)


FLOORS = {"random_init": 0.1, "kmer_counts": 0.2, "cnn": 0.2}
ALL = {**FLOORS, "constant": 0.5, "long_spans": 0.5, "often": 0.5, "placebo_cm_gems": 0.5, "cm_gems": 0.6}
NAMES = ("constant", "long_spans", "often", "placebo_cm_gems", "cm_gems")


def claim(scores: Mapping[str, float], names: tuple[str, ...] = NAMES, seeds: int = SEEDS) -> Claim:
    """Return the only claim of a study."""
    spec = study(*names)
    (found,), _ = claims(spec, rows_of(spec, scores, seeds), BUDGET)
    return found


def test_with_every_control_beaten_the_evidence_supports_pmi() -> None:
    found = claim(ALL)
    assert found.supports is Support.PMI
    assert found.missing == ()
    assert len(found.verdicts) == 7
    assert found.sentence.startswith(
        "`cm_gems` at 6 steps helps, and the evidence supports PMI content: it beat `random_init`, `kmer_counts`, "
        "`cnn`, `constant`, `long_spans`, `often`, `placebo_cm_gems` (by the least `"
    )
    assert "10 task(s), 4 seeds)." in found.sentence


@pytest.mark.parametrize(
    ("as_good", "supports", "words"),
    [
        (
            "placebo_cm_gems",
            Support.SCHEDULE,
            "the evidence supports what is hidden when, whatever its PMI, and no more.",
        ),
        ("often", Support.RATE, "the evidence supports masking rate, and no more."),
        ("long_spans", Support.SPAN, "the evidence supports span length, and no more."),
    ],
)
def test_a_control_that_does_as_well_is_the_explanation(as_good: str, supports: Support, words: str) -> None:
    found = claim({**ALL, as_good: 0.6})
    assert found.supports is supports
    assert found.sentence.startswith("`cm_gems` at 6 steps beat `constant` (+0.1")
    assert f"but was not shown to beat `{as_good}`, so {words}" in found.sentence
    assert "helps" not in found.sentence


@pytest.mark.parametrize("as_good", ["constant", "random_init", "kmer_counts", "cnn"])
def test_without_a_lead_over_the_plainest_nothing_is_supported(as_good: str) -> None:
    found = claim({**ALL, as_good: 0.6})
    assert found.supports is Support.NOTHING
    assert (
        f"The evidence for `cm_gems` at 6 steps supports nothing: it was not shown to beat `{as_good}` ("
        in found.sentence
    )


def test_a_floor_that_is_above_it_is_said_to_be() -> None:
    found = claim({**ALL, "cnn": 0.9, "constant": 0.6})
    assert found.supports is Support.NOTHING
    assert found.sentence.startswith(
        "The evidence for `cm_gems` at 6 steps supports nothing: it was worse than `cnn` (-0.3"
    )
    assert "4 seeds), and was not shown to beat `constant` (" in found.sentence


def test_of_several_the_simplest_explanation_is_named() -> None:
    assert claim({**ALL, "long_spans": 0.6, "placebo_cm_gems": 0.6}).supports is Support.SPAN
    assert claim({**ALL, "constant": 0.6, "long_spans": 0.6}).supports is Support.NOTHING


@pytest.mark.parametrize(
    ("name", "missing", "words"),
    [
        ("random_init", Control.RANDOM_INIT, "random initialisation"),
        ("kmer_counts", Control.KMER_COUNTS, "k-mer counts"),
        ("cnn", Control.CNN, "a CNN"),
        ("placebo_cm_gems", Control.PLACEBO, "its placebo with shuffled PMI"),
        ("long_spans", Control.LONG_SPANS, "constant random masking with 7-token spans (`span: 6`)"),
    ],
)
def test_without_a_control_it_is_never_said_that_it_helps(name: str, missing: Control, words: str) -> None:
    found = claim({other: score for other, score in ALL.items() if other != name})
    assert (found.supports, found.missing) == (Support.UNKNOWN, (missing,))
    assert found.sentence == f"It cannot be said that `cm_gems` at 6 steps helps: the study lacks {words}."


def test_all_that_is_missing_is_named() -> None:
    found = claim({"constant": 0.5, "cm_gems": 0.6})
    assert set(found.missing) == set(Control) - {Control.SHORT_SPANS, Control.BUDGET}
    assert found.sentence.count(";") == 4
    assert [verdict.outcome for verdict in found.verdicts] == [Outcome.BETTER]


def test_spans_are_counted_in_tokens_of_the_study() -> None:
    assert in_words(Control.SHORT_SPANS, 6) == "constant random masking with 6-token spans (`span: 1`)"
    assert in_words(Control.LONG_SPANS, 6) == "constant random masking with 11-token spans (`span: 6`)"
    assert in_words(Control.BUDGET, 6) == "constant random masking that hides as many tokens"


def test_one_seed_is_no_evidence_even_with_every_control() -> None:
    found = claim(ALL, seeds=1)
    assert found.supports is Support.NOTHING
    assert found.sentence.endswith("helps: one seed says nothing about other initialisations.")


def test_a_curriculum_that_never_looks_at_pmi_needs_no_placebo() -> None:
    """`linear` moves the rate and masks 30 % on the whole, as `often` does; `constant` masks 15 %."""
    names = ("constant", "long_spans", "often", "linear")
    scores = {**FLOORS, "constant": 0.5, "long_spans": 0.5, "often": 0.5, "linear": 0.6}
    found = claim(scores, names)
    assert found.supports is Support.SCHEDULE
    assert "helps, and the evidence supports what is hidden when, whatever its PMI: it beat" in found.sentence
    lacking = claim({name: score for name, score in scores.items() if name != "often"}, names)
    assert lacking.missing == (Control.BUDGET,)
    assert claim({**scores, "often": 0.6}, names).supports is Support.RATE


def test_the_budget_is_that_which_was_measured() -> None:
    spec = study(*NAMES)
    rows = rows_of(spec, ALL)
    (beside,) = controls(spec, rows, BUDGET)
    assert {one.arm.curriculum: (one.span, one.is_same_budget) for one in beside.constants} == {
        "constant": (1, True),
        "long_spans": (6, True),
        "often": (1, False),
    }
    (beside,) = controls(spec, rows[rows["metric"] != "masked_tokens"], BUDGET)
    assert beside.missing == (Control.BUDGET,)


@pytest.mark.parametrize(("tokens", "is_same"), [(5e2, True), (3970, True), (3980, False), (1e7, False)])
def test_in_few_tokens_chance_moves_the_share_that_is_masked(tokens: float, is_same: bool) -> None:
    """Up to 3,975 tokens, 15 and 20 % are not told apart.

    Two standard errors of the difference are 2 sqrt(7 (0.15 * 0.85 + 0.2 * 0.8) / tokens), as 7 tokens of 2-mers are
    hidden by a span of 6 nucleotides; with half a point that is 5 points where tokens = 28 * 0.2875 / 0.045^2.
    """
    spec = study("constant", "genemask")
    rows = rows_of(spec, {"constant": 0.5, "genemask": 0.5})
    shares = {"constant": 0.15, "genemask": 0.20}
    for name, share in shares.items():
        own = rows["curriculum"] == name
        rows.loc[own & (rows["metric"] == "tokens"), "value"] = tokens
        rows.loc[own & (rows["metric"] == "masked_tokens"), "value"] = share * tokens
    (beside,) = controls(spec, rows, BUDGET)
    assert beside.constants[0].is_same_budget is is_same


def test_a_control_without_a_seed_in_common_is_missing() -> None:
    spec = study(*NAMES)
    rows = rows_of(spec, ALL)
    rows.loc[rows["curriculum"] == "placebo_cm_gems", "seed"] += SEEDS
    (found,), _ = claims(spec, rows, BUDGET)
    assert found.missing == (Control.PLACEBO,)


def test_a_placebo_has_the_arguments_of_its_curriculum() -> None:
    spec = study(*NAMES, "genemask")
    other = spec.model_copy(update={"curricula": {**spec.curricula, "placebo_cm_gems": {"span": 3}}})
    seeded = spec.model_copy(update={"curricula": {**spec.curricula, "placebo_cm_gems": {"placebo_seed": 3}}})
    rows = rows_of(spec, {**ALL, "genemask": 0.5})

    def placebos(of: StudySpec) -> dict[str, Any]:
        return {one.arm.curriculum: one.placebo and one.placebo.curriculum for one in controls(of, rows, BUDGET)}

    assert placebos(spec) == {"cm_gems": "placebo_cm_gems", "genemask": None}
    assert placebos(seeded)["cm_gems"] == "placebo_cm_gems"
    assert placebos(other)["cm_gems"] is None


def test_p_is_adjusted_over_the_claims_of_a_study() -> None:
    spec = study(*NAMES, "genemask")
    shown = (Arm("often", BUDGET), Arm("constant", BUDGET)), (Arm("cm_gems", BUDGET), Arm("constant", BUDGET))
    found, judged = claims(spec, rows_of(spec, {**ALL, "genemask": 0.5}), BUDGET, shown)
    assert {one.arm.curriculum for one in found} == {"cm_gems", "genemask"}
    assert len(judged) == 7 + 6 + 1
    assert [(verdict.a, verdict.b) for verdict in judged[:2]] == list(shown)
    assert set(found[0].verdicts) | set(found[1].verdicts) == set(judged) - {judged[0]}
    smallest = min(judged, key=lambda verdict: verdict.p)
    assert smallest.p_holm == pytest.approx(14 * smallest.p)


def test_nothing_is_claimed_where_nothing_was_scored() -> None:
    spec = study(*NAMES)
    assert claims(spec, rows_of(spec, ALL), 4) == ([], [])
    assert claims(spec, rows_of(spec, {"constant": 0.5, "long_spans": 0.5}), BUDGET) == ([], [])


def test_two_configurations_of_one_curriculum_are_refused() -> None:
    spec = study(*NAMES)
    rows = rows_of(spec, ALL)
    again = rows[rows["curriculum"] == "cm_gems"].assign(parameters='{"rate": 0.2}', seed=9)
    with pytest.raises(InputError, match="rows of `cm_gems` at 6 steps must be of one parameters, but are of "):
        claims(spec, pd.concat([rows, again]), BUDGET)


@pytest.mark.parametrize("name", ["cm_gems_logo", "cm_gems_dnabert", "full"])
def test_the_shipped_comparisons_have_every_control_that_a_claim_on_cm_gems_needs(name: str) -> None:
    spec = load(name, [])
    scores = {**FLOORS, **dict.fromkeys(("constant", "random_11", "placebo_cm_gems", "cm_gems"), 0.5)}
    (beside,) = controls(spec, rows_of(spec, scores), BUDGET)
    assert beside.arm.curriculum == "cm_gems"
    assert beside.missing == ()
