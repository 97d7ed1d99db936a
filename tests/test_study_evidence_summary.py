"""Lines, spreads and sentences of a summary, on rows small enough to check by hand."""

import json
from pathlib import Path

import pandas as pd
import pytest

from study import outcome
from study.evidence.summary import Summary, _scored, summarise
from study.figures import curves, scores
from study.report import html, tables
from study.report.sentences import scored_at, sentences
from study.spec.files import parse
from study.spec.study import RANDOM_INIT, StudySpec
from study.store import Row, Store
from tests.filled import TABLE, fill
from tests.score_rows import scored
from tests.studies import MINI


@pytest.fixture
def spec() -> StudySpec:
    return parse({**json.loads(json.dumps(MINI)), "seeds": 2}, "test")


@pytest.fixture
def summary(spec: StudySpec, tmp_path: Path) -> Summary:
    fill(tmp_path, TABLE)
    return summarise(spec, tmp_path)


def test_lines_are_ordered_by_how_far_they_came_and_their_dev_score(summary: Summary) -> None:
    assert [line.curriculum for line in summary.lines] == ["constant", "linear", RANDOM_INIT]
    assert summary.best is summary.lines[0]


def test_scores_are_means_and_spreads_over_seeds_and_repetitions(summary: Summary) -> None:
    constant = summary.lines[0]
    assert constant.runs == ["constant-0", "constant-1"]
    assert constant.at[2].mean == pytest.approx(0.4)
    assert constant.at[6].mean == pytest.approx(0.6333333)
    assert constant.at[6].spread == pytest.approx(0.1505545)  # of 0.4, 0.6, 0.6, 0.6, 0.8, 0.8
    assert constant.at[6].values == 6
    assert constant.loss == pytest.approx({2: 1.8, 6: 1.4})


def test_that_tasks_lie_apart_is_no_spread_and_intervals_are_over_seeds() -> None:
    """Seeds are at 0.45, 0.55, 0.65 over both tasks: SD 0.1; half the interval: 4.303 (t of 2) times 0.1 / sqrt(3)."""
    rows = scored("constant", 6, {"a": [0.2, 0.3, 0.4], "b": [0.7, 0.8, 0.9]})
    own = _scored(rows)
    assert (own.mean, own.spread, own.values) == (pytest.approx(0.55), pytest.approx(0.1), 3)
    assert own.by_seed == pytest.approx((0.45, 0.55, 0.65))
    assert own.half_width == pytest.approx(0.248414, abs=1e-6)
    assert _scored(rows[rows["seed"] < 2]).half_width is None
    twice = pd.concat([rows, rows[rows["task"] == "a"].assign(repetition=1)])  # one task is fine-tuned twice
    assert (_scored(twice).mean, _scored(twice).values) == (pytest.approx(0.55), 6)
    assert _scored(twice).spread == pytest.approx(0.02**0.5 / 5**0.5 * 2**0.5)  # each of the three values twice


def test_a_picture_has_every_seed_and_the_interval_of_three(spec: StudySpec, tmp_path: Path) -> None:
    third = ("constant-2", "constant", 2, 6, (0.5, 0.50), (0.5, 0.70), (0.5, 0.60))
    fill(tmp_path, [*TABLE, third])
    each, curve = scores.scores(summarise(spec, tmp_path)).data[:2]
    assert (each.x, each.y) == (
        (6, 6, 6),
        pytest.approx((1.6 / 3, 2.2 / 3, 0.6)),
    )  # of one seed alone there is the mean
    assert curve.error_y.array == pytest.approx((0.0, 4.302653 * 0.1018350 / 3**0.5), abs=1e-5)


def test_the_best_configuration_is_chosen_on_dev_not_on_test(summary: Summary) -> None:
    linear = summary.lines[1]
    assert linear.runs == ["linear-0"]
    assert linear.trials == 2


def test_cost_counts_all_trials_of_a_curriculum_once(summary: Summary) -> None:
    scoring = 8 * 3.0  # fine-tunings, each on one worker
    constant = summary.lines[0].costs
    assert constant.seconds == 6 + 6 + scoring
    assert constant.worker_hours == pytest.approx((2 * (6 + 6) + scoring) / 3600)
    assert (constant.gpu_hours, constant.money) == (0.0, None)
    assert constant.flops == 120.0
    assert summary.lines[-1].costs.flops == 0.0


def test_gpus_and_money_are_counted_where_the_spec_names_them(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, TABLE)
    cluster = spec.cluster.model_copy(update={"gpus_per_worker": 0.5, "price_per_worker_hour": 3600.0})
    priced = summarise(spec.model_copy(update={"cluster": cluster}), tmp_path)
    costs = priced.lines[0].costs
    assert costs.money == pytest.approx(2 * (6 + 6) + 8 * 3.0)
    assert costs.gpu_hours == pytest.approx(costs.worker_hours / 2)
    page = html.write(priced, tmp_path).read_text()
    assert "GPU-hours</th>" in page
    assert "money</th>" in page
    assert '<td class="number">48.00</td>' in page


def test_a_branch_costs_its_own_steps_beside_the_training_it_leaves(tmp_path: Path) -> None:
    cooling = parse({**MINI, "pretraining": {**MINI["pretraining"], "cooldown": 0.5}}, "test")
    fill(tmp_path, TABLE[2:4], "cooldown")  # constant-0 at 2 and 6 steps, the trunk forked at 1 and 3
    cooled = summarise(cooling, tmp_path)
    assert cooled.lines[0].costs.flops == 10.0 * (6 + 1)
    assert scored_at(cooled) == "scores after a cool-down to each budget"
    assert "scores after a cool-down to each budget" in html.write(cooled, tmp_path).read_text()


def test_each_horizon_is_a_training_of_its_own(tmp_path: Path) -> None:
    alone = parse({**MINI, "pretraining": {**MINI["pretraining"], "horizon": "budget"}}, "test")
    fill(tmp_path, [])
    assert scored_at(summarise(alone, tmp_path)) == "scores of a run of its own for each budget"


def test_the_speed_is_that_of_the_best_run_at_its_last_budget(summary: Summary) -> None:
    speed = summary.lines[0].speed
    assert speed is not None
    assert (speed.tokens_per_second, speed.mfu) == (1234.0, 0.25)
    assert speed.parts == {"forward": 1.5, "backward": 3.0, "other": 1.5}
    assert speed.communication == 0.75  # it goes on during the backward pass
    assert summary.lines[-1].speed is None
    drawn = curves.time(summary)
    assert [trace.name for trace in drawn.data] == ["forward", "backward", "other"]
    assert list(drawn.data[1].x) == [3.0, 1.0]
    assert list(drawn.data[0].y) == ["constant", "linear"]


def test_the_comparison_with_random_initialisation_pairs_seed_and_repetition(summary: Summary) -> None:
    """Seed 0 is 0.3, 0.4, 0.4 above, seed 1 0.4, 0.5, 0.5: means of 0.3667 and 0.4667; Student's t is 12.706."""
    constant, linear = summary.findings.initial
    assert (constant.effect.tasks, constant.effect.seeds) == (1, 2)
    assert constant.effect.mean == pytest.approx(0.4166667)
    assert constant.effect.half_width == pytest.approx(12.7062 * 0.05, rel=1e-4)
    assert (linear.effect.seeds, linear.effect.mean) == (1, pytest.approx(-0.05))


def test_the_sentences_claim_what_was_shown(summary: Summary) -> None:
    said = sentences(summary)
    assert said[0].startswith("No claim is made that one curriculum beats another: none but controls came to")
    assert said[1].startswith("However large, no difference could have been shown here: with 1 task(s), 2 seed(s) and ")
    assert "After 6 steps under `constant` the validation loss is 1.40 nats a masked token; guessing" in said[2]
    little = "from too little to tell (1 task(s), {} seed(s))."
    assert said[3] == f"`constant` at 6 steps against `random_init`: +0.417 MCC, {little.format(2)}"
    assert said[4] == f"`linear` at 2 steps against `random_init`: -0.050 MCC, {little.format(1)}"


def test_a_run_that_diverged_is_named(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, TABLE)
    failure = tmp_path / "runs" / "step-s0" / "failure.json"
    failure.parent.mkdir(parents=True)
    failure.write_text(json.dumps({"reason": "the gradient is nan"}))
    assert "1 run(s) diverged and have no score: step-s0." in sentences(summarise(spec, tmp_path))[-1]


def test_one_pair_is_no_comparison(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, [TABLE[0]])
    only = summarise(spec, tmp_path)
    assert only.findings.verdicts == []
    assert only.best is None
    assert outcome.key_numbers(only) == {
        "random_init_score": pytest.approx(0.1666667),
        "worker_hours": pytest.approx(0.0025),
        "gpu_hours": 0.0,
    }


def test_mlflow_is_told_each_comparison_and_what_may_be_claimed(summary: Summary) -> None:
    numbers, words = outcome.key_numbers(summary), outcome.key_words(summary)
    verdicts = {(one.a.curriculum, one.b.curriculum): one for one in summary.findings.verdicts}
    for (a, b), verdict in verdicts.items():
        assert numbers[f"verdict/{a} over {b}: difference"] == verdict.effect.mean
        assert numbers[f"verdict/{a} over {b}: adjusted p"] == verdict.p_holm
    assert ("constant", RANDOM_INIT) in verdicts
    assert words["best_curriculum"] == "constant"
    claimed = {claim.arm.curriculum: claim.sentence for claim in summary.findings.claims}
    assert {name: words[f"claim.{name}"] for name in claimed} == claimed


@pytest.mark.parametrize(("longest", "kind", "start"), [(40, "linear", 0), (60, "log", 2)])
def test_budgets_that_lie_far_apart_are_on_a_logarithmic_axis(
    spec: StudySpec, tmp_path: Path, longest: int, kind: str, start: int
) -> None:
    """From 20 times the first one on, 2 steps; what is not pretrained is drawn from where the axis begins."""
    fill(tmp_path, TABLE)
    pretraining = spec.pretraining.model_copy(update={"budgets": [2, 6, longest]})
    figure = scores.scores(summarise(spec.model_copy(update={"pretraining": pretraining}), tmp_path))
    assert figure.layout.xaxis.type == kind
    assert figure.layout.xaxis.tickvals == ((0,) if kind == "linear" else ()) + (2, 6, longest)
    (level,) = [trace for trace in figure.data if trace.name == "random_init"]
    assert level.x == (start, longest)


def test_table_figures_and_report_hold_every_curriculum(summary: Summary, tmp_path: Path) -> None:
    assert outcome.table(summary).row_count == 3
    assert {trace.name for trace in curves.losses(summary).data} == {"constant", "linear"}
    assert {trace.name for trace in curves.schedules(summary).data} == {"constant", "linear"}
    assert [trace.name for trace in scores.scores(summary).data if trace.name] == [
        "constant",
        "linear",
        "random_init",
    ]
    page = html.write(summary, tmp_path).read_text()
    assert "https://cdn" not in page.partition("<body>")[2]
    assert page.count('class="plotly-graph-div"') == 5  # score against cost is there: the cost is known
    assert "scores on the way to 6 steps" in page
    costs = "".join(f'<th class="number">{name}</th>' for name in ("worker-hours", "model FLOPs", "tokens/s", "MFU"))
    assert costs in page
    shown = ("constant", "0.0133", "1.2e+02", "1,234", "25.0%", "12%")
    assert all(f">{value}</td>" in page for value in shown)


def test_a_study_in_which_nothing_was_scored_still_has_a_report(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, [])
    empty = summarise(spec, tmp_path)
    assert empty.best is None
    assert outcome.table(empty).row_count == 0
    assert "No claim is made" in html.write(empty, tmp_path).read_text()


def test_a_curriculum_whose_first_seed_failed_is_still_shown(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, [TABLE[4]])
    (line,) = summarise(spec, tmp_path).lines
    assert line.runs == ["constant-1"]


FLOORS = [("kmer_counts-0", "kmer_counts", 0, 0, (0.8, 0.65), (0.8, 0.65)), ("cnn-0", "cnn", 0, 0, (0.7, 0.10))]


def test_what_needs_no_pretraining_is_a_line_of_its_own_and_never_the_best(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, [*TABLE, *FLOORS])
    summary = summarise(spec, tmp_path)
    assert summary.best is not None
    assert summary.best.curriculum == "constant"
    assert [line.curriculum for line in summary.lines if not line.is_pretrained] == ["kmer_counts", "cnn", RANDOM_INIT]
    assert {verdict.a.curriculum for verdict in summary.findings.initial} == {"constant", "linear"}
    said = " ".join(sentences(summary))
    best = "The pretrained model that dev scores choose (`constant`) is above"  # its mean is 0.633
    assert f"{best} `cnn`, which needs no pretraining, on 1 of 1 task(s)." in said
    assert (
        f"{best} `kmer_counts`, which needs no pretraining, on 0 of 1 task(s); "
        "it has learnt nothing that counts on promoters_ecoli." in said
    )
    names = [trace.name for trace in scores.scores(summary).data if trace.name]
    assert names[-3:] == ["kmer_counts", "cnn", "random_init"]
    assert tables.by_task(summary)["promoters_ecoli"] == ["0.633", "0.100", "0.650", "0.100", "0.217"]
    assert "task by task" in html.write(summary, tmp_path).read_text().lower()


def test_a_collapse_is_told_and_stays_in_the_mean(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, [("constant-0", "constant", 0, 6, (0.5, 0.6), (0.5, 0.0))])
    summary = summarise(spec, tmp_path)
    assert summary.lines[0].at[6].mean == pytest.approx(0.3)
    assert any("1 fine-tuning(s) collapsed" in sentence for sentence in sentences(summary))


def test_scores_at_a_cheaper_fidelity_are_no_line(spec: StudySpec, tmp_path: Path) -> None:
    fill(tmp_path, TABLE)
    common = ("mini", "step-0", "search", "step", "{}", 0, 2, 6, "trunk", "probe", "promoters_ecoli", 0)
    store = Store(tmp_path)
    store.write_part("step-0", 2, "probe", "all", [Row(*common, split, "mcc", 0.99, 1.0) for split in ("dev", "test")])
    store.finish("step-0", 2, "probe")
    summary = summarise(spec, tmp_path)
    assert "step" not in {line.curriculum for line in summary.lines}
    assert any(sentence.startswith("`step` has no score in full") for sentence in sentences(summary))
    (tmp_path / "runs" / "step-0").mkdir(parents=True)  # of a study that runs: nobody stopped it
    assert not any("`step`" in sentence for sentence in sentences(summarise(spec, tmp_path)))


GUE = {"evaluation": {"tasks": [{"name": "tf/0"}, {"name": "mouse/0"}], "root": "/somewhere"}}


def test_published_figures_stand_beside_scores_of_the_same_metric(tmp_path: Path) -> None:
    spec = parse({**json.loads(json.dumps(MINI)), **GUE}, "test")
    fill(tmp_path, TABLE)
    summary = summarise(spec, tmp_path)
    page = html.write(summary, tmp_path).read_text()
    assert "DNABERT, random, 120,000 steps (published)" in page
    other = parse({**json.loads(json.dumps(MINI)), "evaluation": {**GUE["evaluation"], "metric": "accuracy"}}, "test")
    assert "(published)" not in html.write(summarise(other, tmp_path), tmp_path).read_text()
