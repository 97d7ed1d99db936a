"""1, 2, 3 and 4 workers train on the same windows under the same masks, to the same losses."""

import dataclasses
import itertools
import json
import multiprocessing
import unittest.mock
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed

from curricula import Masking
from tests import runs
from trainers import data
from trainers.pretraining import checkpoint
from trainers.pretraining.batches import Share
from trainers.pretraining.compute import Compute
from trainers.pretraining.loop import pretrain
from trainers.pretraining.shares import Evaluations, Shares
from trainers.settings import FULL_LENGTH, Sampling
from trainers.workers import Workers

FIRST, STEPS = 4, 50
MIXED = Sampling("mixed", shortest=4, reverse_complement=True)
PATIENCE = 300  # seconds


def train(
    folder: str, out: str, workers: Workers, curriculum: str, arguments: dict[str, Any], until: int, sampling: Sampling
) -> None:
    """Train some steps; write down what the model read at each and what came out."""
    seen: list[dict[str, Any]] = []
    strategies: dict[int, str] = {}
    masking, gradients = Shares.masking, Compute.gradients

    def noted_masking(shares: Shares, step: int, evaluations: Evaluations) -> Masking:
        found = masking(shares, step, evaluations)
        strategies[step] = found.strategy.value
        return found

    def noted_gradients(compute: Compute, share: Share, masked: torch.Tensor) -> torch.Tensor:
        loss = gradients(compute, share, masked)
        own = share.rows.ids_BT.shape[1] if share.rows.lengths is None else share.rows.lengths
        rows = list(
            zip(np.broadcast_to(own, len(share.rows.ids_BT)).tolist(), share.rows.inputs_BT.tolist(), strict=True)
        )
        labels = share.rows.ids_BT[share.rows.mask_BT].tolist()
        inputs = [
            ids[:tokens] for tokens, ids in rows
        ]  # padding, whose width depends on the rows beside it, is left out
        masks = [mask[:tokens] for (tokens, _), mask in zip(rows, share.rows.mask_BT.tolist(), strict=True)]
        seen.append({"inputs": inputs, "masks": masks, "labels": labels, "loss": float(loss)})
        return loss

    loaded, _ = data.load(dataclasses.replace(runs.DATA, sampling=sampling), Path(folder))
    settings = runs.settings(Path(folder), curriculum=curriculum, arguments=arguments, horizon=STEPS)
    checkpoints = Path(out) / "checkpoints"
    budgets = [step for step in (FIRST, STEPS) if step <= until]
    with (  # to look on; both do what they always do
        unittest.mock.patch.object(Shares, "masking", noted_masking),
        unittest.mock.patch.object(Compute, "gradients", noted_gradients),
    ):
        reached = list(pretrain(settings, loaded, budgets, checkpoints, workers))
    told = {
        "strategies": [strategies[step] for step in sorted(strategies)],
        "seen": seen,
        "validation": [one.validation_loss for one in reached],
        "evaluations": [[entry.step, entry.perplexity] for entry in reached[-1].state.evaluations],
        "tokens": [reached[-1].state.tokens, reached[-1].state.masked_tokens],
        "flops": reached[-1].state.flops,
        "seconds": reached[-1].state.seconds,
        "worker_seconds": reached[-1].state.worker_seconds,
        "weights": {name: float(p.detach().double().norm()) for name, p in reached[-1].model.named_parameters()},
        "gathered": workers.gather(workers.rank),
        "sum": float(workers.sum(torch.tensor(workers.rank + 1.0))),
    }
    (Path(out) / f"rank{workers.rank}.json").write_text(json.dumps(told))


def work(rank: int, count: int, folder: str, out: str, what: tuple[str, dict[str, Any], int, Sampling]) -> None:
    """One process of a group."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", f"file://{out}/rendezvous-{what[2]}", timedelta(seconds=PATIENCE), rank=rank, world_size=count
    )
    try:
        train(folder, out, Workers.current(torch.device("cpu")), *what)
    finally:
        distributed.destroy_process_group()


def train_together(
    count: int,
    folder: Path,
    out: Path,
    curriculum: str = "constant",
    arguments: Mapping[str, Any] = MappingProxyType({"strategy": "global"}),
    until: int = STEPS,
    sampling: Sampling = FULL_LENGTH,
) -> list[dict[str, Any]]:
    what = (curriculum, dict(arguments), until, sampling)
    if count == 1:
        train(str(folder), str(out), runs.ALONE, *what)
    else:
        context = multiprocessing.get_context("forkserver")  # a server that has imported torch once
        context.set_forkserver_preload(["trainers.pretraining.loop"])
        processes = [
            context.Process(target=work, args=(rank, count, str(folder), str(out), what)) for rank in range(count)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE)
        left = [process for process in processes if process.is_alive()]
        for process in left:
            process.kill()
        assert [process.exitcode for process in processes] == [0] * count
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(count)]


@pytest.fixture(scope="module", params=[FULL_LENGTH, MIXED], ids=["full length", "mixed lengths, both strands"])
def sampling(request) -> Sampling:
    return request.param


@pytest.fixture(scope="module")
def alone(prepared, sampling, tmp_path_factory) -> dict[str, Any]:
    (told,) = train_together(1, prepared, tmp_path_factory.mktemp("alone"), sampling=sampling)
    assert len(told["seen"]) == STEPS
    return told


@pytest.fixture(scope="module", params=[2, 3, 4], ids=["2 workers", "3, of unequal shares", "4 workers"])
def together(request, prepared, sampling, tmp_path_factory) -> list[dict[str, Any]]:
    out = tmp_path_factory.mktemp("together")
    told = train_together(request.param, prepared, out, sampling=sampling)
    assert checkpoint.complete(out / "checkpoints") == [FIRST, STEPS]
    return told


def test_the_group_reads_the_windows_and_masks_of_a_single_process(alone, together):
    for step in range(STEPS):
        parts = [told["seen"][step] for told in together]
        for what in ("inputs", "masks", "labels"):
            rows = [row for part in parts for row in part[what]]
            assert rows == alone["seen"][step][what], f"{what} of step {step}"


def test_tokens_are_counted_as_they_were_read(alone, sampling):
    tokens = [sum(map(len, step["inputs"])) for step in alone["seen"]]
    assert alone["tokens"] == [sum(tokens), sum(len(step["labels"]) for step in alone["seen"])]
    assert (sum(tokens) < STEPS * 8 * 24) == (sampling is not FULL_LENGTH)


def test_the_losses_are_equal_at_every_step(alone, together):
    for step in range(STEPS):
        tokens = len(alone["seen"][step]["labels"])
        loss = sum(told["seen"][step]["loss"] for told in together) / tokens
        assert loss == pytest.approx(alone["seen"][step]["loss"] / tokens, abs=1e-5), f"step {step}"


def test_every_worker_knows_the_same_validation_losses(alone, together):
    for told in together:
        assert told["validation"] == together[0]["validation"]
        assert told["evaluations"] == together[0]["evaluations"]
        assert told["tokens"] == alone["tokens"]
        assert told["flops"] == pytest.approx(alone["flops"])
    assert together[0]["validation"] == pytest.approx(alone["validation"], abs=1e-5)
    perplexities = dict(together[0]["evaluations"])
    assert perplexities == pytest.approx(dict(alone["evaluations"]), rel=1e-5)
    assert list(perplexities) == list(range(0, STEPS, 2))


def test_every_worker_ends_with_the_same_weights(alone, together):
    for told in together:
        assert told["weights"] == together[0]["weights"]
    assert together[0]["weights"] == pytest.approx(alone["weights"], abs=1e-4)


def test_a_group_gathers_by_rank_and_adds_up(together):
    count = len(together)
    for told in together:
        assert told["gathered"] == list(range(count))
        assert told["sum"] == count * (count + 1) / 2


def test_another_number_of_workers_goes_on_within_rounding(prepared, tmp_path):
    whole, changed = tmp_path / "whole", tmp_path / "changed"
    for folder in (whole, changed):
        folder.mkdir()
    (alone,) = train_together(1, prepared, whole)
    (before, _) = train_together(2, prepared, changed, until=FIRST)
    (after,) = train_together(1, prepared, changed)
    assert alone["worker_seconds"] == alone["seconds"]
    assert before["worker_seconds"] == 2 * before["seconds"]
    assert after["worker_seconds"] == pytest.approx(after["seconds"] + before["seconds"], rel=0.2)
    assert len(after["seen"]) == STEPS - FIRST
    assert after["seen"][0]["inputs"] == alone["seen"][FIRST]["inputs"]
    assert after["validation"] == pytest.approx(alone["validation"], abs=1e-5)
    assert after["weights"] == pytest.approx(alone["weights"], abs=1e-4)


def test_every_worker_switches_at_the_same_step_and_after_a_resumption_too(prepared, tmp_path):
    # In the public code the switch never fires under DDP: there, perplexity is measured by single processes only.
    undisturbed, cut = tmp_path / "undisturbed", tmp_path / "cut"
    undisturbed.mkdir()
    cut.mkdir()
    arguments = {"threshold": 1.0, "rate": 0.3, "span": 2}
    told = train_together(2, prepared, undisturbed, "cm_gems", arguments)
    perplexities = told[0]["evaluations"]
    slow = [step for (_, before), (step, now) in itertools.pairwise(perplexities) if before - now < 1.0]
    switch = slow[0]
    assert perplexities[0][1] - perplexities[1][1] > 1.0  # it learned fast at first, so the switch is no accident
    assert 2 < switch < STEPS
    for rank in told:
        assert rank["strategies"] == ["genemask"] * switch + ["global"] * (STEPS - switch)
    before = train_together(2, prepared, cut, "cm_gems", arguments, until=FIRST)
    after = train_together(2, prepared, cut, "cm_gems", arguments)
    for rank, first, second in zip(told, before, after, strict=True):
        assert first["strategies"] + second["strategies"] == rank["strategies"]
        assert second["evaluations"] == rank["evaluations"]
        assert second["weights"] == rank["weights"]


def test_every_worker_draws_the_same_strategy_from_a_mixture(prepared, tmp_path):
    told = train_together(2, prepared, tmp_path, "linear", {"parameter": "global_share", "start": 0.5, "end": 0.5})
    assert set(told[0]["strategies"]) == {"random", "global"}
    assert told[0]["strategies"] == told[1]["strategies"]
