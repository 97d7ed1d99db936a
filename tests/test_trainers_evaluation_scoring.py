"""Sharing fine-tunings out over workers, and never computing one twice."""

import multiprocessing
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from tests.runs import ALONE
from trainers.evaluation import scoring
from trainers.evaluation.cache import Score, ScoreCache
from trainers.evaluation.finetune import finetune
from trainers.evaluation.protocol import Protocol
from trainers.evaluation.scoring import Job, jobs_of, score
from trainers.models.build import initial_model
from trainers.models.pretrained import Pretrained
from trainers.tasks.task import EvaluationTask, Examples
from trainers.tokens.kmers import KmerTokenizer
from trainers.workers import Workers

TOKENIZER = KmerTokenizer(2)
PROTOCOL = Protocol(
    epochs=1, batch=4, learning_rate=1e-3, warmup=0.1, weight_decay=0.0, pooling="cls", dev_every=0, shots=0
)
CPU = torch.device("cpu")
PATIENCE_S = 120


def job(name: str, examples: int = 4, length: int = 8, repetition: int = 0, **changes: object) -> Job:
    labels = np.arange(examples) % 2
    part = Examples(["ACGTTGCA"[: 2 + label] * length for label in labels], labels)
    splits = {"train": part, "dev": part.take(np.arange(2)), "test": part.take(np.arange(2))}
    return Job(EvaluationTask(name, 2, splits), Protocol(**{**vars(PROTOCOL), **changes}), (repetition,))


def tiny(seed: int = 0) -> Pretrained:
    return Pretrained(initial_model("tiny", TOKENIZER, seed), TOKENIZER)


def scored(
    pretrained: Pretrained | None, jobs: list[Job], cache: ScoreCache | None = None
) -> dict[tuple[str, int], Score]:
    handed: dict[tuple[str, int], Score] = {}
    score(pretrained, jobs, ALONE, lambda job, one, found: handed.update({(job.task.name, one): found}), cache)
    return handed


def test_every_score_is_handed_over_longest_job_first():
    pretrained = tiny()
    jobs = [job("small", 4), job("large", 12), job("large", 12, repetition=1)]
    handed = scored(pretrained, jobs)
    assert list(handed) == [("large", 0), ("large", 1), ("small", 0)]
    for one in jobs:
        found = handed[one.task.name, one.repetitions[0]]
        assert found.seconds > 0
        assert [found.scores] == finetune(pretrained, one.task, one.protocol, one.repetitions, CPU)


def test_no_jobs_no_scores():
    assert scored(tiny(), []) == {}


@pytest.mark.parametrize(
    ("fewer", "more"),
    [
        (job("t", 100, shots=2), job("t", 100)),
        (job("t", 100, share=0.1), job("t", 100)),
        (job("t", 100, epochs=10**6, max_steps=10), job("t", 100)),
        (job("t", 100, method="probe"), job("t", 100)),
        (job("t", 100, length=4), job("t", 100)),
    ],
)
def test_less_work_costs_less(fewer, more):
    assert 0 < fewer.cost() < more.cost()


def test_repetitions_are_jobs_of_their_own_but_for_fine_tunings_on_a_gpu():
    task = job("t").task
    for device, method, expected in (
        ("cpu", "finetune", [(0,), (2,)]),
        ("cuda", "finetune", [(0, 2)]),
        ("cuda", "probe", [(0,), (2,)]),
    ):
        made = jobs_of(task, Protocol(**{**vars(PROTOCOL), "method": method}), [0, 2], torch.device(device))
        assert [one.repetitions for one in made] == expected
    assert jobs_of(task, PROTOCOL, [], torch.device("cuda")) == []


def test_a_known_score_is_not_computed_again(tmp_path, monkeypatch):
    cache, jobs = ScoreCache(tmp_path), [job("a"), job("a", repetition=1), job("b", 12)]
    first = scored(tiny(), jobs, cache)
    monkeypatch.setattr(scoring, "compute", lambda *_: pytest.fail("computed"))
    assert scored(tiny(), jobs, cache) == first  # another object of the same weights, and the seconds of then
    both = [Job(jobs[0].task, PROTOCOL, (0, 1))]
    assert scored(tiny(), both, cache) == {key: value for key, value in first.items() if key[0] == "a"}


@pytest.mark.filterwarnings("ignore:There is a performance drop because we have not yet implemented the batching rule")
def test_only_the_missing_repetitions_are_computed(tmp_path, monkeypatch):
    cache, one = ScoreCache(tmp_path), job("a")
    first = scored(tiny(), [one], cache)
    computed: list[tuple[int, ...]] = []
    real = scoring.compute
    monkeypatch.setattr(
        scoring, "compute", lambda model, job, device: computed.append(job.repetitions) or real(model, job, device)
    )
    found = scored(tiny(), [Job(one.task, PROTOCOL, (0, 1, 2))], cache)
    assert computed == [(1, 2)]
    assert found["a", 0] == first["a", 0]


@pytest.mark.parametrize("method", ["counts", "cnn"])
def test_what_reads_no_model_needs_none(method):
    one = job("a", 24, method=method)
    assert scored(None, [one])["a", 0].scores == scored(tiny(), [one])["a", 0].scores


def test_a_probe_needs_a_model():
    assert scored(tiny(), [job("a", 24, method="probe")])["a", 0].seconds > 0
    with pytest.raises(ValueError, match="the method `probe` reads a pretrained model, but there is none"):
        scored(None, [job("a", method="probe")])


def take_turns(rank: int, rendezvous: str, slow: int, out: str) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2, timeout=timedelta(seconds=PATIENCE_S)
    )
    workers = Workers(rank, 2, CPU)
    for number in range(2):
        taken = []
        for item in workers.queue(6):
            time.sleep(2.0 if item == slow else 0.02)
            taken.append(item)
        Path(out, f"{number}-{rank}").write_text(" ".join(map(str, taken)))
        Path(out, f"{number}-{rank}-ended").write_text(str(time.time()))
    distributed.destroy_process_group()


def test_a_worker_that_is_done_takes_what_another_has_not_begun(tmp_path):
    context = multiprocessing.get_context("spawn")
    arguments = (str(tmp_path / "rendezvous"), 0, str(tmp_path))
    members = [context.Process(target=take_turns, args=(rank, *arguments), daemon=True) for rank in range(2)]
    for member in members:
        member.start()
    for member in members:
        member.join(PATIENCE_S)
        assert member.exitcode == 0
    for number in range(2):  # the second queue starts at 0 again
        taken = [[int(item) for item in (tmp_path / f"{number}-{rank}").read_text().split()] for rank in range(2)]
        assert sorted(taken[0] + taken[1]) == list(range(6))
        assert sorted(map(len, taken)) == [1, 5]  # the one with the slow item got no other
        ended = [float((tmp_path / f"{number}-{rank}-ended").read_text()) for rank in range(2)]
        assert abs(ended[0] - ended[1]) < 1  # neither goes on before the other is done
