"""Machines of one's own in namespaces of Linux: each with its processes, network card, home, /tmp and sshd.

All hang on one switch that nothing else is connected to. A machine is a first process and what it started; it is
switched off by ending that one, and the kernel takes its network away. So nothing outlives the tests, killed or not.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.studies import ROOT

SUBNET = "10.77.0"
HOME, SHARED = "/mnt/home", "/mnt/results"
_PROGRAMS = ("ip", "unshare", "nsenter", "setpriv", "sshd", "ssh", "ssh-keygen", "rsync")
_GATEWAY = f"{SUBNET}.254"  # leads nowhere; Ray and the cluster files look which card a default route takes
_NEW = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--net", "--pid", "--fork", "--mount-proc", "--mount", "--uts", "--ipc", "--kill-child"),
)
_ENTER = ["nsenter", "--net", "--pid", "--mount", "--uts", "--ipc"]
_BOOT = r"""
set -e
mount -t tmpfs none /mnt
mkdir -p /mnt/home /mnt/results /mnt/kept
mount --bind "$BASE/shared" /mnt/results
mount --bind "$BASE/$NAME" /mnt/home
cp "$BASE/host_key" "$BASE/sshd_config" "$BASE/hosts" /mnt
chmod go= /mnt/host_key
number=0
for kept in "$@"; do  # what is needed and lies in /tmp
  mkdir "/mnt/kept/$((++number))" && mount --bind "$kept" "/mnt/kept/$number"
done
mount -t tmpfs none /dev/shm
mount -t tmpfs none /tmp
mount -t tmpfs none /run
mkdir /run/sshd
number=0
for kept in "$@"; do
  mkdir -p "$kept" && mount --move "/mnt/kept/$((++number))" "$kept"
done
sed 's,^root:.*,root:x:0:0:root:/mnt/home:/bin/bash,' /etc/passwd > /mnt/passwd
sed 's,^root:[^:]*,root:*,' /etc/shadow > /mnt/shadow
for file in passwd shadow hosts; do mount --bind "/mnt/$file" "/etc/$file"; done
hostname "$NAME"
"$(command -v sshd)" -D -f /mnt/sshd_config &
wait  # as the first process: bash then takes in whatever its children leave behind
"""
_SSHD = """
HostKey /mnt/host_key
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
MaxStartups 100
PidFile none
"""


def missing() -> str:
    """Return why no machines can be made here, or nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "machines in namespaces need Linux and root"
    lacking = [program for program in _PROGRAMS if not shutil.which(program)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def wait_until(
    is_so: Callable[[], bool], what: str, limit_s: float, look_s: float = 0.2, said: Callable[[], str] = str
) -> None:
    """Wait until something is so; say what was waited for, and what was said meanwhile, where it is not."""
    until = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < until, f"not within {limit_s:g} s: {what}\n{said()}"
        time.sleep(look_s)


def _namespaces(log: Path, words: list[str], **environment: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command as the first process of namespaces of its own; return what started it, and its process ID."""
    with log.open("a") as sink:
        starter = subprocess.Popen(
            [*_NEW, *words],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        wait_until(lambda: bool(psutil.Process(starter.pid).children()), f"`{words[0]}` starts", 30, 0.02)
        return starter, psutil.Process(starter.pid).children()[0].pid
    except BaseException:
        starter.kill()
        starter.wait()
        raise


class Host:
    """One machine."""

    def __init__(self, base: Path, switch: int, name: str, number: int) -> None:
        self._base, self._switch, self._number = base, switch, number
        self.name, self.address = name, f"{SUBNET}.{number}"
        self._starter: subprocess.Popen[bytes] | None = None
        self._first = 0

        home = base / name
        (home / ".ssh").mkdir(parents=True, mode=0o700)
        shutil.copy(base / "key", home / ".ssh" / "id_ed25519")
        shutil.copy(base / "key.pub", home / ".ssh" / "authorized_keys")
        (home / ".bashrc").touch()
        (home / "venv").symlink_to(Path(sys.prefix).resolve())

    def start(self) -> None:
        """Switch it on, with its home as it was and all else empty; returns when its sshd answers."""
        prefix = Path(sys.prefix).resolve()
        kept = [str(path) for path in (prefix, ROOT) if path.is_relative_to("/tmp")]
        words = ["bash", "-c", _BOOT, "boot", *kept]
        log = self._base / f"{self.name}.log"
        self._starter, self._first = _namespaces(log, words, BASE=str(self._base), NAME=self.name)
        self._plug_in()
        answers = "exec 3<> /dev/tcp/127.0.0.1/22"
        wait_until(lambda: self.run("bash", "-c", answers, check=False).returncode == 0, f"sshd of {self.name}", 60)

    def _plug_in(self) -> None:
        port = f"port{self._number}"
        at_switch = (
            f"ip link add {port} type veth peer name eth0 netns {self._first} && ip link set {port} master switch up"
        )
        here = (
            f"ip link set lo up && ip address add {self.address}/24 dev eth0 && ip link set eth0 up"
            f" && ip route add default via {_GATEWAY}"
        )
        for process, command in ((self._switch, at_switch), (self._first, here)):
            _checked(["nsenter", "--net", "--target", str(process), "bash", "-c", command])

    def words(self, *command: str) -> list[str]:
        """Return the command line that runs a command on this machine."""
        clean = ["env", "-i", f"HOME={HOME}", f"PATH={HOME}/venv/bin:{os.environ['PATH']}", "LANG=C.UTF-8"]
        return [*_ENTER, "--target", str(self._first), f"--wd={ROOT}", *clean, *command]

    def run(self, *command: str, check: bool = True, limit_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a command there and return what it said."""
        return _checked(self.words(*command), check, limit_s)

    def processes(self) -> list[str]:
        """Return the command line of each process on it that is alive."""
        return [line for line in self.run("ps", "-eo", "args").stdout.splitlines() if "<defunct>" not in line]

    def switch_off(self) -> None:
        """End all its processes at once, as a power cut does."""
        if self._starter is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._first, signal.SIGKILL)
        self._starter.wait(timeout=30)
        self._starter = None


@contextmanager
def hosts(base: Path, *names: str) -> Iterator[list[Host]]:
    """Give machines of these names on a network of their own, all switched on; they are gone afterwards.

    Args:
        base: An empty folder; its `shared` is at /mnt/results on each of them, its `key` lets in to all.
        names: Their host names.
    """
    (base / "shared").mkdir(parents=True)
    for key in ("key", "host_key"):
        _checked(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(base / key)])
    (base / "sshd_config").write_text(_SSHD)
    lines = [f"{SUBNET}.{number} {name}" for number, name in enumerate(names, 1)]
    (base / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
    starter, switch = _namespaces(base / "switch.log", ["sleep", "infinity"])
    made = [Host(base, switch, name, number) for number, name in enumerate(names, 1)]
    try:
        bridge = f"ip link add switch type bridge && ip address add {_GATEWAY}/24 dev switch && ip link set switch up"
        _checked(["nsenter", "--net", "--target", str(switch), "bash", "-c", bridge])
        for host in made:
            host.start()
        yield made
    finally:
        for host in made:
            host.switch_off()
        starter.kill()
        starter.wait(timeout=30)


def _checked(words: list[str], check: bool = True, limit_s: float = 60) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=limit_s, stdin=subprocess.DEVNULL, errors="replace"
    )
    said = f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0 or not check, said
    return done
