"""Settings of a model, and the presets they start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.refusals import refuse_uneven_groups
from nmt.errors import ConfigError
from nmt.settings import check_choice, nearest, setting, to_table

ARCHITECTURES = {  # usual presets
    "transformer": "transformer-small",
    "rnn": "rnn-small",
    "lm": "lm-small",
}
OWN_SETTINGS = {
    "transformer": (
        "ffn_size", "norm", "norm_kind", "feed_forward", "encoder_distinct", "decoder_distinct",
        "layer_sharing", "positions", "ffn_dropout",
    ),
    "rnn": ("cell", "feeding"),
    "lm": (
        "ffn_size", "norm", "norm_kind", "feed_forward", "decoder_distinct", "layer_sharing",
        "positions", "ffn_dropout",
    ),
}  # fmt: skip
ATTENDS = {"rnn": "cross", "lm": "decoder"}  # the only role of attention, where there is one

MOST = {
    "encoder_layers": 2**9, "decoder_layers": 2**9, "model_size": 2**20, "ffn_size": 2**20,
    "num_heads": 2**20, "max_length": 2**24,
}  # fmt: skip  # beyond what is ever wanted; settings may come with a model from anyone


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a model."""

    section: ClassVar[str] = "model"

    preset: str = setting("transformer-small", "Named shape that the other settings start from.")
    arch: str = setting(
        "transformer",
        "Kind of model: attention throughout; recurrent layers joined by cross-attention; lm, a "
        "language model, which is a Transformer's decoder by itself and translates nothing.",
        choices=ARCHITECTURES,
    )
    encoder_layers: int = setting(3, "Layers of the encoder; 0 in a language model.")
    decoder_layers: int = setting(3, "Layers of the decoder.")
    model_size: int = setting(256, "Width of the states between layers.")
    ffn_size: int = setting(1024, "Width inside the feed-forward blocks.")
    num_heads: int = setting(4, "Attention heads.")
    norm: str = setting(
        "pre", "Where states are normalised around a sub-layer.", choices=("pre", "post")
    )
    norm_kind: str = setting(
        "layer",
        "Normalisation: by mean and deviation, or by the root of the mean square.",
        choices=("layer", "rms"),
    )
    feed_forward: str = setting(
        "plain",
        "Feed-forward blocks: a rectifier, or a gate of as many weights.",
        choices=("plain", "gated"),
    )
    encoder_distinct: int = setting(
        0, "Encoder layers with weights of their own, shared by all; 0: each has."
    )
    decoder_distinct: int = setting(
        0, "Decoder layers with weights of their own, shared by all; 0: each has."
    )
    layer_sharing: str = setting(
        "cycle",
        "Which layers are one where fewer are distinct: neighbours, every so many-th, or the "
        "last round backwards.",
        choices=("sequence", "cycle", "cycle-reverse"),
    )
    positions: str = setting(
        "sinusoidal",
        "What embeddings say of the order of words; attention may say the rest.",
        choices=("sinusoidal", "learned", "none"),
    )
    sentence_break: str = setting(
        "",
        "Piece that ends a sentence within a line, one of segment.user_symbols; attention with "
        "pattern = 'sentence' goes by it. Empty: a line is one sentence.",
    )
    cell: str = setting("lstm", "Unit of a recurrent layer.", choices=("lstm", "gru"))
    feeding: str = setting(
        "luong",
        "How attention enters a recurrent decoder: asked by the new state, its answer fed to "
        "the next step (luong); asked by the previous state, its answer fed to this one.",
        choices=("luong", "bahdanau"),
    )
    max_length: int = setting(1024, "Longest source or target, in pieces.")
    tie: str = setting(
        "all",
        "Embeddings that are one matrix: source, target and output; target and output; none.",
        choices=("all", "target", "none"),
    )
    dropout: float = setting(0.1, "Share of each sub-layer's output dropped in training.")
    ffn_dropout: float = setting(0.0, "Share of the values inside feed-forward blocks dropped.")

    @property
    def has_source(self) -> bool:
        """Tell whether the model reads a source: a language model does not."""
        return self.arch != "lm"

    def __post_init__(self) -> None:
        self._refuse_absurd_sizes()
        self._refuse_settings_of_others()
        if not self.has_source:
            self._refuse_a_source()
        for name in ("encoder_layers", "decoder_layers", "model_size", "ffn_size", "num_heads"):
            if getattr(self, name) < 1 and (self.has_source or name != "encoder_layers"):
                raise ConfigError(f"model.{name} must be at least 1, not {getattr(self, name)}")
        self._check_sharing()
        for name in ("dropout", "ffn_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"model.{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.model_size % self.num_heads:
            raise ConfigError(
                f"model.num_heads = {self.num_heads} does not divide "
                f"model.model_size = {self.model_size}"
            )
        if self.max_length < 2:
            raise ConfigError(
                f"model.max_length must be at least 2, a piece and its end, not {self.max_length}"
            )
        if self.model_size % 2:
            raise ConfigError(f"model.model_size must be even, not {self.model_size}")

    def _check_sharing(self) -> None:
        for name in ("encoder", "decoder"):
            distinct, layers = getattr(self, f"{name}_distinct"), getattr(self, f"{name}_layers")
            if not 0 <= distinct <= layers:
                raise ConfigError(
                    f"model.{name}_distinct must lie between 0 and model.{name}_layers = {layers}, "
                    f"not be {distinct}"
                )

    def _refuse_a_source(self) -> None:
        """Refuse what a language model has not got."""
        if self.encoder_layers:
            raise ConfigError(
                f"model.encoder_layers = {self.encoder_layers}, but model.arch = 'lm' has no "
                "encoder; leave it out"
            )
        if self.tie == "all":
            raise ConfigError(
                "model.tie = 'all', but model.arch = 'lm' has no source; choose 'target' (input "
                "and output embeddings are one matrix) or 'none'"
            )

    def _refuse_absurd_sizes(self) -> None:
        """Refuse what nobody wants; settings may come with a model from anyone."""
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise ConfigError(f"model.{name} must be at most {most:,}")

    def _refuse_settings_of_others(self) -> None:
        """Refuse settings that only another architecture has."""
        others = {arch: names for arch, names in OWN_SETTINGS.items() if arch != self.arch}
        for arch, names in others.items():
            for name in names:
                if name in OWN_SETTINGS[self.arch]:
                    continue
                if (value := getattr(self, name)) != getattr(ModelConfig, name):
                    raise ConfigError(
                        f"model.{name} = {value!r} is a setting of model.arch = {arch!r}, but "
                        f"model.arch is {self.arch!r}; leave one of them out"
                    )


def shape(layers: int, model_size: int, ffn_size: int, num_heads: int) -> dict[str, Any]:
    """Name the settings of a Transformer as deep in its encoder as in its decoder."""
    return {
        "arch": "transformer",
        "encoder_layers": layers,
        "decoder_layers": layers,
        "model_size": model_size,
        "ffn_size": ffn_size,
        "num_heads": num_heads,
    }


def recurrent_shape(layers: int, model_size: int, num_heads: int) -> dict[str, Any]:
    """Name the settings of a recurrent model as deep in its encoder as in its decoder."""
    return {
        "arch": "rnn",
        "encoder_layers": layers,
        "decoder_layers": layers,
        "model_size": model_size,
        "num_heads": num_heads,
    }


def language_shape(layers: int, model_size: int, ffn_size: int, num_heads: int) -> dict[str, Any]:
    """Name the settings of a language model, input and output embeddings tied."""
    deep = {**shape(layers, model_size, ffn_size, num_heads), "encoder_layers": 0}
    return {**deep, "arch": "lm", "tie": "target"}


PRESETS: dict[str, dict[str, Any]] = {
    "transformer-tiny": {**shape(4, 128, 256, 4), "norm": "post"},
    "transformer-small": shape(3, 256, 1024, 4),
    "transformer-base": shape(6, 512, 2048, 8),
    "transformer-big": shape(6, 1024, 4096, 16),
    "rnn-tiny": recurrent_shape(1, 128, 4),
    "rnn-small": recurrent_shape(2, 256, 4),
    "rnn-base": recurrent_shape(2, 512, 8),
    "rnn-big": recurrent_shape(4, 1024, 16),
    "lm-tiny": language_shape(4, 128, 256, 4),
    "lm-small": language_shape(3, 256, 1024, 4),
    "lm-base": language_shape(6, 512, 2048, 8),
    "lm-big": language_shape(6, 1024, 4096, 16),
}


def with_preset(table: Mapping[str, Any]) -> dict[str, Any]:
    """Put the settings of the preset that a [model] table names under its own.

    A table that names an architecture alone starts from the usual preset of that one.

    Raises:
        ConfigError: No preset has that name, or it is one of another architecture.
    """
    arch = table.get("arch", ModelConfig().arch)
    check_choice(arch, tuple(ARCHITECTURES), "model.arch")
    name = table.get("preset", ARCHITECTURES[arch])
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError(f"model.preset: no preset {name!r}; {nearest(str(name), PRESETS)}")
    own = PRESETS[name]["arch"]
    if table.get("arch", own) != own:
        others = [each for each, preset in PRESETS.items() if preset["arch"] == arch]
        raise ConfigError(
            f"model.arch = {arch!r}, but model.preset = {name!r} is of model.arch = {own!r}; "
            f"choose one of {', '.join(others)}"
        )
    return {"preset": name, **PRESETS[name], **table}


def refuse_unfit_attention(config: ModelConfig, attention: AttentionSections) -> None:
    """Refuse settings of attention that do not fit a model.

    Raises:
        ConfigError: Groups do not divide the heads; layers are named that are not there; a
            setting would be read by nothing; attention in a role that the architecture has not
            got is not as by default; in a recurrent model, layers are to share.
    """
    for role in ROLES:
        refuse_uneven_groups(role, getattr(attention, role), config.num_heads)
    refuse_unread_sentences(config, attention)
    refuse_other_roles(config, attention)
    if config.arch != "rnn":
        refuse_unfit_layers(config, attention)
    elif attention.cross.share != "none":
        raise ConfigError(
            f"attention.cross.share = {attention.cross.share!r}, but model.arch = 'rnn' attends "
            "in one layer, which has no other to share with"
        )


def refuse_other_roles(config: ModelConfig, attention: AttentionSections) -> None:
    """Refuse attention in a role that an architecture has not got."""
    usual, only = to_table(AttentionConfig()), ATTENDS.get(config.arch)
    lacks = "self-attention" if only == "cross" else "encoder"
    for role in ROLES if only else ():
        for name, value in to_table(getattr(attention, role)).items():
            if role != only and value != usual[name]:
                raise ConfigError(
                    f"attention.{role}.{name} = {value!r}, but model.arch = {config.arch!r} has "
                    f"no {lacks}; set it in attention.{only} alone"
                )


def refuse_unread_sentences(config: ModelConfig, attention: AttentionSections) -> None:
    """Refuse a sentence break where no attention asks for sentences."""
    sections = [getattr(attention, role) for role in ROLES]
    asked = any(each.pattern == "sentence" or ":" in each.variant for each in sections)
    if config.sentence_break and not asked:
        raise ConfigError(
            f"model.sentence_break = {config.sentence_break!r} means nothing, since no attention "
            'keeps to sentences; set variant = "sentence-local" in one, or leave it out'
        )


def refuse_unfit_layers(config: ModelConfig, attention: AttentionSections) -> None:
    """Refuse attention whose layers are to share, or are named one by one, but are not there."""
    for role in ROLES:
        section: AttentionConfig = getattr(attention, role)
        side = "encoder" if role == "encoder" else "decoder"
        layers = getattr(config, f"{side}_layers")
        if section.share != "none" and layers < 2:
            raise ConfigError(
                f"attention.{role}.share = {section.share!r}, but model.{side}_layers = {layers} "
                "leaves no other layer to share with"
            )
        if section.heads and len(section.heads) != layers:
            raise ConfigError(
                f"attention.{role}.heads names {len(section.heads)} layers, but "
                f"model.{side}_layers = {layers}"
            )
