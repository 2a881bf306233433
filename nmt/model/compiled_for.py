"""Which models the C library serves: one explicit function, which can say why not."""

import torch

from nmt.attention.contract import Attention
from nmt.attention.multi_head import MultiHeadAttention
from nmt.errors import ConfigError
from nmt.model.compute import Compute, why_not_compiled
from nmt.model.contract import SequenceModel
from nmt.model.transformer import Transformer

WIDEST = 2**16  # of the largest bytes, with room to spare
PLAIN = {  # what the settings of a mechanism must be
    "score": ("scaled-dot", "dot"),
    "positions": ("none", "rotary"),
    "normaliser": ("softmax",),
    "pattern": ("full",),
    "tied": ("none",),
    "share": ("none",),
    "kernel": ("auto",),
    "talking": (False,),
    "gates": (False,),
    "context_gate": (False,),
}


def why_not(model: SequenceModel, compute: Compute) -> str:
    """Say why a model is searched by PyTorch; nothing where the library does it."""
    if type(model) is not Transformer:
        return "it serves the Transformer alone"
    for mechanism in model.mechanisms().values():
        if reason := unsuited(mechanism):
            return reason
    if any(each.dtype != torch.float32 for each in model.parameters()):
        return "the weights are not in float32"
    if max(model.config.model_size, model.config.ffn_size) > WIDEST:
        return f"its sums of integers hold {WIDEST:,} products"
    return why_not_compiled(compute)


def refuse_unserved(model: SequenceModel, compute: Compute) -> None:
    """Refuse to do without the library where it was asked for by name.

    Raises:
        ConfigError: It does not serve the model, or is not there.
    """
    if compute.steps == "compiled" and (reason := why_not(model, compute)):
        raise ConfigError(
            f"compute.steps = 'compiled' does not serve this model here: {reason}; take auto"
        )


def unsuited(mechanism: Attention) -> str:
    """Say what of a mechanism the library does not have."""
    if type(mechanism) is not MultiHeadAttention:
        return f"it has no {type(mechanism).__name__}"
    if not mechanism.num_heads or not mechanism.output.weight.numel():
        return "a layer has no heads left"
    for name, served in PLAIN.items():
        value = getattr(mechanism.config, name)
        if value not in served:
            return f"it has no attention with {name} = {value!r}"
    return ""
