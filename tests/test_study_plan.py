"""What a study will take, by hand and against what studies and models say themselves."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from curricula import InputError
from study import plan, run, tasks
from study.runs import expected
from study.spec.files import load, named_specs, parse
from study.spec.study import StudySpec
from tests.easy import task as easy_task
from tests.models import SMALL, small
from tests.studies import MINI, ROOT, write_mini
from trainers.models.build import model_of
from trainers.models.presets import preset
from trainers.pretraining.flops import Flops
from trainers.tasks import gue
from trainers.tokens.kinds import bases_a_token
from trainers.tokens.kmers import KmerTokenizer

DEVICE = plan.Device("test", 1e9, 0.5)


def mini(**changes: object) -> StudySpec:
    return parse({**MINI, **changes}, "a test")


def parts_of(spec: StudySpec, stops: bool = True) -> dict[str, plan.Part]:
    return {part.name: part for part in plan.plan(spec, tasks.read(spec), stops)}


def test_steps_tokens_and_runs_by_hand() -> None:
    parts = parts_of(mini(seeds=2))
    assert {name: part.runs for name, part in parts.items()} == {
        "controls": 4,  # two seeds of random initialisation, two of the constant rate
        "search": 2,  # of three trials the control's is known
        "repeats": 1,
    }
    assert parts["controls"].steps == 12
    assert parts["controls"].tokens == 12 * 8 * 24
    assert parts["search"].steps == 2 * (2 + 2 / 2 + 2 / 4)  # half of the trials pass each budget
    assert parts_of(mini(seeds=2), stops=False)["search"].steps == 12
    assert parts["repeats"].steps == 6
    assert parts["controls"].scores == (1 + 1 + 3 + 3) * 2


def test_a_cool_down_costs_its_branches_and_a_horizon_of_its_own_each_budget() -> None:
    changed = {**MINI["pretraining"], "cooldown": 0.5}
    assert parts_of(mini(pretraining=changed))["controls"].steps == 6 + 1 + 2
    changed = {**MINI["pretraining"], "horizon": "budget"}
    assert parts_of(mini(pretraining=changed))["controls"].steps == 2 + 4 + 6


@pytest.mark.parametrize("name", ["tiny", "logo", "dnabert"])
def test_operations_are_those_that_a_training_counts(name: str) -> None:
    k, length, masked = 4, 40, 6.0
    tokenizer = KmerTokenizer(k)
    counted = Flops(model_of(name, tokenizer)).step(length, length**2, int(masked))
    spec = mini(
        model={"preset": name, "k": k},
        pretraining={**MINI["pretraining"], "length": length, "budgets": [1, 2], "batch": 2, "warmup": 1},
        evaluation={**MINI["evaluation"], "tasks": [{"name": "promoters_ecoli", "shots": 4}]},
    )
    found = parts_of(spec)["controls"].training / (2 * 2)
    assert found == pytest.approx(counted, rel=0.02)


@pytest.mark.parametrize("name", SMALL)
def test_every_shape_knows_its_matrices(name: str) -> None:
    encoder, head = preset(name).matrix_weights(k=3)
    counted = Flops(small(name).model)
    assert encoder == pytest.approx(counted._encoder, rel=0.02)
    if preset(name).tokens != "bpe":  # whose vocabulary is smaller here
        assert head == pytest.approx(counted._head, rel=0.1)  # which has special tokens, too


def test_fine_tuning_by_hand() -> None:
    spec = mini()
    costs = plan._Costs(spec, tasks.read(spec))
    one = easy_task()
    protocol = spec.evaluation.tasks[0].protocol()
    tokens = sum(map(len, one.splits["test"].sequences)) / 24
    forward = costs._forward(tokens, 0.0)
    steps = 4 * math.ceil(2 * 10 / 4)  # 4 epochs of 10 shots of 2 classes in batches of 4
    assert costs._once(one, protocol) == pytest.approx(forward * (3 * steps * 4 + 24 + 24))


def test_hours_and_money() -> None:
    assert DEVICE.hours(3600 * 0.5e9) == 1
    assert bases_a_token("blocks", 6) == 6


@pytest.mark.parametrize("name", named_specs())
def test_a_named_spec_says_how_many_runs_it_has(name: str) -> None:
    spec = load(name, [])
    assert spec.about
    costs = plan.plan(spec, [easy_task()] * len(spec.evaluation.tasks), stops=False)
    assert sum(part.runs for part in costs) == expected(spec)
    assert sum(part.tokens for part in costs) > 0


def test_a_dry_run_prints_what_it_takes_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(write_mini(tmp_path)), "--results", str(tmp_path / "results"), "--dry-run"]
    assert run.main([*arguments, "--set", "cluster.price_per_worker_hour=2"]) == 0
    printed = capsys.readouterr().out
    for word in ("controls", "search", "at most", "worker-hours", "money", "Nothing was started"):
        assert word in printed
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("tasks", "seeds", "said"),
    [
        (4, 3, "no difference can be shown, however large; for a single one 6 tasks or 6 seeds would do."),
        (6, 3, "a difference can be shown where at most 1 comparison(s) are made."),  # 2 in 2 ** 6 patterns of signs
        (3, 10, "a difference can be shown where at most 25 comparison(s) are made."),
    ],
)
def test_a_dry_run_says_what_the_report_will_be_able_to_show(
    tasks: int, seeds: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (entry,) = MINI["evaluation"]["tasks"]
    named = [{**entry, "name": f"task_{number}", **_files(tmp_path)} for number in range(tasks)]
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({**MINI, "seeds": seeds, "evaluation": {"tasks": named}}))
    assert run.main([str(tmp_path / "spec.yaml"), "--dry-run"]) == 0
    assert f"Verdict: of {tasks} task(s) and {seeds} seed(s) {said}" in capsys.readouterr().out


def _files(folder: Path) -> dict[str, str]:
    """Return the files of a task of one's own."""
    letters = str.maketrans("01", "AC")
    lines = [f"{number:020b}".translate(letters) + f",{number % 2}" for number in range(40)]
    for split in ("train", "test"):
        (folder / f"{split}.csv").write_text("\n".join(["sequence,label", *lines]))
    return {split: f"{folder}/{split}.csv" for split in ("train", "test")}


def test_a_dry_run_before_the_data_are_there_goes_by_published_sizes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says what is missing; 200 examples of mouse/3 cost what any 200 of its length do."""
    changes = ["evaluation.tasks=[mouse/3]", f"evaluation.root={tmp_path}", "model.k=3", "evaluation.baselines=[]"]
    arguments = [str(write_mini(tmp_path)), "--dry-run", *[word for one in changes for word in ("--set", one)]]
    assert run.main(arguments) == 2
    planned = capsys.readouterr()
    assert f"{tmp_path}/mouse/3/train.csv is missing; `python -m trainers.prepare gue`" in planned.err
    (tmp_path / "mouse/3").mkdir(parents=True)
    for split, rows in zip(("train", "dev", "test"), gue.TABLE["mouse/3"].rows, strict=True):
        lines = [f"{'ACGT' * 25}A,{row % 2}" for row in range(rows)]
        (tmp_path / f"mouse/3/{split}.csv").write_text("\n".join(["sequence,label", *lines]))
    assert run.main([*arguments, "--set", "evaluation.allow_modified=true"]) == 0
    assert capsys.readouterr().out == planned.out


def test_a_dry_run_for_gpus_needs_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(write_mini(tmp_path)), "--dry-run", "--set", "cluster.gpus_per_worker=1"]
    assert run.main([*arguments, "--device", "H100"]) == 0
    assert "GPU-hours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected_words"),
    [
        (["--device", "H900"], "--device must name a GPU whose peak is published, as H100 or RTX 4090, but got `H900`"),
        (["--mfu", "0"], "--mfu must lie in (0, 1], but got 0"),
    ],
)
def test_a_device_that_is_not_known(
    arguments: list[str], expected_words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([str(write_mini(tmp_path)), "--dry-run", *arguments]) == 2
    assert expected_words in capsys.readouterr().err
    with pytest.raises(InputError):
        plan.device_of(mini(), "H900", 0.3)


def test_the_list_names_every_spec_with_what_it_is_about() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "study.run", "--list"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == named_specs()
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)
