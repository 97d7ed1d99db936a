"""The preview as a user runs it: on real DNA, with a loss curve, as a page in a browser, and with wrong input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from study.folder import create_folder
from study.preview import __main__ as preview
from study.preview.curve import MOST, read_curve, recorded_curve
from study.preview.replay import Source
from study.runs import data_settings, default_run
from study.schedule import Schedule
from study.spec.files import load
from study.spec.study import StudySpec
from tests.runs import ALONE
from tests.studies import ROOT, write_mini
from trainers import data
from trainers.pretraining import checkpoint
from trainers.pretraining.loop import pretrain

FLATTENING = "step,perplexity\n0,90\n100,20\n200,19.5\n300,19.4\n"


CURVES: dict[str, tuple[str, str]] = {
    "empty": ("", "must have the header `step,perplexity`, but"),
    "without a header": ("0,90\n", "begins with `0,90`"),
    "without a row": ("step,perplexity\n", "at least one evaluation"),
    "not a number": ("step,perplexity\n0,high\n", "curve.csv:2 has `high`"),
    "NaN": ("step,perplexity\n0,90\n100,nan\n", "curve.csv:3 has `nan`"),
    "infinite": ("step,perplexity\n0,inf\n", "curve.csv:2 has `inf`"),
    "a loss below the least perplexity": ("step,perplexity\n0,0.7\n", "a perplexity must be a number, at least 1"),
    "not ascending": ("step,perplexity\n0,90\n100,80\n100,70\n", "curve.csv:4 has step 100 after step 100"),
    "no CSV": ("step,perplexity\n" + "9" * 200_000 + ",9\n", "is not a CSV file: field larger than field limit"),
    "half a step": ("step,perplexity\n0.5,90\n", "a step must be a whole number, at least 0, but"),
    "negative step": ("step,perplexity\n-1,90\n", "curve.csv:2 has `-1`"),
    "a third column": ("step,perplexity\n0,90,1\n", "curve.csv:2 is `0,90,1`"),
    "too long": ("step,perplexity\n" + "".join(f"{step},9\n" for step in range(MOST + 1)), "at most 5,000 evaluations"),
}


@pytest.mark.parametrize("case", CURVES)
def test_a_loss_curve_that_is_none(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, expected = CURVES[case]
    (tmp_path / "curve.csv").write_text(text)
    assert preview.main(["--perplexity", str(tmp_path / "curve.csv")]) == 2
    refused(capsys, expected)


def refused(capsys: pytest.CaptureFixture[str], expected: str) -> None:
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert expected in printed.err
    assert printed.out == ""


def state(folder: Path, content: str) -> list[str]:
    (folder / "state.json").write_text(content)
    return ["--perplexity", str(folder)]


def not_text(folder: Path) -> list[str]:
    (folder / "curve.csv").write_bytes(b"\xff\xfe\x00")
    return ["--perplexity", str(folder / "curve.csv")]


def without_room(folder: Path) -> list[str]:
    (folder / "genome.fa").write_text(">short\nACGTACGT\n")
    return ["--set", f"data.genome={folder / 'genome.fa'}"]


ARGUMENTS: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "unknown spec": (lambda _: ["dem"], "there is no spec `dem` (did you mean `demo`?)"),
    "a spec's error": (lambda _: ["--set", "curricula.linear={strat: 0.3}"], "no argument `strat`"),
    "unknown curriculum": (lambda _: ["--curriculum", "step", "liner"], "there is no curriculum `liner`"),
    "no horizon": (lambda _: ["--horizon", "0"], "--horizon must be at least 1 step, but got 0"),
    "genome without room": (without_room, "window of 60 bases must fit"),
    "missing curve": (lambda folder: ["--perplexity", str(folder / "none.csv")], "none.csv cannot be read: No such"),
    "state with half a step": (
        lambda folder: state(folder, '{"evaluations": [{"step": 2.5, "perplexity": 9}]}'),
        "a step must be a whole number, at least 0, but evaluation 1 of",
    ),
    "state without evaluations": (
        lambda folder: state(folder, '{"step": 3}'),
        "state.json is not the state of a checkpoint",
    ),
    "curve that is no text": (not_text, "curve.csv is not UTF-8 text"),
    "unknown study": (
        lambda folder: ["--recorded", "none", "--set", f"results={folder}"],
        "there is no study `none` in",
    ),
    "page in no folder": (lambda folder: ["--html", str(folder / "a" / "b.html")], "b.html cannot be written: No such"),
    "page that is a folder": (lambda folder: ["--html", str(folder)], "--html must name a file, but"),
    "page in a file": (lambda _: ["--html", f"{__file__}/b.html"], "b.html cannot be written: Not a directory"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_wrong_input_is_one_line_and_exit_2(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, expected = ARGUMENTS[case]
    assert preview.main(arguments(tmp_path)) == 2
    refused(capsys, expected)


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        preview.main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for option in ("--set", "--html", "--curriculum", "--horizon", "--perplexity", "--recorded", "spec"):
        assert option in printed
    assert printed.count("(default") == 7


def test_the_demo_is_previewed_and_nothing_is_left_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "study.preview", "--horizon", "1000"]
    paths = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=paths, timeout=300)
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
    assert "horizon 1,000 steps of 32 x 59 tokens, 2-mers of embedded chr22_20-21M, budget matched" in done.stdout
    table = done.stdout.split("strategy:")[0].splitlines()[4:]
    rows = [line.split() for line in table if line.strip()]
    assert [row[0] for row in rows if len(row) == 1] == list(load("demo", []).curricula)
    assert rows[6:8] == [["linear"], ["random", "0", "0%", "30.0%", *rows[7][4:]]]
    assert rows[11][:4] == ["random", "999", "100%", "15.0%"]
    assert len(rows) == 4 * 6
    assert "No loss curve was given" in done.stdout
    stretches = [line.strip() for line in done.stdout.splitlines() if len(line) == 64 and set(line) <= set(" ACGT")]
    assert len(stretches) == 12
    assert len(set(stretches)) == 1
    assert done.stdout.count("-#-") > 12


def test_a_wrong_value_shows_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "study.preview", "--horizon", "-5", "--html", str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --horizon must be at least 1 step, but got -5\n"


def test_a_curve_shows_where_cm_gems_switches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "curve.csv").write_text(FLATTENING)
    arguments = ["--curriculum", "cm_gems", "linear", "--horizon", "400", "--perplexity", str(tmp_path / "curve.csv")]
    assert preview.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "cm_gems fires at step 200 (perplexity 19.5): genemask, rate 15.0% -> global, rate 15.0%" in printed
    assert "The curve ends at step 300" in printed
    assert "This curve changes nothing for linear." in printed
    assert "step 0 (0%): genemask" in printed
    assert "step 200 (50%): global" in printed


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudySpec, Path]:
    """Give a study whose first control was really trained for 6 steps, and its folder of checkpoints."""
    folder = tmp_path_factory.mktemp("results")
    spec = create_folder(load(str(write_mini(folder)), [f"results={folder}"]))
    data.prepare(data.open_genome(spec.data.genome), data_settings(spec), spec.folder())
    loaded, sha256 = data.load(data_settings(spec), spec.folder())
    run = default_run(spec, "constant", "control")
    checkpoints = spec.folder() / "runs" / run.key / "checkpoints-6"
    list(pretrain(run.settings(spec, 6, sha256), loaded, [2, 4, 6], checkpoints, ALONE))
    (checkpoints.parent / "run.json").write_text(json.dumps(run.to_dict()))
    return spec, checkpoints


def test_the_curve_of_a_finished_study(trained: tuple[StudySpec, Path], capsys: pytest.CaptureFixture[str]) -> None:
    spec, checkpoints = trained
    recorded = recorded_curve(spec.name, spec.results)
    assert [evaluation.step for evaluation in recorded.evaluations] == [0, 2, 4]
    newest = checkpoint.folder_of(checkpoints, 6)
    assert read_curve(newest) == read_curve(newest / "state.json") == recorded
    stored = json.loads((newest / "state.json").read_text())["evaluations"]
    assert [evaluation.perplexity for evaluation in recorded.evaluations] == [e["perplexity"] for e in stored]
    arguments = ["--recorded", spec.name, "--set", f"results={spec.results}", "--curriculum", "cm_gems"]
    assert preview.main([*arguments, "--horizon", "6"]) == 0
    assert "The curve ends at step 4" in capsys.readouterr().out


def test_a_study_without_a_control_has_no_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create_folder(load(str(write_mini(tmp_path)), [f"results={tmp_path}"]))
    assert preview.main(["--recorded", "mini", "--set", f"results={tmp_path}"]) == 2
    refused(capsys, "is read from a checkpoint of the `constant` control, but")


def test_the_masks_are_those_of_the_training(trained: tuple[StudySpec, Path]) -> None:
    spec, checkpoints = trained
    settings = default_run(spec, "constant", "control").settings(spec, 6, "")
    schedule = Schedule("constant", settings.make_curriculum(), 6)
    source = Source(spec, data.open_genome(spec.data.genome))
    masked = 0
    for step in range(6):
        ((_, masking),) = schedule.at(step).parts
        samples_B = torch.arange(spec.pretraining.batch) + step * spec.pretraining.batch
        masked += int(np.count_nonzero(source.masks(schedule, step, masking, samples_B)))
    state = json.loads((checkpoint.folder_of(checkpoints, 6) / "state.json").read_text())
    assert masked == state["masked_tokens"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the page of the demo's curricula and of two that react to perplexity or mix strategies."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "curve.csv").write_text(FLATTENING)
    names = ["constant", "linear", "pmi_threshold", "cm_gems", "cm_step"]
    arguments = ["--curriculum", *names, "--perplexity", str(folder / "curve.csv"), "--html", str(folder / "page.html")]
    assert preview.main(arguments) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["curve.csv", "page.html"]
    return folder / "page.html"


@pytest.mark.parametrize("width", [1400, 420])
def test_the_page_draws_every_figure_without_an_error(page: Path, chrome: Chrome, width: int) -> None:
    chrome.set_window_size(width, 1000)
    chrome.get(page.as_uri())
    WebDriverWait(chrome, 30).until(lambda shown: len(shown.find_elements(By.CSS_SELECTOR, ".js-plotly-plot")) == 6)
    WebDriverWait(chrome, 30).until(lambda shown: len(shown.find_elements(By.CSS_SELECTOR, ".hm image")) == 5)
    assert len(chrome.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace")) > 30
    assert len(chrome.find_elements(By.CSS_SELECTOR, ".barlayer .trace")) == 30  # start, middle, end; two a curriculum
    text = chrome.find_element(By.TAG_NAME, "body").text
    for expected in ("At a glance", "cm_gems fires at step 200", "random 50%, global 50%", "NPMI of the masked tokens"):
        assert expected in text
    assert [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"] == []
    page_width = chrome.execute_script("return document.documentElement.scrollWidth")
    assert page_width <= chrome.execute_script("return window.innerWidth")


def test_the_page_shows_hidden_and_readable_bases_of_one_stretch(page: Path, chrome: Chrome) -> None:
    chrome.get(page.as_uri())
    # start, middle and end of five curricula; the middle of cm_step has two parts
    WebDriverWait(chrome, 30).until(lambda shown: len(shown.find_elements(By.CSS_SELECTOR, "pre.dna")) == 16)
    stretches = chrome.find_elements(By.CSS_SELECTOR, "pre.dna")
    assert len({stretch.text for stretch in stretches}) == 1
    assert len(stretches[0].text) == 60
    hidden, readable = (chrome.find_element(By.CSS_SELECTOR, f"pre .{kind}") for kind in ("hidden", "readable"))
    colours = {part.value_of_css_property("background-color") for part in (hidden, readable, stretches[0])}
    assert len(colours) == 3


def test_the_page_needs_no_network(page: Path, chrome: Chrome) -> None:
    chrome.get(page.as_uri())
    loaded = chrome.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith(("data:", "blob:"))] == []
