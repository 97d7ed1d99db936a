"""How the workers of a group find each other: at a store that listens on the address of its node and nowhere else.

torch's own store listens on every network of the machine and asks nobody who they are, and who writes to it decides
where tensors and pickled objects go. On a laptop the node's address is 127.0.0.1 (see study/cluster/connection.py).
"""

import datetime
import os
import socket
from dataclasses import dataclass
from typing import Any

from ray.train.torch import TorchConfig
from ray.train.torch.config import _set_torch_distributed_env_vars, _TorchBackend
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch names it in C only

_opened: list[TCPStore] = []  # by the first rank's process, before there is a group to keep it


@dataclass
class NodeTorchConfig(TorchConfig):  # type: ignore[misc]  # Ray has no types for mypy
    """A torch process group over the nodes' own addresses; needs `backend`."""

    @property
    def backend_cls(self) -> type["_NodeTorchBackend"]:
        """Return what sets the group up."""
        return _NodeTorchBackend


class _NodeTorchBackend(_TorchBackend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: NodeTorchConfig) -> None:
        """Open the store at the first rank and let all ranks join."""
        import ray

        count, timeout_s = len(worker_group), backend_config.timeout_s
        place = worker_group.execute_single(0, _open, count, timeout_s)
        worker_group.execute(_set_torch_distributed_env_vars)
        ray.get(
            [
                worker_group.execute_single_async(rank, _join, backend_config.backend, place, rank, count, timeout_s)
                for rank in range(count)
            ]
        )


def _open(count: int, timeout_s: int) -> tuple[str, int]:
    import ray

    address = ray.util.get_node_ip_address()
    listening = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    port = int(listening.getsockname()[1])
    timeout = datetime.timedelta(seconds=timeout_s)
    _opened.append(
        TCPStore(address, port, count, True, timeout, wait_for_workers=False, master_listen_fd=listening.detach())
    )
    return address, port


def _join(backend: str, place: tuple[str, int], rank: int, count: int, timeout_s: int) -> None:
    timeout = datetime.timedelta(seconds=timeout_s)
    store = _opened[-1] if rank == 0 else TCPStore(*place, count, False, timeout, wait_for_workers=False)
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")  # as Ray sets it: a hung collective ends the worker
    distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=timeout)
