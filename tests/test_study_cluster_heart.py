"""Who is thought hung, and who is not: workers with a clock of the test's own, and one real process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from study.cluster import heart
from study.cluster.heart import Heart, Sign, Vigil, forget_all, kill

LIMIT = 4  # seconds, and with a look a second as many looks


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Room:
    """A desk with workers whose signs the test writes, and a vigil over them."""

    def __init__(self, desk: Path, clock: Clock, limit: float = LIMIT) -> None:
        self.desk, self.clock = desk, clock
        self.beats, self.steps, self.trains = [1, 1], [0, 0], [False, False]
        self.ended: list[int] = []
        self.said: list[str] = []
        self.state: str | None = "stopped"
        self.vigil = Vigil(desk, limit, self.end, self.said.append)

    def end(self, sign: Sign) -> str | None:
        self.ended.append(sign.rank)
        return self.state

    def pass_time(
        self,
        looks: int,
        beating: tuple[int, ...] = (0, 1),
        stepping: tuple[int, ...] = (),
        ranks: tuple[int, ...] = (0, 1),
    ) -> None:
        for _ in range(looks):
            self.clock.now += 1
            for rank in beating:
                self.beats[rank] += 1
            for rank in stepping:
                self.steps[rank] += 1
                self.trains[rank] = True
            for rank in ranks:
                sign = Sign(
                    rank, 100 + rank, 0.0, "node", "gpu7", self.beats[rank], self.steps[rank], 40, self.trains[rank]
                )
                (self.desk / f"heart-{rank}").write_text(json.dumps(vars(sign)))
            self.vigil.look()


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    clock = Clock()
    monkeypatch.setattr(heart.time, "monotonic", clock.monotonic)
    return Room(tmp_path, clock)


def test_who_beats_may_start_compile_and_score_for_as_long_as_it_likes(room: Room) -> None:
    room.pass_time(50)
    room.pass_time(50, stepping=(0, 1))
    room.trains = [False, False]
    room.pass_time(50)
    assert room.ended == []


def test_a_silent_worker_is_named_and_those_that_wait_for_it_are_not(room: Room) -> None:
    room.pass_time(5, stepping=(0, 1))
    room.pass_time(LIMIT, beating=(0,))
    assert room.ended == [1]
    assert room.said == [
        "hung: worker 1 (process 101 on gpu7) gave no sign of life for 4 s after step 40, stopped: killed, "
        "the group starts again from its last checkpoint"
    ]


def test_workers_that_live_and_make_no_step_are_stuck_together(room: Room) -> None:
    room.pass_time(5, stepping=(0, 1))
    room.pass_time(LIMIT + 2)
    assert room.ended == []
    room.pass_time(1)
    assert room.ended == [0, 1]
    assert room.said[0].count("made no step for 4 s") == 2


def test_a_worker_that_ray_has_ended_already_is_no_news(room: Room) -> None:
    room.state = None
    room.pass_time(2)
    room.pass_time(LIMIT, beating=(0,))
    assert room.ended == [1]
    assert room.said == []


def test_a_rank_that_the_next_group_does_not_have_is_not_missed(room: Room) -> None:
    room.pass_time(5, stepping=(0, 1))
    room.pass_time(LIMIT - 1, beating=(0,))  # its node is lost
    forget_all(room.desk)
    room.pass_time(50, beating=(0,), stepping=(0,), ranks=(0,))
    assert room.ended == []


def test_who_slept_itself_blames_nobody(room: Room) -> None:
    room.pass_time(2)
    room.clock.now += 3600
    room.pass_time(1)
    assert room.ended == []


def test_a_limit_of_0_is_none(room: Room) -> None:
    other = Room(room.desk, room.clock, limit=0)
    other.pass_time(100, beating=())
    assert other.ended == []


def test_a_sign_that_is_being_written_is_not_read(room: Room) -> None:
    room.pass_time(2)
    (room.desk / "heart-0").write_text('{"rank": 0, "pro')
    room.vigil.look()
    (room.desk / "heart-0").write_text("")
    room.pass_time(1)
    assert room.ended == []


def test_a_heart_beats_by_itself_and_tells_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "_BEAT_S", 0.01)

    def sign() -> Sign:
        while True:
            text = (tmp_path / "heart-3").read_text().strip()
            if text.endswith("}"):
                return Sign(**json.loads(text))

    beats: list[None] = []
    with Heart(tmp_path, 3, "node", lambda: beats.append(None)) as beating:
        while sign().beats < 3:
            time.sleep(0.01)
        assert (sign().trains, sign().process) == (False, os.getpid())
        beating.step(40)
        beating.step(41)
        while sign().steps < 2:
            time.sleep(0.01)
        assert (sign().step, sign().trains) == (41, True)
        beating.rest()
        while sign().trains:
            time.sleep(0.01)
        assert len(beats) >= sign().beats - 1
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_process_is_killed_and_another_of_its_number_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        child.send_signal(signal.SIGSTOP)
        found = psutil.Process(child.pid)
        while found.status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        assert kill(child.pid, found.create_time() - 100) is None
        assert kill(child.pid, found.create_time()) == "stopped"
        assert child.wait(timeout=30) == -signal.SIGKILL
    assert kill(child.pid, 0.0) is None
