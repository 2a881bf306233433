"""Options generated from settings, so that each default and each help text exists once."""

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from nmt import settings
from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.variants import VARIANTS
from nmt.errors import ConfigError
from nmt.model.config import ATTENDS, PRESETS

Function = TypeVar("Function", bound=Callable[..., Any])
KERNELS = AttentionConfig.__dataclass_fields__["kernel"].metadata["choices"]
MARK = "__"  # joins section and key in a parameter's name; no setting's name holds it
EACH = f"{MARK}each{MARK}"  # stands for every role of attention


def setting_options(section: type, *names: str) -> Callable[[Function], Function]:
    """Add one flag for each named setting of a section."""

    def decorate(function: Function) -> Function:
        for name in reversed(names):
            function = setting_option(section, name)(function)
        return function

    return decorate


def setting_option(section: type, name: str) -> Callable[[Function], Function]:
    """Add a flag whose type, default and help come from the setting's declaration."""
    field = {field.name: field for field in dataclasses.fields(section)}[name]
    hint = typing.get_type_hints(section)[name]
    prefix = typing.cast(Any, section).section.replace(".", MARK)
    flag = "--" + name.replace("_", "-")
    choices = field.metadata["choices"]
    default = " ".join(field.default) if isinstance(field.default, tuple) else field.default
    shown = f"  [default: {str(default).lower() if hint is bool else default}]"
    return click.option(
        f"{flag}/--no-{flag[2:]}" if hint is bool else flag,
        f"{prefix}{MARK}{name}",
        type=click.Choice(choices) if choices else (str if hint == tuple[str, ...] else hint),
        multiple=hint == tuple[str, ...],
        default=None,
        help=field.metadata["doc"] + (shown if default not in ("", ()) else ""),
    )


def config_options(function: Function) -> Function:
    """Add --config and --set, and hand the command its settings as one table, `table`.

    What a flag says wins over --set, which wins over the file.
    """

    @click.option("--config", type=click.Path(), help="Read settings from this TOML file.")
    @click.option(
        "--set", "assignments", multiple=True, metavar="SECTION.KEY=VALUE", help="Set one setting."
    )
    @functools.wraps(function)
    def wrapped(
        *args: Any,
        config: str | None,
        assignments: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        table = settings.load_table(config) if config else {}
        for text in assignments:
            settings.assign(table, *settings.parse_assignment(text))
        given = {name: kwargs.pop(name) for name in list(kwargs) if MARK in name}
        flags = {name: value for name, value in given.items() if value not in (None, ())}
        for name, value in {**in_roles(flags, arch_of(table, flags)), **flags}.items():
            if EACH not in name:
                settings.assign(table, name.replace(MARK, "."), value)
        return function(*args, table=table, **kwargs)

    return wrapped  # type: ignore[return-value]


def roles_option(doc: str, default: str = "") -> Callable[[Function], Function]:
    """Add --roles, and hand the command a list."""
    return click.option(
        "--roles", metavar="ROLE,...", default=default, show_default=bool(default),
        callback=lambda ctx, option, text: read_roles(text), help=doc,
    )  # fmt: skip


def read_roles(text: str) -> list[str]:
    """Read roles between commas.

    Raises:
        ConfigError: There is no such role.
    """
    roles = [role.strip() for role in text.split(",") if role.strip()]
    for role in roles:
        if role not in ROLES:
            raise ConfigError(
                f"--roles: no role is called {role!r}; {settings.nearest(role, ROLES)}"
            )
    return roles


def attention_options(function: Function) -> Function:
    """Add --attention for where it can stand, and a flag for each role, which wins over it.

    They need `config_options` beside them.
    """
    for role in reversed(ROLES):
        function = click.option(
            f"--{role}-attention",
            f"attention{MARK}{role}{MARK}variant",
            help=f"Attention in the role {role!r}.",
        )(function)

    function = click.option(
        "--attention-kernel", f"attention{EACH}kernel", type=click.Choice(KERNELS),
        help="Code that computes attention in every role; dense is the definition.",
    )(function)  # fmt: skip
    return click.option(
        "--attention", f"attention{EACH}variant", help="Attention in every role where it can stand."
    )(function)


def arch_of(table: settings.Table, flags: Mapping[str, Any]) -> str | None:
    """Name the architecture that settings ask for, if they do; what is wrong is refused later."""
    model = table.get("model", {})
    model = model if isinstance(model, dict) else {}
    arch, preset = (flags.get(f"model{MARK}{key}", model.get(key)) for key in ("arch", "preset"))
    named = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
    return arch if isinstance(arch, str) else named.get("arch")


def in_roles(flags: Mapping[str, Any], arch: str | None) -> dict[str, Any]:
    """Give what flags for all roles set in each role of an architecture."""
    found = {}
    for name, value in flags.items():
        if EACH in name:
            variant = value if name.endswith(f"{EACH}variant") else ""
            for role in places(variant, arch):
                found[name.replace(EACH, f"{MARK}{role}{MARK}")] = value
    return found


def places(variant: str, arch: str | None) -> list[str]:
    """List the roles in which a variant can stand; some architectures have one that attends."""
    if arch in ATTENDS:
        return [ATTENDS[arch]]
    known = VARIANTS.get(variant)
    return [role for role in ROLES if known is None or role in known.roles]


tables_option = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Tables to read, hashes shortened; or one JSON object, with everything in full.",
)
