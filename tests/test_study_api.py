"""A study in a notebook says what its report says, and what else is asked of it."""

import doctest
from pathlib import Path

import pandas as pd
import pytest

from curricula import InputError
from study import api
from study.api import Plots, Study
from study.evidence.pairing import Arm
from study.evidence.summary import sum_up
from study.evidence.time_to_target import Target
from study.evidence.verdict import verdicts
from study.figures.pictures import pictures
from study.provenance import Provenance
from study.spec.study import RANDOM_INIT
from tests.filled import TABLE, filled

LONGER = [("linear-0", "linear", 0, 6, (0.6, 0.50)), ("linear-1", "linear", 1, 6, (0.9, 0.90))]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    filled(tmp_path, table=[*TABLE, *LONGER])
    return Study.load("mini", tmp_path)


def test_the_example_of_the_module_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(api)
    assert (found.failed, found.attempted) == (0, 8)


def test_scores_are_tidy_and_say_which_configuration_was_chosen(study: Study) -> None:
    """Dev and test of 20 fine-tunings; `linear-9`, with another learning rate, was worse on dev."""
    scores = study.scores()
    assert len(scores) == 2 * 20
    assert scores.notna().all(axis=None)
    assert set(scores[~scores["chosen"]]["run"]) == {"linear-9"}
    own = scores.query("chosen and split == 'test' and curriculum == 'linear' and budget == 6")
    assert own["value"].tolist() == [0.5, 0.9]
    described = " ".join(str(Study.scores.__doc__).split())
    assert [name for name in scores.columns if f"`{name}`" not in described] == []


def test_scores_are_of_the_metric_that_is_compared(study: Study) -> None:
    others = study.rows[study.rows["metric"] == "mcc"].assign(metric="accuracy", value=0.99)
    both = Study(study.summary, pd.concat([study.rows, others]))
    pd.testing.assert_frame_equal(both.scores(), study.scores())


def test_a_verdict_of_the_report_is_the_one_of_the_report(study: Study) -> None:
    verdict = study.verdict("linear", "constant")
    assert verdict in study.summary.findings.verdicts
    assert (verdict.a, verdict.b) == (Arm("linear", 6), Arm("constant", 6))
    assert verdict.effect.mean == pytest.approx(0.2)  # of 0.5 - 0.4 and 0.9 - 0.6, the repetition that both have


def test_another_verdict_is_adjusted_for_those_of_the_report_too(study: Study) -> None:
    """At 2 steps `linear` has 0.05 and 0.15 where `constant` has 0.3 and 0.5; no other budget has that pair."""
    verdict = study.verdict("constant", "linear", budget=2)
    assert (verdict.a, verdict.b) == (Arm("constant", 2), Arm("linear", 2))
    assert verdict.effect.mean == pytest.approx(0.3)
    known = [(one.a, one.b) for one in study.summary.findings.verdicts]
    assert (verdict.a, verdict.b) not in known
    together = verdicts(study.scores().query("chosen and split == 'test'"), [*known, (verdict.a, verdict.b)])
    assert verdict.p_holm == together[-1].p_holm


def test_a_verdict_of_the_report_can_be_turned_round(study: Study) -> None:
    forth, back = study.verdict("linear", "constant"), study.verdict("constant", "linear")
    assert back.effect.mean == pytest.approx(-forth.effect.mean)
    assert back.p_holm == forth.p_holm


def test_what_is_not_pretrained_is_compared_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path, table=[*TABLE, ("cnn-0", "cnn", 0, 0, (0.7, 0.10))])
    study = Study.load("mini", tmp_path)
    assert study.verdict("constant", RANDOM_INIT, budget=2).b == Arm(RANDOM_INIT, 0)
    both = study.verdict(RANDOM_INIT, "cnn")
    assert (both.a, both.b) == (Arm(RANDOM_INIT, 0), Arm("cnn", 0))
    assert study.verdict("linear", "constant").a == Arm("linear", 2)  # the most that both were scored at


def test_a_verdict_needs_names_and_budgets_that_are_there(tmp_path: Path) -> None:
    table = [("constant-0", "constant", 0, 6, (0.5, 0.4)), ("linear-0", "linear", 0, 2, (0.5, 0.4))]
    filled(tmp_path, table=table)
    study = Study.load("mini", tmp_path)
    with pytest.raises(InputError, match=r"the study mini has no scores of `liner` \(did you mean `linear`\?\)"):
        study.verdict("liner", "constant")
    with pytest.raises(InputError, match="`linear` and `constant` were scored at no budget in common"):
        study.verdict("linear", "constant")
    with pytest.raises(InputError, match=r"no scores of `linear` at 6 steps; `linear` has some at: 2"):
        study.verdict("linear", "constant", budget=6)


def test_claims_are_those_of_the_report(study: Study) -> None:
    (claim,) = study.claims()
    assert claim.arm == Arm("linear", 6)
    assert claim.sentence.startswith("It cannot be said that `linear` at 6 steps helps")


def test_a_target_is_a_number_a_name_or_any_other(study: Study) -> None:
    """One seed has scores at both budgets: `constant` has 0.4 and 0.533, `linear` 0.1 and 0.5.

    Random initialisation has 1/6 under that seed, which `linear` passes after a sixth of the way from 0.1 to 0.5.
    """
    number = study.time_to_target(0.5)
    assert number["constant"].reached["steps"].at_most == pytest.approx(2**0.25 * 6**0.75)
    assert number["linear"].reached["steps"].at_most == pytest.approx(6.0)
    named = study.time_to_target(RANDOM_INIT)
    assert named["linear"].reached["steps"].at_most == pytest.approx(2 ** (5 / 6) * 6 ** (1 / 6))
    assert named["linear"].reached["flops"].at_most == pytest.approx(20 ** (5 / 6) * 60 ** (1 / 6))
    assert study.time_to_target(Target.of_number(0.5)) == number
    assert study.time_to_target(1)["constant"].reached["steps"].at_least == 6
    with pytest.raises(InputError, match="has no scores of `konstant`"):
        study.time_to_target("konstant")


def test_what_shares_no_task_with_the_target_is_left_out(study: Study) -> None:
    assert study.time_to_target(Target.of_share("others", {"tf/0": 0.6})) == {}


@pytest.mark.parametrize("name", ["scores", "losses", "schedules", "time"])
def test_pictures_are_those_of_the_report(study: Study, name: str) -> None:
    assert getattr(study.plot, name)().to_json() == pictures(study.summary)[name].to_json()


def test_ranks_and_profiles_are_drawn_where_there_are_two_tasks(study: Study) -> None:
    """`linear` has 0.7 after 6 steps and `constant` 0.633, on both tasks, which have the same scores."""
    twice = pd.concat([study.rows, study.scores().drop(columns="chosen").assign(task="another")])
    plot = Plots(sum_up(study.spec, study.spec.folder(), twice, Provenance({})))
    line = plot.ranks().data[0]
    assert (list(line.y), list(line.x)) == (["linear", "constant"], [1.0, 2.0])
    shares = {trace.name: trace.y[0] for trace in plot.profiles().data}
    assert shares == {"linear": 1.0, "constant": 0.0}


def test_the_cost_is_drawn_and_what_has_nothing_to_show_says_what_it_needs(study: Study) -> None:
    assert study.plot.costs().to_json() == pictures(study.summary)["costs"].to_json()
    for draw, needs in (
        (study.plot.tasks, "two of them"),
        (study.plot.search, "three trials"),
        (lambda: study.plot.search("linear"), "three trials"),
        (study.plot.importances, "10 trials"),
    ):
        with pytest.raises(InputError, match=f"there is nothing to draw: .*{needs}"):
            draw()


@pytest.mark.parametrize("name", ["ranks", "profiles"])
def test_ranks_need_two_tasks(study: Study, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} need two curricula and two tasks"):
        getattr(study.plot, name)()


def test_what_cannot_be_read_is_warned_of(tmp_path: Path) -> None:
    spec = filled(tmp_path)
    (spec.folder() / "scores/constant-1/00000006.full.parquet").write_bytes(b"PAR1")
    with pytest.warns(UserWarning, match=r"00000006\.full\.parquet cannot be read"):
        study = Study.load("mini", str(tmp_path))
    assert "constant-1" not in set(study.rows["run"])


def test_a_study_whose_spec_is_of_another_version_is_refused(tmp_path: Path) -> None:
    spec = filled(tmp_path)
    with (spec.folder() / "spec.yaml").open("a") as file:
        file.write("warp: 9\n")
    with pytest.raises(InputError, match=r"unknown key `warp`.*`python -m study.report mini` shows the rows of mini"):
        Study.load("mini", tmp_path)
    with pytest.raises(InputError, match="there is no study `nimi`"):
        Study.load("nimi", tmp_path)
