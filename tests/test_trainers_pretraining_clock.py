"""Every second of a training is counted once, to the part that it went into."""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from trainers.pretraining.clock import PARTS, Clock, _Travelling, forget_peak_memory, peak_memory, timed_hook

CPU = torch.device("cpu")
PATIENCE = 120  # seconds


def test_a_part_inside_another_is_not_counted_twice() -> None:
    clock = Clock(CPU)
    started_at = time.perf_counter()
    with clock.part("forward"):
        time.sleep(0.02)
        with clock.part("data"):
            time.sleep(0.03)
        time.sleep(0.01)
    with clock.part("data"):
        time.sleep(0.01)
    passed = time.perf_counter() - started_at
    seconds = clock.seconds()
    assert tuple(seconds) == PARTS
    assert seconds["forward"] >= 0.03
    assert seconds["data"] >= 0.04
    assert sum(seconds.values()) <= passed
    assert sum(seconds.values()) == seconds["forward"] + seconds["data"]


def test_an_open_part_is_counted_up_to_now_and_goes_on() -> None:
    clock = Clock(CPU)
    with clock.part("checkpoint"):
        time.sleep(0.01)
        first = clock.seconds()["checkpoint"]
        time.sleep(0.01)
    assert first >= 0.01
    assert clock.seconds()["checkpoint"] >= first + 0.01


def test_a_part_that_fails_is_counted_and_closed() -> None:
    clock = Clock(CPU)

    def fail() -> None:
        with clock.part("forward"):
            time.sleep(0.01)
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    before = clock.seconds()
    assert before["forward"] >= 0.01
    time.sleep(0.01)
    assert clock.seconds() == before


def test_it_goes_on_from_what_a_checkpoint_says() -> None:
    clock = Clock(CPU)
    with clock.part("data"):
        time.sleep(0.001)
    clock.restart({"mask": 3.0})
    assert clock.seconds() == dict.fromkeys(PARTS, 0.0) | {"mask": 3.0}
    clock.add("mask", 1.0)
    assert clock.seconds()["mask"] == 4.0


class Moment:
    """Stands in for an event in a GPU's queue, `number` seconds into it; the GPU has come to `gpu_at`."""

    gpu_at = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def query(self) -> bool:
        return self.number <= Moment.gpu_at

    def synchronize(self) -> None:
        Moment.gpu_at = max(Moment.gpu_at, self.number)

    def elapsed_time(self, later: "Moment") -> float:
        assert later.query(), "CUDA refuses to compare events that it has not come to"
        return 1000.0 * (later.number - self.number)


class FarAhead(Clock):
    """A clock whose host is a second further at every look, and whose GPU only comes where it is waited for."""

    def __init__(self) -> None:
        self.looks = 0
        super().__init__(CPU)

    def _now(self) -> Moment:
        self.looks += 1
        return Moment(self.looks)


def test_a_gpu_is_waited_for_by_those_who_ask_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moment, "gpu_at", 0)
    clock = FarAhead()
    for _ in range(3):
        with clock.part("backward"), clock.part("mask"):
            pass
    assert Moment.gpu_at == 0
    assert len(clock._stretches) == 9
    assert clock.seconds() == dict.fromkeys(PARTS, 0.0) | {"backward": 6.0, "mask": 3.0}


def test_what_a_gpu_has_done_is_not_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moment, "gpu_at", 0)
    clock = FarAhead()
    for _ in range(50):
        with clock.part("forward"):
            pass
        Moment.gpu_at = clock.looks - 5
    assert len(clock._stretches) <= 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_parts_of_a_gpu_are_measured_in_its_queue() -> None:
    device = torch.device("cuda", 0)
    clock = Clock(device)
    with clock.part("forward"):
        torch.cuda._sleep(100_000_000)
        with clock.part("mask"):
            pass
    seconds = clock.seconds()
    assert 0.01 < seconds["forward"] < 1
    assert seconds["mask"] < 0.01
    assert peak_memory(device) == torch.cuda.max_memory_allocated(device)


def test_peak_memory_of_a_cpu_is_that_of_the_process() -> None:
    now = psutil.Process().memory_info().rss
    assert now <= peak_memory(CPU) * 1.01 < psutil.virtual_memory().total


def test_buckets_that_travel_together_are_counted_once() -> None:
    clock = Clock(CPU)
    travelling = _Travelling(clock)
    started_at = time.perf_counter()
    travelling.begin()
    time.sleep(0.01)
    travelling.begin()
    time.sleep(0.01)
    travelling.end()
    assert clock.seconds()["communication"] == 0
    time.sleep(0.01)
    travelling.end()
    assert 0.03 <= clock.seconds()["communication"] <= time.perf_counter() - started_at


def gradients(hook: Callable[..., Any] | None, rank: int) -> list[torch.Tensor]:
    """Two passes whose gradients add up, in several buckets of 4 KiB."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(40, 40) for _ in range(6)]
    model = DistributedDataParallel(torch.nn.Sequential(*layers), bucket_cap_mb=0.004, gradient_as_bucket_view=True)
    if hook is not None:
        model.register_comm_hook(None, hook)
    inputs_BH = torch.randn(8, 40, generator=torch.Generator().manual_seed(rank))
    for _ in range(2):
        model(inputs_BH).square().sum().backward()
    return [parameter.grad for parameter in model.parameters()]


def work(rank: int, out: str) -> None:
    """One process of a group of two."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", f"file://{out}/rendezvous", timedelta(seconds=PATIENCE), rank=rank, world_size=2
    )
    try:
        clock = Clock(CPU)
        expected = gradients(None, rank)
        started_at = time.perf_counter()
        found = gradients(timed_hook(clock), rank)
        told = {
            "equal": [torch.equal(one, other) for one, other in zip(found, expected, strict=True)],
            "sum": [float(gradient.double().sum()) for gradient in found],
            "passed": time.perf_counter() - started_at,
            "seconds": clock.seconds(),
        }
        (Path(out) / f"rank{rank}.json").write_text(json.dumps(told))
    finally:
        distributed.destroy_process_group()


def test_the_hook_averages_as_ddp_does_bit_by_bit_and_counts_the_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")  # a server that has imported torch once
    context.set_forkserver_preload(["trainers.pretraining.clock"])
    processes = [context.Process(target=work, args=(rank, str(tmp_path))) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    left = [process for process in processes if process.is_alive()]
    for process in left:
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    first, second = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert first["equal"] == second["equal"] == [True] * 12
    assert first["sum"] == second["sum"]
    for told in (first, second):
        assert 0 < told["seconds"]["communication"] <= told["passed"]
        assert sum(told["seconds"].values()) == told["seconds"]["communication"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets the peak of a process")
def test_a_peak_that_is_forgotten_is_that_of_what_came_after() -> None:
    large = torch.ones(40_000_000)  # 160 MB
    before = peak_memory(CPU)
    del large
    assert peak_memory(CPU) == before
    forget_peak_memory(CPU)
    assert peak_memory(CPU) < before - 100_000_000
