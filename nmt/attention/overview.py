"""What there is to know about the named variants, counted and asked of the built mechanisms."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nmt.attention.build import build_attention
from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.contract import Attention, Place
from nmt.attention.kernels import Choice, Request
from nmt.attention.variants import VARIANTS, Variant
from nmt.errors import ConfigError
from nmt.settings import nearest

MODEL_SIZE, NUM_HEADS = 256, 4  # what parameters are counted for
BASELINE = "multi-head"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where and on what a mechanism would work: it decides on the kernel.

    Attributes:
        device: "cpu" or "cuda".
        length: Of source and target.
    """

    device: str
    length: int

    def training(self) -> Request:
        """Ask for a full pass with gradient."""
        return Request(
            device=self.device,
            num_queries=self.length,
            num_keys=self.length,
            needs_gradient=True,
        )

    def step(self) -> Request:
        """Ask for a decoding step of one hypothesis."""
        return Request(device=self.device, num_queries=1, num_keys=self.length, is_step=True)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A variant at a glance.

    Attributes:
        places: Roles in which it can stand.
        causal: Whether it can be a decoder's self-attention.
        state: Numbers that a decoder keeps for each layer and hypothesis after t steps.
        extra_parameters: Of a layer, beyond those of multi-head attention; of layers that share,
            the mean.
        cost: Operations of a full pass beyond the projections.
        training, step: The kernel for a full pass with gradient, and for a decoding step.
        obstacle: Why it cannot be exported to CTranslate2; empty where it can.
    """

    name: str
    places: tuple[str, ...]
    causal: bool
    state: str
    extra_parameters: int
    cost: str
    training: Choice
    step: Choice
    obstacle: str
    paper: str

    def as_object(self) -> dict[str, object]:
        """Hold all of it for JSON."""
        return asdict(self) | {"exportable": not self.obstacle}


def known_variant(name: str) -> Variant:
    """Find a variant.

    Raises:
        ConfigError: There is none of that name; the nearest is offered.
    """
    if name not in VARIANTS:
        raise ConfigError(f"no attention is called {name!r}; {nearest(name, VARIANTS)}")
    return VARIANTS[name]


def look_at(name: str, setup: Setup) -> Overview:
    """Build a variant and tell what it is.

    Raises:
        ConfigError: There is none of that name.
    """
    variant = known_variant(name)
    places = tuple(role for role in ROLES if role in variant.roles)
    role = "decoder" if "decoder" in places else places[0]
    layers = build_block(name, role)
    extra = count(layers) / len(layers) - count(build_block(BASELINE, role))
    return Overview(
        name=name,
        places=places,
        causal="decoder" in places,
        state=variant.state,
        extra_parameters=round(extra),
        cost=variant.cost,
        training=layers[0].choose(setup.training()),
        step=layers[0].choose(setup.step()),
        obstacle=variant.obstacle,
        paper=variant.paper,
    )


def build_block(name: str, role: str) -> list[Attention]:
    """Build one layer, or as many as share."""
    config = AttentionConfig(variant=name)
    return [
        build_attention(
            Place(role=role, model_size=MODEL_SIZE, num_heads=NUM_HEADS, layer=layer), config
        )
        for layer in range(config.share_block if config.share != "none" else 1)
    ]


def count(layers: Sequence[Attention]) -> int:
    """Count parameters."""
    return sum(weight.numel() for layer in layers for weight in layer.parameters())
