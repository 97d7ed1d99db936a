"""What tokenizers share."""

import numpy as np
import pytest
import torch

from curricula import InputError
from trainers.tokens.sequences import codes_of, framed, in_rows
from trainers.tokens.tokenizer import Specials

CLOSED, OPEN = Specials(pad=9, unk=8, cls=7, mask=6, sep=5), Specials(pad=9, unk=8, cls=7, mask=6, sep=None)


def test_letters_become_codes_end_to_end():
    codes, widths = codes_of(["acgT", "R"], 1, "as you like")
    assert (codes.tolist(), widths.tolist()) == ([0, 2, 3, 1, 4], [4, 1])


@pytest.mark.parametrize(("sequences", "row"), [(["AC", "A"], "row 2 is 'A'"), (["A-C"], "row 1 is 'A-C'")])
def test_what_is_too_short_or_no_nucleotide_is_refused(sequences, row):
    with pytest.raises(InputError, match=f"a sequence must be long, but {row}"):
        codes_of(sequences, 2, "long")


def test_values_are_laid_in_rows():
    rows = in_rows(np.array([1, 2, 3]), np.array([2, 0, 1]), 3, 9)
    assert rows.tolist() == [[1, 2, 9], [9, 9, 9], [3, 9, 9]]


@pytest.mark.parametrize(
    ("specials", "lengths", "rows"),
    [
        (CLOSED, None, [[7, 0, 1, 5], [7, 2, 3, 5]]),
        (CLOSED, [1, 2], [[7, 0, 5, 9], [7, 2, 3, 5]]),
        (OPEN, None, [[7, 0, 1], [7, 2, 3]]),
        (OPEN, [2, 1], [[7, 0, 1], [7, 2, 9]]),
    ],
)
def test_rows_are_opened_and_closed_where_something_closes_them(specials, lengths, rows):
    lengths_B = None if lengths is None else torch.tensor(lengths)
    assert framed(torch.tensor([[0, 1], [2, 3]]), specials, lengths_B).tolist() == rows
