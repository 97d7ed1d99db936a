"""A real `ray up` of the on-premises cluster file, on machines made of namespaces: a head, two workers and a laptop."""

import copy
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from study.store import Store
from tests.hosts import HOME, SHARED, Host, hosts, missing, wait_until
from tests.studies import MINI, ROOT, StudyProcess, values

pytestmark = [
    pytest.mark.timeout(1800),  # two minutes on an idle machine
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
FILE = ROOT / "study" / "cluster" / "on_premises.yaml"
SLURM = {  # what the script asks of SLURM, as far as it needs it
    "scontrol": """#!/bin/bash
        tr , '\\n' <<< "$3"
    """,
    "srun": """#!/bin/bash
        while [[ $1 == --* ]]; do [[ $1 == --nodelist=* ]] && node=${1#*=}; shift; done
        there() { ssh -q -o StrictHostKeyChecking=no "$node" "$1"; }
        step=/tmp/step-$$
        there "$(export -p); cd $PWD; echo \\$\\$ > $step; exec $(printf '%q ' "$@")" < /dev/null &
        trap 'there "kill -TERM \\$(cat $step)"' TERM
        wait $! || { code=$?; wait $! 2> /dev/null; exit $code; }
    """,
}
IN_PROJECT = "cd ~/curriculum-study && "


def spec() -> dict[str, Any]:
    """Return a study of one control with and without pretraining: what a cluster can do wrong shows in it."""
    small = copy.deepcopy(MINI)
    small |= {"name": "spread", "curricula": {"constant": {"span": 1, "strategy": "random"}}, "search": {"trials": 0}}
    small["pretraining"]["budgets"] = [2, 300]
    return small


class Remote:
    """A command on the head; its output is in a file here."""

    def __init__(self, words: list[str], output: Path) -> None:
        self._output = output
        with output.open("w") as sink:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)

    def text(self) -> str:
        return self._output.read_text().replace("\r", "")

    def wait(self, limit_s: float = 900) -> int:
        wait_until(lambda: self._process.poll() is not None, "the command ends", limit_s, said=self.text)
        return int(self._process.returncode)


class Cluster:
    """The machines, and the file with which `ray up` made a cluster of them."""

    def __init__(self, base: Path, machines: list[Host]) -> None:
        self.base, self.file = base, base / "shared" / "my_cluster.yaml"
        self.laptop, self.head, *self.workers = machines
        self.file.write_text(yaml.safe_dump(self._config()))

    def _config(self) -> dict[str, Any]:
        """Return the file as users fill it in; the environment is that of these tests, and a worker shows one CPU."""
        content: dict[str, Any] = yaml.safe_load(FILE.read_text())
        content["provider"]["head_ip"] = self.head.address
        content["provider"]["worker_ips"] = [worker.address for worker in self.workers]
        content["auth"] = {"ssh_user": "root", "ssh_private_key": f"{HOME}/.ssh/id_ed25519"}
        (install,) = [one for one in content["setup_commands"] if "pip install" in one]
        content["setup_commands"][content["setup_commands"].index(install)] = (
            "echo 'export PYTHONPATH=~/curriculum-study' >> ~/.bashrc"
        )
        # a lost node is missed sooner than after 30 s
        content["head_setup_commands"].append(
            "echo 'export AUTOSCALER_HEARTBEAT_TIMEOUT_S=15' >> ~/.curriculum-study.sh"
        )
        start = content["worker_start_ray_commands"][-1]
        content["worker_start_ray_commands"][-1] = start.replace(":6379 ", ":6379 --num-cpus=1 ")
        return content

    def ray(self, command: str, *options: str, words: Sequence[str] = (), limit_s: float = 600) -> None:
        """Have the laptop do one of the commands at the top of the file."""
        self.laptop.run("ray", command, *options, f"{SHARED}/my_cluster.yaml", *words, limit_s=limit_s)

    def start(self, command: str, output: str) -> "Remote":
        """Start a command on the head as `ray exec` does it."""
        words = self.laptop.words("ray", "exec", f"{SHARED}/my_cluster.yaml", IN_PROJECT + command)
        return Remote(words, self.base / output)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyProcess]:
    """The same study on this machine, at work while the cluster is made."""
    base = tmp_path_factory.mktemp("alone")
    (base / "spread.yaml").write_text(yaml.safe_dump(spec()))
    with StudyProcess(base / "spread.out", str(base / "spread.yaml"), "--results", str(base)) as study:
        yield study


@pytest.fixture(scope="module")
def cluster(undisturbed: StudyProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    base = tmp_path_factory.mktemp("machines") / "of"
    with hosts(base, "laptop", "head", "worker-1", "worker-2") as machines:
        made = Cluster(base, machines)
        made.ray("up", "-y")
        yield made


def test_a_node_is_lost_in_mid_trial_and_the_study_ends_with_the_scores_of_one_machine(
    cluster: Cluster, undisturbed: StudyProcess
) -> None:
    shared = cluster.base / "shared"
    (shared / "spread.yaml").write_text(yaml.safe_dump(spec()))
    cluster.ray("rsync-up", words=[f"{SHARED}/spread.yaml", "~/curriculum-study/"])
    study = cluster.start("python -m study.run spread.yaml", "study.out")
    log = shared / "spread" / "study.log"  # what the terminal shows moves
    wait_until(
        lambda: log.exists() and " at 2 steps" in log.read_text(),
        "constant is scored at 2 steps",
        900,
        0.02,
        study.text,
    )
    lost = cluster.workers[1]
    lost.switch_off()
    assert " at 300 steps" not in log.read_text()
    lost.start()  # the head logs in and makes it a node again
    assert study.wait() == 0, study.text()

    said = log.read_text()
    found = re.findall(r" constant\S+ at (\d+) steps: .* processes (\d+) on (\S+), (\d+) on (\S+)\)", said)
    groups = {steps: {one: first, other: second} for steps, first, one, second, other in found}
    assert {steps: set(nodes) for steps, nodes in groups.items()} == {
        "2": {"worker-1", "worker-2"},
        "300": {"worker-1", "worker-2"},
    }
    assert groups["2"]["worker-1"] != groups["300"]["worker-1"]  # another group, as a part of the first was lost
    assert "does not answer" not in said  # MLflow of the head
    assert undisturbed.wait() == 0, undisturbed.text()
    alone = undisturbed.output.parent / "spread"
    pd.testing.assert_frame_equal(values(Store(shared / "spread").rows()), values(Store(alone).rows()))


def test_a_job_can_be_submitted_from_a_laptop_with_the_token_of_the_cluster(cluster: Cluster) -> None:
    """As cluster.yaml says at its top, through the tunnel that the README shows."""
    laptop = cluster.laptop
    cluster.ray("rsync-down", words=["~/.ray/auth_token", f"{HOME}/token"])
    tunnel = f"ssh -N -f -L 8265:127.0.0.1:8265 -o StrictHostKeyChecking=no root@{cluster.head.address}"
    laptop.run("bash", "-c", f"{tunnel} > /dev/null 2>&1")
    submit = "ray job submit --address http://127.0.0.1:8265 -- bash -c "
    command = shlex.quote(IN_PROJECT + "python -m study.run --list")
    refused = laptop.run("bash", "-c", submit + command, check=False, limit_s=300)
    assert "cm_gems_logo" not in refused.stdout
    given = f"RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={HOME}/token "
    assert "cm_gems_logo" in laptop.run("bash", "-c", given + submit + command, limit_s=300).stdout


def test_ray_down_leaves_no_process_of_ray(cluster: Cluster) -> None:
    cluster.ray("down", "-y")
    assert_no_ray(cluster)


def assert_no_ray(cluster: Cluster) -> None:
    for host in (cluster.head, *cluster.workers):
        wait_until(
            lambda here=host: not [line for line in here.processes() if "ray" in line],  # type: ignore[misc]
            f"no Ray on {host.name}",
            180,
            said=lambda here=host: "\n".join(here.processes()),  # type: ignore[misc]
        )


def test_the_script_for_slurm_makes_a_cluster_of_its_nodes_and_ends_it(cluster: Cluster) -> None:
    """After `ray down`: the same machines, with a SLURM that runs a step through ssh."""
    project, tools = cluster.base / "shared" / "project", cluster.base / "shared" / "bin"
    project.mkdir()
    tools.mkdir()
    for part in ("curricula", "trainers", "study"):
        (project / part).symlink_to(ROOT / part)
    (project / ".venv").symlink_to(f"{HOME}/venv")
    for name, text in SLURM.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    asked = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "head,worker-1", "SLURM_CPUS_PER_TASK": "1"}
    given = [f"{name}={value}" for name, value in {**asked, "SLURM_SUBMIT_DIR": f"{SHARED}/project"}.items()]
    script = f"PATH={SHARED}/bin:$PATH exec bash {ROOT / 'study' / 'cluster' / 'slurm.sh'} --list"
    said = cluster.head.run("env", *given, "bash", "-c", script, limit_s=600)
    assert "cm_gems_logo" in said.stdout
    assert "error" not in said.stdout + said.stderr
    assert_no_ray(cluster)
