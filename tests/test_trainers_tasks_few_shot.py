"""Few-shot subsets, and the published sets told from others."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from trainers.tasks.few_shot import SETS, verify
from trainers.tasks.task import SPLITS, EvaluationTask, Examples, Origin

ROWS = st.lists(st.tuples(st.text("ACGT", min_size=1, max_size=6), st.integers(0, 2)), min_size=3, max_size=60)


@given(rows=ROWS, shots=st.integers(1, 4), draw=st.integers(0, 1000))
def test_a_subset_is_balanced_a_part_of_train_and_a_function_of_shots_and_draw(rows, shots, draw):
    rows = [*rows, *((letter * 7, label) for label in range(3) for letter in "ACGT")]  # enough of every class
    train = Examples([sequence for sequence, _ in rows], np.array([label for _, label in rows]))
    task = EvaluationTask("t", 3, {"train": train})
    chosen = task.few_shot(shots, draw)
    assert np.bincount(chosen.labels, minlength=3).tolist() == [shots] * 3
    taken = Counter(zip(chosen.sequences, chosen.labels.tolist(), strict=True))
    assert taken <= Counter(rows)
    again = EvaluationTask("another name", 3, {"train": train}).few_shot(shots, draw)
    assert again.sequences == chosen.sequences
    assert again.labels.tolist() == chosen.labels.tolist()


def made(length: int = 300, test_rows: int = 1657, classes: int = 2, letter: str = "A") -> EvaluationTask:
    few = Examples([letter * length] * 4, np.arange(4) % classes)
    test = Examples(["A" * length] * test_rows, np.arange(test_rows) % classes)
    origins = {split: Origin(f"{split}.csv") for split in SPLITS}
    return EvaluationTask("silencer", classes, {"train": few, "dev": few, "test": test}, origins)


def test_the_published_set_passes():
    verify(made(), SETS["silencer"])
    assert {name: (s.classes, s.length, s.test_rows) for name, s in SETS.items()} == {
        "prom_core": (2, 70, 5920),
        "prom_300": (2, 300, 5920),
        "cohn_enh": (2, 500, 6948),
        "splice_40": (3, 40, 3000),
        "silencer": (2, 300, 1657),
    }


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (made(test_rows=1656), r"Silencer must have 1657 test rows, but test\.csv has 1656"),
        (made(classes=3), r"Silencer must have 2 classes, but train\.csv has 3"),
        (made(length=301), r"Silencer must have 300 nt, but train\.csv:2 has 301"),
        (made(letter="R"), r"the letters A C G T N only, but train\.csv:2 has R"),
    ],
)
def test_another_set_is_refused(task, message):
    with pytest.raises(InputError, match=message):
        verify(task, SETS["silencer"])
