"""Several processes, as `torchrun` starts them: which one this is, and what they tell one another.

With one process every call here is a no-op, so that the training loop is written once.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class ProcessGroup:
    """This process among `world`; `device` is where it computes."""

    rank: int
    world: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap the network so that its gradients, if it has any, are averaged over all processes."""
        if self.world == 1 or not any(parameter.requires_grad for parameter in network.parameters()):
            return network
        return DistributedDataParallel(
            network, device_ids=[self.device] if self.device.type == "cuda" else None
        )

    def mean(self, value: float) -> float:
        """Return the mean of `value` over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return float(total) / self.world

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process."""
        return self.mean(float(flag)) > 0

    def gather(self, tensor: Tensor) -> Tensor:
        """Gather a tensor [...] of every process: [world, ...], in every process."""
        if self.world == 1:
            return tensor[None]
        pieces = [torch.empty_like(tensor, device=self.device) for _ in range(self.world)]
        dist.all_gather(pieces, tensor.to(self.device).contiguous())
        return torch.stack(pieces)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()


def processes(device: torch.device) -> ProcessGroup:
    """Join the processes that `torchrun` started (RANK, WORLD_SIZE, LOCAL_RANK), or be this one alone.

    Args:
        device: where to compute; with several GPUs on a machine, each process has its own.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return ProcessGroup(0, 1, device)
    local = device
    if local.type == "cuda" and local.index is None:
        local = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(local)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if local.type == "cuda" else "gloo")
        # Not at a training's end: a group that is made anew meets what the first left in torchrun's store.
        atexit.register(_leave)
    return ProcessGroup(dist.get_rank(), world, local)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
