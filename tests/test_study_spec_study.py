"""What a spec knows about its curricula, tasks and ways of scoring."""

import dataclasses
import re
from typing import Any

import pytest
import yaml

from curricula import InputError, registry
from study import tasks
from study.progress import in_words
from study.runs import Run, baselines, controls, default_run
from study.runs import expected as expected_runs
from study.spec.evaluation import TaskSpec
from study.spec.files import load, parse
from study.spec.study import StudySpec
from study.trials.scorer import protocols
from tests.studies import MINI
from trainers.evaluation.protocol import DEFAULT


def spec_with(**curricula):
    count = len({"constant", *curricula})
    return parse({**MINI, "curricula": curricula, "search": {**MINI["search"], "trials": count}}, "a test")


def test_only_what_the_study_fixes_or_searches_is_shown():
    spec = spec_with(linear={"span": 1}, sequence={"stages": [{"curriculum": "constant", "rate": 0.3}]})
    linear = default_run(spec, "linear", "search").parameters()
    assert {"start", "end", "span", "parameter", "rate", "learning_rate"} == set(linear)
    assert set(spec.chosen("linear", linear)) == {"start", "end", "span", "learning_rate"}
    sequence = default_run(spec, "sequence", "search").parameters()
    assert set(spec.chosen("sequence", sequence)) == {"stages", "learning_rate"}
    initial = controls(spec)[0]
    assert spec.chosen(initial.curriculum, initial.parameters()) == {}


def test_nested_arguments_are_told_in_short():
    stages = [{"curriculum": "constant", "until": 0.5, "rate": 1 / 3}, {"curriculum": "linear", "gives": ["rate"]}]
    assert in_words(stages) == "[constant(until=0.5, rate=0.333), linear(gives=[rate])]"


def test_a_placebo_searches_what_its_curriculum_searches():
    spec = spec_with(pmi_threshold={"span": 1}, placebo_pmi_threshold={"span": 1, "placebo_seed": 3})
    assert spec.space("placebo_pmi_threshold") == spec.space("pmi_threshold")
    run = default_run(spec, "placebo_pmi_threshold", "search")
    assert run.settings(spec, 6, "").make_curriculum().seed == 3
    assert run.key != default_run(spec, "pmi_threshold", "search").key


def evaluation(**changes: Any) -> dict[str, Any]:
    return {**MINI["evaluation"], **changes}


def with_evaluation(**changes: Any) -> StudySpec:
    return parse({**MINI, "evaluation": evaluation(**changes)}, "a test")


PROBE = {"probe": {"method": "probe"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rungs": {2: "prob"}, "fidelities": PROBE}, "rungs: there is no fidelity `prob` (did you mean `probe`?)"),
        ({"also": ["full"]}, "also: there is no fidelity `full`"),
        ({"rungs": {6: "probe"}, "fidelities": PROBE}, "budgets before the longest, which is always scored in full"),
        ({"rungs": {3: "probe"}, "fidelities": PROBE}, "([2, 4]), but got 3"),
        ({"fidelities": {"full": {}}}, "a fidelity's name must be a word other than `full`, but got `full`"),
        ({"fidelities": {"a b": {}}}, "but got `a b`"),
        ({"fidelities": {"few": {"shots": 5, "share": 0.5}}}, "shots and share exclude each other"),
        (
            {"fidelities": {"few": {"tasks": ["promoter_ecoli"]}}},
            "fidelities.few: there is no task `promoter_ecoli` (did you mean `promoters_ecoli`?)",
        ),
        ({"baselines": ["cnn", "cnn"]}, "a baseline must be named once, but got ['cnn', 'cnn']"),
        ({"tasks": ["tg/*"]}, "a pattern must fit some of GUE's tasks (EMP/H3, "),
        ({"tasks": [{"name": "tf/0", "dev_every": 0, "patience": 3}]}, "but tf/0 has dev_every=0"),
        ({"fidelities": {"few": {"share": 0.0}}}, "greater than 0"),
    ],
)
def test_wrong_evaluation_is_refused(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        with_evaluation(**changes)


def test_names_and_patterns_stand_for_tasks_with_their_published_protocol():
    tasks = with_evaluation(tasks=["prom/prom_core_tata", {"name": "mouse/*", "repetitions": 3}]).evaluation.tasks
    assert [task.name for task in tasks] == ["prom/prom_core_tata", *(f"mouse/{n}" for n in range(5))]
    assert (tasks[0].epochs, tasks[0].dev_every, tasks[0].warmup_steps, tasks[0].repetitions) == (10, 200, 50, 1)
    assert (tasks[1].max_steps, tasks[1].warmup_steps, tasks[1].repetitions) == (1000, 30, 3)
    assert len(with_evaluation(tasks=["gue"]).evaluation.tasks) == 28


def test_what_the_spec_says_goes_before_what_is_published():
    (task,) = with_evaluation(tasks=[{"name": "tf/0", "epochs": 1, "warmup_steps": None}]).evaluation.tasks
    assert (task.epochs, task.warmup_steps, task.learning_rate) == (1, None, 3e-5)


def test_a_task_of_no_suite_has_the_default_protocol():
    assert TaskSpec(name="mine").protocol() == DEFAULT


def test_each_task_is_compared_by_its_own_metric_unless_the_spec_names_one():
    mixed = with_evaluation(tasks=["tf/0", "virus/covid", {"name": "prom_core", "shots": 10}]).evaluation
    assert [mixed.metric_of(task.name) for task in mixed.tasks] == ["mcc", "macro_f1", "accuracy"]
    assert mixed.metric_in_words() == "score"
    assert mixed.tasks[2].repetitions == 10
    assert with_evaluation(metric="macro_f1").evaluation.metric_in_words() == "macro f1"


def test_a_fidelity_changes_the_protocol_where_it_says_so_and_survives_being_written_down():
    spec = with_evaluation(
        fidelities={**PROBE, "part": {"share": 0.25, "epochs": 1}}, rungs={2: "probe"}, also=["part"]
    )
    full = spec.evaluation.tasks[0].protocol()
    assert spec.evaluation.fidelities["part"].protocol(full) == dataclasses.replace(full, share=0.25, epochs=1)
    assert spec.evaluation.fidelities["probe"].protocol(full) == dataclasses.replace(full, method="probe")
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec
    assert parse(yaml.safe_load(yaml.safe_dump(spec.model_dump(mode="json"))), "written") == spec


@pytest.mark.parametrize(
    ("role", "budget", "expected"),
    [
        ("search", 2, ["probe", "few"]),
        ("search", 4, ["full", "few"]),
        ("search", 6, ["full", "few"]),
        ("control", 2, ["probe", "full", "few"]),
        ("replicate", 2, ["probe", "full", "few"]),
        ("baseline", 0, ["full"]),
    ],
)
def test_only_a_search_goes_without_full_scores_and_only_at_its_rungs(role, budget, expected):
    spec = with_evaluation(fidelities={**PROBE, "few": {"shots": 4}}, rungs={2: "probe"}, also=["few"])
    run = Run(role, "kmer_counts" if role == "baseline" else "constant", {}, {}, 0)
    assert run.fidelities(spec, budget) == expected


def test_the_repetitions_of_a_baseline_stand_for_seeds_too():
    spec = parse({**MINI, "seeds": 3, "evaluation": evaluation(baselines=["cnn"])}, "a test")
    (baseline,) = baselines(spec)
    ((_, protocol, repetitions),) = protocols(spec, tasks.read_whole(spec), baseline, "full")
    assert protocol.method == "cnn"
    assert list(repetitions) == list(range(6))
    model = Run("baseline", "/some/folder", {}, {}, 0)
    assert protocols(spec, tasks.read_whole(spec), model, "full")[0][1].method == "finetune"
    assert model.key.startswith("~some~folder-s0-")


WIDE = {"wide": {"curriculum": "constant", "span": 6}}


def test_a_name_of_ones_own_stands_for_a_curriculum_with_arguments():
    spec = spec_with(**WIDE)
    assert spec.behind("wide") == ("constant", {"span": 6})
    assert spec.make("wide", {"rate": 0.2}) == registry.make("constant", {"span": 6, "rate": 0.2})
    assert set(spec.space("wide")) == set(registry.space("constant")) - {"span"}
    run = default_run(spec, "wide", "search")
    assert run.curriculum == "wide"
    assert run.settings(spec, 6, "").curriculum == "constant"
    assert run.settings(spec, 6, "").arguments["span"] == 6


@pytest.mark.parametrize(
    ("curricula", "expected"),
    [
        ({"wide": {"curriculum": "constent"}}, "there is no curriculum `constent` (did you mean `constant`?)"),
        ({"wide": {"curriculum": "constant", "spam": 6}}, "curriculum `constant` has no argument `spam`"),
        ({"linear": {"curriculum": "constant"}}, "`linear` is a curriculum, so it cannot stand for another one"),
        ({"random_init": {"curriculum": "constant"}}, "a name of your own must be a word other than random_init"),
        ({"a/b": {"curriculum": "constant"}}, "but got `a/b`"),
        ({"wide": {"curriculum": "constant", "span": 100}}, "a span must fit into a row of 24 tokens"),
    ],
)
def test_a_wrong_name_of_ones_own(curricula, expected):
    with pytest.raises(InputError, match=re.escape(expected)):
        spec_with(**curricula)


def test_a_grid_runs_its_curricula_under_every_seed():
    changed = {**MINI, "curricula": {"linear": {}, **WIDE}, "seeds": 3, "search": {"trials": 0}}
    for grid in ("all", ["linear", "wide"]):
        spec = parse({**changed, "grid": grid}, "a test")
        assert spec.every_seed() == ["constant", "linear", "wide"]
        found = [(run.curriculum, run.role, run.seed) for run in controls(spec)]
        assert found[:3] == [("random_init", "control", seed) for seed in range(3)]
        assert found[3:6] == [("constant", "control", seed) for seed in range(3)]
        assert found[6:] == [(name, "grid", seed) for name in ("linear", "wide") for seed in range(3)]
        assert expected_runs(spec) == 12


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"grid": ["liner"]}, "grid: there is no curriculum `liner` in this study (did you mean `linear`?)"),
        ({"search": {"trials": 0}}, "without a search, `grid` must name every curriculum, but it lacks linear"),
    ],
)
def test_a_wrong_grid(changes, expected):
    with pytest.raises(InputError, match=re.escape(expected)):
        parse({**MINI, **changes}, "a test")


def test_a_spec_says_what_differs_from_another(tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump({**MINI, "about": "the base"}))
    (tmp_path / "mine.yaml").write_text(
        "extends: base.yaml\npretraining: {batch: 16, budgets: [4, 8]}\ncurricula: {linear: null, step: {span: 1}}\n"
    )
    spec = load(str(tmp_path / "mine.yaml"), ["seeds=4"])
    assert (spec.name, spec.about, spec.seeds) == ("mine", "", 4)
    assert (spec.pretraining.batch, spec.pretraining.budgets) == (16, [4, 8])
    assert spec.pretraining.length == MINI["pretraining"]["length"]
    assert list(spec.curricula) == ["constant", "step"]
    (tmp_path / "named.yaml").write_text("extends: demo\nseeds: 3\n")
    assert load(str(tmp_path / "named.yaml"), []).pretraining == load("demo", []).pretraining


def test_null_takes_away_what_a_spec_says():
    spec = load("demo", ["curricula.linear=null", "pretraining.warmup=null", "pretraining.budgets=[600]", "about=null"])
    assert list(spec.curricula) == ["constant", "step", "pmi_threshold"]
    assert (spec.about, spec.pretraining.warmup) == ("", 500)  # the defaults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: mine.yaml", "a spec must not extend itself"),
        ("extends: dmo", "there is no spec `dmo` (did you mean `demo`?)"),
        ("extends: none.yaml", "cannot be read"),
        ("extends: [demo]", "`extends` must be a named spec or a YAML file, but got ['demo']"),
    ],
)
def test_a_wrong_base(text, expected, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=re.escape(expected)):
        load(str(tmp_path / "mine.yaml"), [])
