"""The command `nmt attention check`."""

from typing import TYPE_CHECKING

import click

from nmt.attention.config import ROLES
from nmt.attention.variants import VARIANTS
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import roles_option
from nmt.errors import ConfigError
from nmt.settings import nearest

if TYPE_CHECKING:
    from nmt.checks.case import Case


@click.command(
    cls=NmtCommand,
    example="""
    nmt attention check window
    nmt attention check my_attention:MyAttention --roles decoder,cross
    """,
)
@click.argument("mechanism", metavar="PACKAGE:CLASS|VARIANT")
@roles_option("Where to check it; otherwise where it stands.")
@verbosity_options
@click.pass_context
def check(ctx: click.Context, mechanism: str, roles: list[str]) -> None:
    """Try out what every mechanism of attention promises, on one of your own or a named one.

    Prints a line for each promise; the exit status is 1 when one is not kept. A class is
    imported and run.
    """
    kept = True
    for case in cases(mechanism, roles):
        kept &= report(case)
    ctx.exit(0 if kept else 1)


def cases(mechanism: str, roles: list[str]) -> "list[Case]":
    """Make a case for each role.

    Raises:
        ConfigError: There is no such mechanism, or it does not stand there.
    """
    from nmt.attention.build import load_mechanism
    from nmt.attention.config import AttentionConfig
    from nmt.checks.case import Case, known, small

    if ":" in mechanism:
        own = load_mechanism(mechanism, mechanism)
        stands, config = own.roles, AttentionConfig(variant=mechanism)
    elif mechanism in VARIANTS:
        stands, config = VARIANTS[mechanism].roles, small(mechanism)
    else:
        hint = nearest(mechanism, VARIANTS)
        raise ConfigError(f"no attention is called {mechanism!r}; {hint}")
    for role in roles:
        if role not in stands:
            raise ConfigError(f"{mechanism} serves {' and '.join(sorted(stands))} only")
    chosen = [role for role in ROLES if role in (roles or stands)]
    if ":" in mechanism:
        return [Case(role=role, config=config, make=own) for role in chosen]
    return [known(role, config) for role in chosen]


def report(case: "Case") -> bool:
    """Print a line for each promise; tell whether all are kept."""
    from nmt.checks.attention import outcomes

    kept = True
    for outcome in outcomes(case):
        kept &= not outcome.broken
        verdict = f"FAIL  {case.role}: {outcome.check}: {outcome.broken}"
        click.echo(verdict if outcome.broken else f"ok    {case.role}: {outcome.check}")
    return kept
