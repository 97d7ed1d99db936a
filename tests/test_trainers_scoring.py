"""Sharing fine-tunings out over workers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runs import ALONE
from trainers.finetune import finetune
from trainers.models.build import initial_model
from trainers.models.pretrained import Pretrained
from trainers.scoring import Job, Score, score, share_of
from trainers.settings import Protocol
from trainers.tasks.task import EvaluationTask, Examples
from trainers.tokens.kmers import KmerTokenizer

TOKENIZER = KmerTokenizer(2)
PROTOCOL = Protocol(
    epochs=1, batch=4, learning_rate=1e-3, warmup=0.1, weight_decay=0.0, pooling="cls", dev_every=0, shots=0
)


def job(name: str, examples: int = 4, length: int = 8, repetition: int = 0, shots: int = 0) -> Job:
    labels = np.arange(examples) % 2
    part = Examples(["ACGTTGCA"[: 2 + label] * length for label in labels], labels)
    splits = {"train": part, "dev": part.take(np.arange(2)), "test": part.take(np.arange(2))}
    return Job(EvaluationTask(name, 2, splits), Protocol(**{**vars(PROTOCOL), "shots": shots}), repetition)


jobs = st.lists(st.tuples(st.integers(2, 30), st.integers(1, 20)), max_size=12).map(
    lambda sizes: [job(f"task{n}", *size) for n, size in enumerate(sizes)]
)


@given(jobs, st.integers(1, 5))
def test_every_job_goes_to_exactly_one_worker_longest_first(jobs, count):
    shares = [share_of(jobs, rank, count) for rank in range(count)]
    assert sorted(one.key for share in shares for one in share) == sorted(one.key for one in jobs)
    for share in shares:
        costs = [one.cost() for one in share]
        assert costs == sorted(costs, reverse=True)
    loads = [sum(one.cost() for one in share) for share in shares]
    assert max(loads) - min(loads) <= max((one.cost() for one in jobs), default=0)


@given(jobs, st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_jobs_does_not_matter(jobs, count, random):
    shuffled = random.sample(jobs, len(jobs))
    for rank in range(count):
        assert [one.key for one in share_of(shuffled, rank, count)] == [one.key for one in share_of(jobs, rank, count)]


def test_longest_jobs_first_each_to_the_idlest_worker():
    jobs = [job(name, examples) for name, examples in (("a", 10), ("b", 50), ("c", 30), ("d", 30), ("e", 20))]
    # costs are about 10, 50, 30, 30, 20: b | c d, then e to b, a to c and d
    assert [one.task.name for one in share_of(jobs, 0, 2)] == ["b", "e"]
    assert [one.task.name for one in share_of(jobs, 1, 2)] == ["c", "d", "a"]


def test_few_shots_cost_less_than_all_examples():
    assert job("t", 100, shots=2).cost() < job("t", 100).cost()


def test_every_score_is_handed_over_with_its_job():
    pretrained = Pretrained(initial_model("tiny", TOKENIZER, 0), TOKENIZER)
    jobs = [job("small", 4), job("large", 12), job("large", 12, repetition=1)]
    handed: list[Score] = []
    score(pretrained, jobs, ALONE, handed.append)
    assert [one.job.key for one in handed] == [("large", 0), ("large", 1), ("small", 0)]
    for one in handed:
        assert one.seconds > 0
        assert one.scores == finetune(pretrained, one.job.task, one.job.protocol, one.job.repetition, ALONE.device)


def test_no_jobs_no_scores():
    score(
        Pretrained(initial_model("tiny", TOKENIZER, 0), TOKENIZER),
        [],
        ALONE,
        lambda one: pytest.fail(f"scored {one.job.key}"),
    )
