"""How two ways to the same answer are compared, and what is said where they differ."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.checks.case import Example, Layers

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
LENGTHS = (5, 3, 4)  # of three lines in a batch


def require(kept: object, broken: str) -> None:
    """Raise where a promise is not kept."""
    if not kept:
        raise AssertionError(broken)


def near(found: Tensor, wanted: Tensor, what: str, tolerance: float = 1e-12) -> None:
    """Raise where two ways to the same answer differ by more than rounding."""

    def told(difference: str) -> str:
        return f"{what}: {difference}"

    assert_close(found, wanted, rtol=tolerance, atol=tolerance, msg=told)


def with_gradients(layers: Layers, given: Example) -> dict[str, Tensor]:
    """Run forward and backward; give the output and all gradients by name."""
    inputs = {"states": given.states.clone().requires_grad_()}
    if given.query is not None:
        inputs["query"] = given.query.clone().requires_grad_()
    output = Example(inputs["states"], inputs.get("query"), given.layout).output(layers)
    slope = torch.randn(output.shape, generator=torch.Generator().manual_seed(6)).to(output.dtype)
    inputs |= dict(layers.named_parameters())
    gradients = torch.autograd.grad(
        (output * slope * given.real().unsqueeze(-1)).sum(), list(inputs.values()),
        allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    named = {f"gradient of {name}": each for name, each in zip(inputs, gradients, strict=True)}
    return {"output": output.detach()[given.real()]} | named


def all_finite(layers: Layers) -> bool:
    """Tell whether all gradients of weights are finite."""
    gradients = [weight.grad for weight in layers.parameters() if weight.grad is not None]
    return all(bool(gradient.isfinite().all()) for gradient in gradients)


def cast(given: Example, dtype: torch.dtype) -> Example:
    """Convert what a mechanism is given."""
    query = None if given.query is None else given.query.to(dtype)
    return replace(given, states=given.states.to(dtype), query=query)
