"""What a curriculum will hide: the numbers, by hand and on real DNA."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula import Evaluation, InputError, Masking, Mixture, Progress, Strategy, registry
from study.preview.curve import Curve
from study.preview.lines import replay_schedules
from study.preview.tally import base_states, count, mixed, runs_of, weighted_quantiles
from study.preview.text import cells, notes, table_rows
from study.schedule import Schedule, firings, in_words, shares, trace
from study.spec.files import load

GENEMASK = Masking(Strategy.GENEMASK, rate=0.15)
RANDOM = Masking(Strategy.RANDOM, rate=0.15)
GLOBAL = Masking(Strategy.GLOBAL, rate=0.15, span=6)


def mask_of(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


# A row of 20 bases has 15 tokens at k = 6 and 19 at k = 2; token i covers bases i .. i + k - 1.
# Tokens: `#` masked. Bases: `#` hidden by all tokens that cover it, `-` by some of them.
ROWS = {
    "six 6-mers hide one base": (6, "....######.....", "    -----#-----     ", [(6, 1)]),
    "eleven 6-mers hide six": (6, "..###########..", "  -----######-----  ", [(11, 6)]),
    "five 6-mers hide none": (6, ".....#####.....", "     ----------     ", [(5, 0)]),
    "at the left edge fewer tokens cover a base": (6, "##.............", "##-----             ", [(2, 2)]),
    "at the right edge too": (6, ".............##", "             -----##", [(2, 2)]),
    "a whole row": (6, "#" * 15, "#" * 20, [(15, 20)]),
    "two runs": (6, "#..######......", "#-------#-----      ", [(1, 1), (6, 1)]),
    "two 2-mers hide the base they share": (2, "...##..............", "   -#-              ", [(2, 1)]),
    "one 1-mer hides its base": (1, "....#...............", "    #               ", [(1, 1)]),
    "nothing masked": (6, "." * 15, " " * 20, []),
}


@pytest.mark.parametrize("case", ROWS)
def test_bases_and_runs_by_hand(case: str) -> None:
    k, tokens, bases, runs = ROWS[case]
    states = base_states(mask_of(tokens), k)[0]
    assert "".join(" -#"[state] for state in states) == bases
    lengths, hidden = runs_of(mask_of(tokens), k)
    assert list(zip(lengths.tolist(), hidden.tolist(), strict=True)) == runs


@given(st.lists(st.text("#.", min_size=12, max_size=12), min_size=1, max_size=4), st.integers(1, 6))
def test_runs_hide_together_as_many_bases_as_are_hidden(rows: list[str], k: int) -> None:
    mask_BT = mask_of(*rows)
    assert runs_of(mask_BT, k)[1].sum() == (base_states(mask_BT, k) == 2).sum()
    assert runs_of(mask_BT, k)[0].sum() == mask_BT.sum()


def test_quantiles_by_hand() -> None:
    values = np.array([3.0, 1.0, -math.inf, 2.0])
    assert weighted_quantiles(values, np.array([1.0, 1.0, 0.0, 2.0]), (0.1, 0.25, 0.5, 0.75, 0.9)) == (1, 1, 2, 2, 3)
    assert all(math.isnan(value) for value in weighted_quantiles(values, np.zeros(4), (0.1, 0.5)))


def test_a_tally_and_a_mixture_by_hand() -> None:
    kmers_BT = np.array([[0, 1, 2, 3], [3, 3, 3, 3]])
    first = count(mask_of("##..", ".##."), kmers_BT, k=1)
    assert first.by_position_T.tolist() == [0.5, 1.0, 0.5, 0.0]
    assert (first.kmers_V * 8).tolist() == [1, 1, 0, 2]
    assert (first.run_tokens * 8).tolist() == [0, 0, 2, 0, 0]
    assert (first.rate, first.error) == (0.5, 0.0)
    second = count(mask_of("....", "####"), kmers_BT, k=1)
    assert second.error == pytest.approx(0.5 / math.sqrt(2))
    both = mixed([(0.75, first), (0.25, second)])
    assert both.by_position_T.tolist() == [0.5, 0.875, 0.5, 0.125]
    assert (both.run_tokens * 8).tolist() == [0, 0, 1.5, 0, 0.25]


@dataclass(frozen=True)
class Early:
    """Turn global at once when perplexity falls by less than 1, as cm_gems does."""

    def __call__(self, at: Progress) -> Masking:
        pairs = itertools.pairwise(at.evaluations)
        return GLOBAL if any(a.perplexity - b.perplexity < 1 for a, b in pairs) else GENEMASK


@dataclass(frozen=True)
class Late:
    """The same, but 37 steps after the evaluation."""

    def __call__(self, at: Progress) -> Masking:
        known = tuple(evaluation for evaluation in at.evaluations if evaluation.step + 37 <= at.step)
        return Early()(Progress(at.step, at.horizon, known))


@dataclass(frozen=True)
class Following:
    """The rate follows the last perplexity, on top of a line that moves by itself."""

    def __call__(self, at: Progress) -> Masking:
        newest = at.evaluations[-1].perplexity if at.evaluations else 100.0
        return Masking(Strategy.RANDOM, rate=0.1 + 0.1 * at.fraction + newest / 1000)


CURVE = tuple(Evaluation(step, perplexity) for step, perplexity in ((0, 90.0), (100, 20.0), (200, 19.5), (300, 19.4)))
TRIGGERS: dict[str, tuple[Any, list[int]]] = {
    "at the evaluation": (Early(), [200]),
    "some time after it": (Late(), [237]),
    "at each of them": (Following(), [0, 100, 200, 300]),
    "never": (registry.make("linear", {}), []),
}


@pytest.mark.parametrize("case", TRIGGERS)
def test_a_trigger_fires_where_only_the_curve_makes_a_difference(case: str) -> None:
    curriculum, steps = TRIGGERS[case]
    schedule = Schedule("own", curriculum, 400, CURVE)
    found = firings(schedule, trace(schedule))
    assert [firing.step for firing in found] == steps
    assert firings(schedule.unmeasured(), trace(schedule.unmeasured())) == []
    if steps == [237]:
        assert (found[0].evaluation, found[0].before, found[0].after) == (CURVE[2], GENEMASK, GLOBAL)


def test_evaluations_after_the_horizon_are_not_seen() -> None:
    schedule = Schedule("own", Early(), 200, CURVE)
    assert firings(schedule, trace(schedule)) == []


def test_a_long_horizon_is_asked_at_few_steps_and_every_jump_is_found() -> None:
    jump = trace(Schedule("step", registry.make("step", {}), 120_000))
    assert {99_599, 99_600} <= set(jump)
    assert len(jump) < 2_100
    straight = trace(Schedule("linear", registry.make("linear", {}), 120_000))
    assert len(straight) == 2_001
    blocks = trace(Schedule("cm_step", registry.make("cm_step", {}), 120_000))
    steps = list(blocks)
    changes = [b - a for a, b in itertools.pairwise(steps) if shares(blocks[a]) != shares(blocks[b])]
    assert changes == [1] * 99


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(lambda at: 1 / (at.step - 51), "curriculum `own` at step 51 of 60"), (lambda at: "random", "`own` returns")],
)
def test_nonsense_is_named_with_its_step(answer: Callable[[Progress], Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        trace(Schedule("own", lambda at: answer(at) if at.step > 50 else RANDOM, 60))


def test_a_span_wider_than_the_row_is_named_with_curriculum_and_step() -> None:
    spec = load("demo", [])
    wide = Schedule("own", lambda at: Masking(Strategy.RANDOM, 0.15, 1 if at.step < 9 else 70), 10)
    with pytest.raises(InputError, match=r"curriculum `own` at step 9 of 10: .*fit into a row"):
        replay_schedules(spec, [wide], {"own": {}}, Curve())


def test_phrases() -> None:
    assert in_words(GLOBAL) == "global, rate 15.0%, span 6 nt"
    assert in_words(GENEMASK) == "genemask, rate 15.0%"
    threshold = Masking(Strategy.PMI_THRESHOLD, 0.2, span=1, min_quantile=0.8, placebo=3)
    assert in_words(threshold) == "pmi_threshold (placebo) from NPMI quantile 0.80, rate 20.0%, span 1 nt"
    assert shares(Mixture(((0.25, RANDOM), (0.0, GENEMASK), (0.75, GLOBAL)))) == {"random": 0.25, "global": 0.75}


def test_what_is_measured_on_real_dna_is_what_was_asked() -> None:
    mixture = Mixture(((0.5, RANDOM), (0.5, Masking(Strategy.RANDOM, 0.45, span=3))))
    schedules = [
        Schedule("mixture", lambda at: mixture, 50),
        Schedule("hard", lambda at: Masking(Strategy.PMI_THRESHOLD, 0.15, 1, min_quantile=0.8), 50),
        Schedule("easy", lambda at: RANDOM, 50),
    ]
    found = replay_schedules(load("demo", []), schedules, {schedule.name: {} for schedule in schedules}, Curve())
    both, hard, easy = (line.measured[0] for line in found.lines)
    assert (both.rate_asked, both.shares) == (0.3, {"random": 1.0})
    for measured in (both, hard, easy):
        assert measured.tally.rate == pytest.approx(measured.rate_asked, abs=5 * measured.tally.error + 1e-3)
    assert easy.npmi == found.npmi_of_all  # k = 2 has 16 k-mers: chance does not move a quantile
    assert hard.npmi[1] > easy.npmi[1]
    assert [len(line.measured) for line in found.lines] == [25, 25, 25]
    assert [measured.step for _, measured in table_rows(found)][:5] == [0, 12, 25, 38, 49]
    assert cells(found, easy)[:4] == ("random", "0", "0%", "15.0%")
    for line in found.lines:
        for example in line.examples:
            assert len(example.letters) == len(example.states) == 60
            assert set(example.letters) <= set("ACGT")
    assert len(found.lines[0].examples) == 6  # two parts at start, middle and end


@pytest.mark.parametrize(("preset", "tokens"), [("nt_tiny", "do not overlap"), ("dnabert2_tiny", "byte-pair encoding")])
def test_whole_tokens_are_previewed(preset: str, tokens: str) -> None:
    """The 3-mers of the curriculum are shown; the realised rate is that of the tokens that hold a hidden base."""
    spec = load("demo", [f"model.preset={preset}", "model.k=3"])
    easy = Schedule("easy", lambda at: RANDOM, 50)
    found = replay_schedules(spec, [easy], {"easy": {}}, Curve())
    measured = found.lines[0].measured[0]
    assert measured.tally.rate == pytest.approx(0.15, abs=5 * measured.tally.error + 1e-3)
    assert measured.tally.by_position_T.shape == (59,)
    assert 0.02 < measured.bases_hidden < 0.1  # one base in a token of three or five
    assert len(notes(found)) == 3
    assert tokens in notes(found)[2]
    plain = replay_schedules(load("demo", ["model.k=3"]), [easy], {"easy": {}}, Curve())
    assert len(notes(plain)) == 2
    tally = plain.lines[0].measured[0].tally
    assert tally.rate == pytest.approx(tally.by_position_T.mean())
