"""The files for `ray up` against Ray's own checks, and what a user must be able to rely on in them."""

import copy
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

from study.cluster.connection import promised_by

ROOT = Path(__file__).parent.parent
AWS = ROOT / "cluster.yaml"
ON_PREMISES = ROOT / "study" / "cluster" / "on_premises.yaml"
FILES = pytest.mark.parametrize("file", [AWS, ON_PREMISES], ids=lambda file: file.stem)
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


@pytest.fixture
def file() -> Path:
    """Give the file of a test that is about AWS alone."""
    return AWS


@pytest.fixture
def config(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = copy.deepcopy(yaml.safe_load(file.read_text()))  # YAML aliases are shared objects
    return content


def _prepared(config: dict[str, Any]) -> dict[str, Any]:
    prepared: dict[str, Any] = prepare_config(config)
    validate_config(prepared)
    return prepared


def _commands(config: dict[str, Any]) -> list[str]:
    return [command for key in COMMANDS for command in config[key]]


def _workers(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [kind for name, kind in config["available_node_types"].items() if name != config["head_node_type"]]


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    prepared = _prepared(config)

    assert prepared["cluster_name"] == "curriculum-study"
    assert prepared["provider"]["type"] == "aws"
    assert prepared["provider"]["cache_stopped_nodes"] is False


def test_ray_accepts_machines_of_ones_own() -> None:
    prepared = _prepared(yaml.safe_load(ON_PREMISES.read_text()))

    nodes = prepared["available_node_types"][prepared["head_node_type"]]
    assert prepared["provider"]["type"] == "local"
    assert nodes["min_workers"] == nodes["max_workers"] == len(prepared["provider"]["worker_ips"])


def test_no_worker_of_a_trial_is_placed_on_a_head_of_ones_own() -> None:
    config = yaml.safe_load(ON_PREMISES.read_text())  # resources of a node type are refused for a local provider
    aws = yaml.safe_load(AWS.read_text())
    own, theirs = (
        next(command for command in one["head_start_ray_commands"] if "ray start --head" in command)
        for one in (config, aws)
    )

    for word in ("--num-cpus=0 --num-gpus=0 ", "export RAY_enable_autoscaler_v2=0; "):
        assert word in own
        own = own.replace(word, "")
    assert own == theirs


@FILES
def test_the_environment_of_nodes_is_the_same_everywhere(config: dict[str, Any]) -> None:
    aws = yaml.safe_load(AWS.read_text())
    common = [command for command in aws["setup_commands"] if "venv" in command and "apt-get" not in command]

    assert len(common) == 3
    assert [command for command in config["setup_commands"] if command in common] == common
    before, _, start = aws["worker_start_ray_commands"][-1].rpartition("; ")
    assert config["worker_start_ray_commands"][-1].startswith(before)
    assert start in config["worker_start_ray_commands"][-1]
    assert config["file_mounts"] == aws["file_mounts"]
    assert config["head_setup_commands"][-2:] == aws["head_setup_commands"][-2:]


@FILES
def test_ray_refuses_an_unknown_key(config: dict[str, Any]) -> None:
    config["worker_start_commands"] = []

    with pytest.raises(ValidationError, match="worker_start_commands"):
        _prepared(config)


def test_ray_refuses_an_unknown_key_of_a_node_type(config: dict[str, Any]) -> None:
    config["available_node_types"]["gpu"]["max_worker"] = 8

    with pytest.raises(ValidationError, match="max_worker"):
        _prepared(config)


def test_ray_refuses_a_head_type_that_is_not_there(config: dict[str, Any]) -> None:
    config["head_node_type"] = "haed"

    with pytest.raises(ValueError, match="head_node_type"):
        validate_config(prepare_config(config))


@FILES
def test_every_kind_of_command_is_given(config: dict[str, Any]) -> None:
    # a kind that is left out gets Ray's default: an image's old Python, a nightly wheel, an open dashboard
    assert set(COMMANDS) <= set(config)


def test_the_head_is_on_demand_and_holds_no_worker_of_a_trial(config: dict[str, Any]) -> None:
    head = config["available_node_types"][config["head_node_type"]]

    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]


def test_workers_are_spot_gpu_nodes_that_come_and_go(config: dict[str, Any]) -> None:
    assert _workers(config)
    for kind in _workers(config):
        assert kind["resources"]["GPU"] >= 1
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert kind["min_workers"] == 0
        assert kind["max_workers"] <= config["max_workers"]


def test_all_nodes_name_an_image(config: dict[str, Any]) -> None:
    # Ray's own choice is Ubuntu 18.04
    images = {kind["node_config"]["ImageId"] for kind in config["available_node_types"].values()}

    assert len(images) == 1
    assert "" not in images


def test_the_promised_resources_are_those_of_all_nodes(config: dict[str, Any]) -> None:
    expected = {"CPU": 8 * 8.0 + 0.0, "GPU": 8 * 1.0}  # eight g6e.2xlarge and the head

    assert promised_by(config) == expected
    assert promised_by(_prepared(config)) == expected  # what the head finds in ~/ray_bootstrap_config.yaml


@FILES
def test_nothing_listens_for_the_outside(config: dict[str, Any]) -> None:
    text = "\n".join(_commands(config))

    assert set(re.findall(r"--dashboard-host[= ](\S+)", text)) == {"127.0.0.1"}
    assert set(re.findall(r" --host[= ](\S+)", text)) == {"127.0.0.1"}
    assert "0.0.0.0" not in text
    assert "security_group" not in config["provider"]
    for kind in config.get("available_node_types", {}).values():
        assert not {"SecurityGroupIds", "NetworkInterfaces"} & set(kind["node_config"])


@FILES
def test_every_ray_start_authenticates_and_names_the_network_card(config: dict[str, Any]) -> None:
    starts = [command for command in _commands(config) if "ray start" in command]

    assert len(starts) == 2
    for command in starts:
        before = command.split("ray start")[0]
        assert "export RAY_AUTH_MODE=token;" in before
        assert "export GLOO_SOCKET_IFNAME=" in before
        assert "export NCCL_SOCKET_IFNAME=" in before


@FILES
def test_the_token_is_made_on_the_head_and_reaches_workers(config: dict[str, Any]) -> None:
    assert any("ray get-auth-token --generate" in command for command in config["head_setup_commands"])
    assert config["cluster_synced_files"] == ["~/.ray/auth_token"]


@FILES
def test_every_node_installs_this_project_with_the_constraints(config: dict[str, Any]) -> None:
    installs = [command for command in config["setup_commands"] if "pip install" in command]

    assert len(installs) == 1
    assert installs[0].startswith("cd ~/curriculum-study && ")
    words = shlex.split(installs[0])
    assert words[words.index("-c") + 1] == ".ci/constraints.txt"
    assert words[words.index("-e") + 1] == "."


def test_the_head_installs_a_boto3_of_the_constraints(config: dict[str, Any]) -> None:
    assert any("-c .ci/constraints.txt boto3" in command for command in config["head_setup_commands"])
    assert "boto3==" in (ROOT / ".ci" / "constraints.txt").read_text()


@FILES
def test_what_nodes_get_is_there_and_enough_to_install(config: dict[str, Any]) -> None:
    mounts = config["file_mounts"]

    assert {remote: f"~/curriculum-study/{local}" for remote, local in mounts.items()} == {key: key for key in mounts}
    assert all((ROOT / local).exists() for local in mounts.values())
    assert {"pyproject.toml", "README.md", "LICENSE", ".ci", "curricula", "trainers", "study"} <= set(mounts.values())
    assert {".venv", "results", ".git"} <= set(config["rsync_exclude"])


def test_the_default_results_folder_is_the_shared_storage(config: dict[str, Any]) -> None:
    mount = next(command for command in config["setup_commands"] if "mount -t nfs4" in command)

    assert f"fs-REPLACE_ME.efs.{config['provider']['region']}.amazonaws.com:/ /mnt/results" in mount
    assert "ln -sfn /mnt/results ~/curriculum-study/results" in config["setup_commands"]


@FILES
def test_users_shells_on_the_head_find_ray_and_mlflow(config: dict[str, Any]) -> None:
    text = "\n".join(config["head_setup_commands"])
    server = next(command for command in config["head_start_ray_commands"] if "mlflow server" in command)

    assert "RAY_ADDRESS=auto" in text
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:5000" in text
    assert "--port 5000" in server


@FILES
def test_all_that_must_be_replaced_is_listed_at_the_top(file: Path, config: dict[str, Any]) -> None:
    header = re.split(r"^[^#]", file.read_text(), maxsplit=1, flags=re.MULTILINE)[0]
    placeholder = re.compile(r"[a-z]+-REPLACE_ME")

    assert set(placeholder.findall(header)) == set(placeholder.findall(yaml.safe_dump(config)))


@FILES
def test_commands_are_valid_shell(config: dict[str, Any]) -> None:
    for command in _commands(config):
        checked = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, f"{command}\n{checked.stderr}"
