"""How many tokens DNA can take, against every shorter row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.tokens.kinds import most_tokens


@pytest.mark.parametrize(
    ("kind", "k", "bases", "most"),
    [
        ("overlapping", 6, 515, 512),  # 510 6-mers, [CLS] and [SEP]
        ("blocks", 6, 515, 91),  # 85 blocks, 5 letters, <cls>
        ("blocks", 6, 516, 91),  # 86 blocks take fewer than the row without its last base
        ("blocks", 6, 5994, 1004),
        ("blocks", 3, 2, 3),
        ("bpe", 6, 515, 517),
    ],
)
def test_by_hand(kind, k, bases, most):
    assert most_tokens(kind, k, bases) == most


@given(st.integers(2, 8), st.integers(1, 200))
def test_no_row_takes_more_blocks_and_one_takes_as_many(k, bases):
    assert most_tokens("blocks", k, bases) == max(1 + width // k + width % k for width in range(1, bases + 1))
