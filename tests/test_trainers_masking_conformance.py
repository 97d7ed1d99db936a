"""Every curriculum of ours passes every question about its masks; the released rules fail the first two."""

import subprocess
import sys

import pytest

from curricula import Masking, Progress, Strategy, curriculum, registry
from tests.studies import ROOT
from trainers.masking.conformance import checks

RELEASED = [name for name in registry.names() if name.endswith("_as_released")]
OURS = [name for name in registry.names() if name not in RELEASED]
QUESTIONS = ["depend on the DNA", "every position", "rate within 0.5 points", "1, 2 and 4 workers", "padding"]


def passed(name: str) -> dict[str, bool]:
    answers = list(checks(registry.make(name, {})))
    return {question: answer.passed for question, answer in zip(QUESTIONS, answers, strict=True)}


@pytest.mark.parametrize("name", [*OURS, "placebo_pmi_threshold"])
def test_ours_pass(name):
    answers = list(checks(registry.make(name, {})))
    assert [answer for answer in answers if not answer.passed] == []
    for answer, words in zip(answers, QUESTIONS, strict=True):
        assert words in answer.question


@pytest.mark.parametrize("name", RELEASED)
def test_the_released_rules_look_at_places_instead_of_dna(name):
    assert passed(name) == dict(zip(QUESTIONS, [False, False, True, True, True], strict=True))


def test_there_are_three_released_rules():
    assert RELEASED == ["cm_gems_as_released", "genemask_as_released", "global_as_released"]


def test_a_rate_that_cannot_be_had_is_told():
    greedy = registry.make("pmi_threshold", {"start": 0.9, "end": 0.9, "rate": 0.4})
    answers = dict(zip(QUESTIONS, checks(greedy), strict=True))
    assert not answers["rate within 0.5 points"].passed
    assert "pmi_threshold at rate 0.400" in answers["rate within 0.5 points"].reason


@curriculum
class Mute:
    """Masks at random."""

    def __call__(self, at: Progress) -> Masking:
        """Mask at random."""
        return Masking(Strategy.RANDOM, 0.15)


def test_random_masks_need_not_look_at_the_dna():
    first = next(iter(checks(Mute())))
    assert first.passed
    assert "random masks need not" in first.reason


@pytest.mark.parametrize(("name", "code"), [("cm_gems", 0), ("global_as_released", 1)])
def test_the_command_says_so_line_by_line(name, code):
    command = [sys.executable, "-m", "curricula.check", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert [line[:3] for line in lines] == ["yes"] + (["NO ", "NO "] if code else ["yes", "yes"]) + ["yes"] * 3
    assert done.stderr == ""
