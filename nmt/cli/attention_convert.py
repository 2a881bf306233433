"""The command `nmt attention convert`."""

import logging

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import roles_option

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt attention convert run grouped --key-value-heads 2
    nmt train --from grouped --train corpus --output tuned
    nmt attention convert run grouped --key-value-heads 1 --roles decoder,cross
    """,
)
@click.argument("model", type=click.Path())
@click.argument("output", type=click.Path())
@click.option(
    "--key-value-heads",
    "groups",
    metavar="G",
    required=True,
    type=int,
    help="Heads of keys and values to have; 1 is multi-query attention.",
)
@roles_option("Of encoder, decoder, cross: those to change; all by default.")
@verbosity_options
def convert(model: str, output: str, groups: int, roles: list[str]) -> None:
    """Turn multi-head attention of MODEL into grouped-query attention; write it to OUTPUT.

    Each group of heads shares the mean of its projections of keys and values, which makes caches
    smaller and decoding faster. Translations suffer at first: train the result further, with nmt
    train --from OUTPUT (arXiv:2305.13245 did so for 5 % of the original updates).
    """
    from nmt.files import atomic_folder
    from nmt.model.derived import credited
    from nmt.model.directory import load_any, save_package
    from nmt.model.grouping import group_heads, roles_of

    package = load_any(model)
    named = roles or roles_of(package.model)
    grouped = group_heads(package, groups, named)
    with atomic_folder(output) as folder:
        done = {"operation": "convert", "key_value_heads": groups, "roles": ",".join(named)}
        save_package(folder, credited(grouped, model, **done))
    log.info(
        "%s: %s key/value head%s in %s; train it further with nmt train --from %s",
        output, groups, "s"[: groups != 1], " and ".join(named), output,
    )  # fmt: skip
