"""The files for Kubernetes and SLURM, as far as they can be checked without either."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from study.run import _parser
from study.spec.files import load

ROOT = Path(__file__).parent.parent
CLUSTERS = ROOT / "study" / "cluster"
MANIFEST, SCRIPT = CLUSTERS / "kuberay.yaml", CLUSTERS / "slurm.sh"
RAY = re.search(r"^ray==(\d+\.\d+)", (ROOT / ".ci" / "constraints.txt").read_text(), re.MULTILINE)


@pytest.fixture
def job() -> dict[str, Any]:
    return next(part for part in yaml.safe_load_all(MANIFEST.read_text()) if part["kind"] == "RayJob")


def pods(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the specs of the head's pod and of each group's pods."""
    cluster = job["spec"]["rayClusterSpec"]
    groups = {"head": cluster["headGroupSpec"], **{one["groupName"]: one for one in cluster["workerGroupSpecs"]}}
    return {name: group["template"]["spec"] for name, group in groups.items()}


def test_the_manifest_is_a_job_of_kuberay_with_a_claim_for_the_results(job: dict[str, Any]) -> None:
    claim, other = yaml.safe_load_all(MANIFEST.read_text())
    assert other == job
    assert job["apiVersion"] == "ray.io/v1"
    assert claim["kind"] == "PersistentVolumeClaim"
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods(job).values():
        assert {"name": "results", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}} in pod["volumes"]
        for container in pod["containers"]:
            assert {"name": "results", "mountPath": "/mnt/results"} in container["volumeMounts"]


def test_all_its_pods_run_one_image_with_the_ray_of_this_project(job: dict[str, Any]) -> None:
    images = {container["image"] for pod in pods(job).values() for container in pod["containers"]}
    assert RAY
    assert len(images) == 1
    assert images.pop().endswith(f":ray-{RAY[1]}")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == f"{RAY[1]}.0"
    assert f"FROM rayproject/ray:{RAY[1]}.0-py3" in MANIFEST.read_text()


def test_its_entrypoint_is_a_command_line_whose_trials_fit_the_workers(job: dict[str, Any]) -> None:
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:3] == ["python", "-m", "study.run"]
    options = _parser().parse_args(words[3:])
    spec = load(options.spec, options.overrides).cluster
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    limits = pods(job)["gpu"]["containers"][0]["resources"]["limits"]
    assert options.results == "/mnt/results"
    assert spec.workers * spec.gpus_per_worker <= group["replicas"] * limits["nvidia.com/gpu"]
    assert spec.cpus_per_worker <= float(limits["cpu"])


def test_its_head_runs_no_worker_of_a_trial_and_nothing_is_exposed(job: dict[str, Any]) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}
    assert head["serviceType"] == "ClusterIP"
    assert cluster["authOptions"] == {"mode": "token"}
    mlflow = next(one for one in pods(job)["head"]["containers"] if one["name"] == "mlflow")
    assert mlflow["command"][mlflow["command"].index("--host") + 1] == "127.0.0.1"
    assert not any("ports" in container for pod in pods(job).values() for container in pod["containers"])


@pytest.mark.parametrize("file", [MANIFEST, SCRIPT], ids=lambda file: file.name)
def test_all_that_must_be_replaced_is_listed_at_the_top(file: Path) -> None:
    header = re.split(r"^[^#]", file.read_text(), maxsplit=1, flags=re.MULTILINE)[0]
    placeholder = re.compile(r"[a-z]+-REPLACE_ME")
    assert set(placeholder.findall(header)) == set(placeholder.findall(file.read_text()))


@pytest.mark.parametrize("checker", [["bash", "-n"], ["shellcheck"]], ids=lambda words: words[0])
def test_the_script_is_valid_shell(checker: list[str]) -> None:
    if not shutil.which(checker[0]):
        pytest.skip(f"{checker[0]} is not installed")
    checked = subprocess.run([*checker, str(SCRIPT)], capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_script_authenticates_and_asks_for_free_ports() -> None:
    text = SCRIPT.read_text()
    assert "RAY_AUTH_MODE=token" in text
    assert "--dashboard-host=127.0.0.1" in text
    assert "ray stop" not in re.sub(r"#.*", "", text)  # it would end other jobs' Ray on a shared node
    assert 'python -m study.run "$@"' in text
