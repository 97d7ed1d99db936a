"""Connects to Ray: a cluster of one's own on this machine, or the one that RAY_ADDRESS names."""

import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from curricula import InputError
from study.spec.study import ClusterSpec

_BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")  # `ray up` leaves it on the head: what the autoscaler may add
_LATE_S, _NEVER_S = 120, 900  # how long nodes are waited for: where a trial fits already, and where none does
_ENVIRONMENT = {
    # a report waits for the controller's next look at its workers; the default of 2 s is felt at every budget
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # what can never fit is refused before; what is left is an autoscaler that needs minutes for a GPU node
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "1200",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # results are our rows; CSV, JSON and TensorBoard copies are not read
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C must end the study at once; it resumes from its own rows
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # a stopped trial is told so, and waits for its group to leave the run
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables; ours say the same in our terms
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
# room was found before: where it is gone again, it is looked for anew
_ELASTIC = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "60"}
_ALONE = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}  # a process a group, to ask for drained nodes: there is but one


def _loopback() -> dict[str, str]:
    """Return the environment in which what a local cluster starts can be reached from this machine alone."""
    card = "lo0" if sys.platform == "darwin" else "lo"
    return {
        # named after where it is the default: every server of Ray then binds to 127.0.0.1, on Linux as well. Read when
        # Ray is imported; its own `_node_ip_address="127.0.0.1"` would be replaced by an address of the network
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "GLOO_SOCKET_IFNAME": card,
        "NCCL_SOCKET_IFNAME": card,
    }


def local_cpus() -> int:
    """Return the CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _local_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def capacity() -> dict[str, float]:
    """Return the CPUs and GPUs that a study can count on: of this machine, or of the cluster at its largest."""
    if "RAY_ADDRESS" not in os.environ:
        return {"CPU": float(local_cpus()), "GPU": float(_local_gpus())}
    import ray

    now = ray.cluster_resources()
    promised = promised_by(_bootstrap())
    return {kind: max(now.get(kind, 0.0), promised.get(kind, 0.0)) for kind in ("CPU", "GPU")}


def check_address(address: str) -> None:
    """Refuse a Ray address at which nobody answers; Ray itself would try for minutes.

    Raises:
        InputError: `address` is host:port and cannot be connected to.
    """
    host, _, port = address.rpartition(":")
    if "://" in address or not (host and port.isdigit()):
        return  # `auto`, or a Ray client address: Ray says quickly what is wrong with it
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(f"RAY_ADDRESS must name a running cluster, but {address} does not answer: {error}") from error


def head() -> str:
    """Return host:port of the control service of the cluster that this process is connected to."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def _bootstrap() -> dict[str, Any]:
    """Return the cluster.yaml of the cluster whose head this is, or nothing."""
    path = _BOOTSTRAP.expanduser()
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def promised_by(config: dict[str, Any]) -> dict[str, float]:
    """Return the CPUs and GPUs of a cluster.yaml with all its workers running."""
    total = {"CPU": 0.0, "GPU": 0.0}
    for name, kind in config.get("available_node_types", {}).items():
        nodes = 1 if name == config.get("head_node_type") else kind.get("max_workers", 0)
        for resource in total:
            total[resource] += nodes * float(kind.get("resources", {}).get(resource, 0))
    return total


def nodes_kept_by(config: dict[str, Any]) -> int:
    """Return how many nodes a cluster.yaml always keeps, the head among them."""
    kinds = config.get("available_node_types", {}).values()
    return 1 + sum(int(kind.get("min_workers", 0)) for kind in kinds)


def wait_for_nodes(spec: ClusterSpec, expected: int, say: Callable[[str], None]) -> None:
    """Wait for nodes that are on their way: what fits is counted once, when a study starts.

    One that is broken does not hold up a study that the others have room for.
    """
    import ray

    started_at = time.monotonic()
    is_said = False
    while (joined := sum(node["Alive"] for node in ray.nodes())) < expected:
        if time.monotonic() - started_at > (_LATE_S if _fits(spec) else _NEVER_S):
            return
        if not is_said:
            say(f"{joined} of {expected} nodes of the cluster are there; waiting for the others")
            is_said = True
        time.sleep(1)


def _fits(spec: ClusterSpec) -> bool:
    try:
        return trials_at_once(spec, capacity()) > 0
    except InputError:
        return False


def needs(spec: ClusterSpec) -> dict[str, float]:
    """Return what a worker needs, by kind of resource."""
    kinds = {"CPU": spec.cpus_per_worker, "GPU": spec.gpus_per_worker}
    return {kind: amount for kind, amount in kinds.items() if amount}


def trials_at_once(spec: ClusterSpec, available: dict[str, float]) -> int:
    """Return how many trials fit, at most as many as the spec allows.

    Trials count with all their workers, even where they could do with fewer: so each has all of them while all nodes
    are there, and of a cluster that is short of nodes each can have at least a share; see `study.cluster.room`.

    Raises:
        InputError: not even one fits, with its fewest workers. Ray would wait for ever.
    """
    fits, key = math.inf, "workers" if spec.min_workers is None else "min_workers"
    for kind, need in needs(spec).items():
        if spec.fewest * need > available[kind]:
            raise InputError(
                f"a trial must fit the cluster, but cluster.{key}={spec.fewest} x {need:g} {kind} a worker = "
                f"{spec.fewest * need:g} {kind}s, and there are {available[kind]:g}"
            )
        fits = min(fits, available[kind] // (spec.workers * need))
    return max(1, min(int(fits), spec.concurrent_trials or int(fits)))


def room(spec: ClusterSpec) -> int:
    """Return how many workers the nodes that are there can hold, whoever holds what now."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    each = needs(spec).items()
    return sum(min(int(node.get(kind, 0.0) / need + 1e-6) for kind, need in each) for node in nodes)


def _dashboard() -> dict[str, Any]:
    """Return options with which Ray frees what a dead group held: its cleaner asks the dashboard who lives.

    Without a dashboard it never does (ray#54305). It also looks for the dashboard's address among all clusters of the
    machine, and gives up where two studies run at once, unless the environment says which is its own.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}"}
    return {
        "include_dashboard": True,
        "dashboard_host": "127.0.0.1",
        "dashboard_port": port,
        "runtime_env": {"env_vars": environment},
    }


@contextmanager
def connected(spec: ClusterSpec, say: Callable[[str], None] = print) -> Iterator[int]:
    """Connect to Ray for the length of a study; gives the number of trials that may run at once.

    A local cluster is ended at the end; one that RAY_ADDRESS names is only left.

    Args:
        spec: What a trial needs.
        say: Is told what the study waits for.

    Raises:
        InputError: a trial does not fit, or the cluster does not answer.
    """
    is_local = "RAY_ADDRESS" not in os.environ
    environment = _ENVIRONMENT | (_ELASTIC if spec.is_elastic else {})
    if is_local:
        trials_at_once(spec, capacity())  # before anything is started
    own = {**_loopback(), **_ALONE} if is_local else {}
    with _defaults(environment | own), _cluster(is_local, environment):
        if not is_local:
            wait_for_nodes(spec, nodes_kept_by(_bootstrap()), say)
        yield trials_at_once(spec, capacity())


@contextmanager
def _defaults(environment: dict[str, str]) -> Iterator[None]:
    """Set what the environment does not say, for the length of a study: another one may be on a cluster."""
    added = environment.keys() - os.environ.keys()
    os.environ |= {name: environment[name] for name in added}
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _cluster(is_local: bool, environment: dict[str, str]) -> Iterator[None]:
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if is_local:
        options |= {"address": "local", "num_cpus": local_cpus(), **_dashboard()}
    else:
        options |= {"runtime_env": {"env_vars": environment}}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"Ray at {os.environ.get('RAY_ADDRESS', 'this machine')} cannot be used: {error}") from error
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own there, which dumps a stack
        yield
    finally:
        ray.shutdown()
