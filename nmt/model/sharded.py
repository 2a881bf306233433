"""Tensors whose parts lie with several processes, and plain ones, alike."""

from typing import Any

from torch import Tensor


def whole(tensor: Tensor) -> Tensor:
    """Put the parts of a tensor together, which every process must do; a plain one is whole."""
    gather: Any = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def placed_as(tensor: Tensor, like: Tensor) -> Tensor:
    """Keep of a tensor, which every process has, the part that a process has of another."""
    mesh: Any = getattr(like, "device_mesh", None)
    if mesh is None:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    here = tensor.to(like.device)
    return distribute_tensor(here, mesh, like.placements, src_data_rank=None)
