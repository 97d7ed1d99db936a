"""The baselines that pretraining is timed against do the same work."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

from tests.benchmarks.pretrain import padded
from tests.benchmarks.pretraining_runs import LENGTH, Bench, K, trainer_rows, trainer_tokenizer
from trainers.tokens.kmers import CLS, SEP, KmerTokenizer


def test_the_trainer_reads_rows_of_the_same_length_and_masks_as_many_tokens():
    tokenizer = KmerTokenizer(K)
    rows = trainer_rows(tokenizer, 40)
    assert {len(row["input_ids"]) for row in rows} == {LENGTH + 2}
    assert {(row["input_ids"][0], row["input_ids"][-1]) for row in rows} == {(CLS, SEP)}
    torch.manual_seed(0)
    batch = DataCollatorForLanguageModeling(trainer_tokenizer(PreTrainedTokenizerFast, tokenizer))(rows)
    share = float((batch["labels"] != -100).double().mean())
    assert share == pytest.approx(0.15, abs=0.01)


def test_our_runs_mask_15_percent_too(tmp_path: Path):
    run = Bench(tmp_path, torch.device("cpu"), steps=6).ours("tiny", 4)
    assert run.reached is not None
    state = run.reached.state
    assert state.tokens == 6 * 4 * LENGTH
    assert state.masked_tokens / state.tokens == pytest.approx(0.15, abs=0.02)
    assert run.tokens == 4 * LENGTH


def test_the_padded_baseline_reads_every_row_once_in_its_order():
    lengths = np.array([512, 30, 200, 512, 7, 300, 512])
    groups = padded(lengths, 2048)
    assert [group.tolist() for group in groups] == [[0, 1, 2, 3], [4, 5, 6]]
