"""What a pretraining is worth and what it took, from a real one of a few steps."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from curricula import InputError
from study.spec.files import parse
from study.spec.study import ClusterSpec
from study.trials.measures import measures
from tests import runs
from tests.studies import MINI
from trainers import data
from trainers.pretraining.clock import PARTS
from trainers.pretraining.flops import peak
from trainers.pretraining.loop import Reached, pretrain
from trainers.settings import PretrainSettings
from trainers.workers import Workers

CPU = torch.device("cpu")
PAIR = Workers(rank=0, count=2, device=CPU)


def trained(settings: PretrainSettings, folder: Path, budgets: list[int], out: Path) -> Iterator[Reached]:
    return pretrain(settings, data.load(runs.DATA, folder)[0], budgets, out, runs.ALONE)


@pytest.fixture(scope="module")
def reached(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Reached:
    (last,) = trained(runs.settings(prepared), prepared, [3], tmp_path_factory.mktemp("measures"))
    return last


def test_both_validations_are_told(reached: Reached) -> None:
    found = measures(reached, runs.ALONE, ClusterSpec(), None)
    for ending, measured in (("", reached.validation.narrow), ("_wide", reached.validation.wide)):
        told = [found[f"validation_{name}{ending}"] for name in ("loss", "perplexity", "accuracy")]
        assert told == [measured.loss, measured.perplexity, measured.accuracy]


def test_speeds_and_costs_follow_from_the_seconds_of_all_workers(reached: Reached) -> None:
    state = dataclasses.replace(reached.state, worker_seconds=2 * reached.state.seconds)
    cluster = ClusterSpec(gpus_per_worker=0.5, price_per_worker_hour=1800.0)
    found = measures(dataclasses.replace(reached, state=state), PAIR, cluster, torch.bfloat16)
    assert found["peak_flops"] == peak(CPU, "bf16").flops_per_second
    assert found["mfu"] == pytest.approx(state.flops / state.seconds / (2 * found["peak_flops"]))
    assert found["tokens_per_second"] == pytest.approx(3 * 8 * 24 / state.seconds)
    assert found["masked_tokens_per_second"] == pytest.approx(state.masked_tokens / state.seconds)
    assert found["worker_hours"] == pytest.approx(2 * state.seconds / 3600)
    assert found["gpu_hours"] == pytest.approx(state.seconds / 3600)
    assert found["money"] == pytest.approx(state.seconds)
    assert found["flops"] == state.flops > 0
    assert found["peak_memory_bytes"] > 50e6  # torch alone takes that much
    parts = {name.removeprefix("seconds_"): value for name, value in found.items() if name.startswith("seconds_")}
    assert set(parts) == set(PARTS)
    assert sum(parts.values()) > 0
    assert all(isinstance(value, float) for value in found.values())


def test_fp32_is_set_against_the_peak_of_fp32(reached: Reached) -> None:
    found = measures(reached, runs.ALONE, ClusterSpec(), None)
    assert found["peak_flops"] == peak(CPU, "fp32").flops_per_second
    assert 0 < found["mfu"] < 1


def test_without_a_price_there_is_no_money_and_without_a_step_no_speed(prepared: Path, tmp_path: Path) -> None:
    (initial,) = trained(runs.settings(prepared), prepared, [0], tmp_path)
    found = measures(initial, runs.ALONE, ClusterSpec(), None)
    assert "money" not in found
    assert not {"mfu", "peak_flops", "tokens_per_second", "masked_tokens_per_second"} & set(found)
    assert not any(name.startswith("seconds_") for name in found)
    assert found["flops"] == 0
    assert found["worker_hours"] < 0.01


def test_a_price_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match=r"cluster\.price_per_worker_hour"):
        parse({**json.loads(json.dumps(MINI)), "cluster": {"price_per_worker_hour": -0.5}}, "test")
