"""Options generated from settings, so that each default and each help text exists once."""

import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import click

from nmt import settings
from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.variants import VARIANTS
from nmt.errors import ConfigError
from nmt.model.config import ATTENDS

Function = TypeVar("Function", bound=Callable[..., Any])
KERNELS = AttentionConfig.__dataclass_fields__["kernel"].metadata["choices"]
MARK = "__"  # joins section and key in a parameter's name; no setting's name holds it


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
        flags = {name: kwargs.pop(name) for name in list(kwargs) if MARK in name}
        for name, value in flags.items():
            if value not in (None, ()):
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
    """Add --attention for where it can stand, and a flag for each role, which wins over it."""
    for role in reversed(ROLES):
        function = click.option(
            f"--{role}-attention",
            f"attention{MARK}{role}{MARK}variant",
            help=f"Attention in the role {role!r}.",
        )(function)

    @click.option("--attention", "everywhere", help="Attention in every role where it can stand.")
    @click.option(
        "--attention-kernel", "kernel", type=click.Choice(KERNELS),
        help="Code that computes attention in every role; dense is the definition.",
    )  # fmt: skip
    @functools.wraps(function)
    def wrapped(*args: Any, everywhere: str | None, kernel: str | None, **kwargs: Any) -> Any:
        only = ATTENDS.get(kwargs.get(f"model{MARK}arch") or "")
        roles = [only] if only else ROLES
        kwargs |= {f"attention{MARK}{role}{MARK}kernel": kernel for role in roles}
        for role in places(everywhere, kwargs.get(f"model{MARK}arch")) if everywhere else ():
            name = f"attention{MARK}{role}{MARK}variant"
            kwargs[name] = kwargs[name] or everywhere
        return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


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
