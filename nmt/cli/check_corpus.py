"""The command `nmt check corpus`."""

import click

from nmt.cli.command import NmtCommand, verbosity_options


@click.command(cls=NmtCommand, example="nmt check corpus corpus")
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True)
@verbosity_options
def corpus(corpora: tuple[str, ...]) -> None:
    """Compare every byte of encoded corpora with what was encoded.

    Opening a corpus takes no time, so it reads none of its lines; this reads all of them, and
    computes the hash that corpus.json has of ids and texts. Prints a line for each corpus that is
    as it was encoded; stops, with status 1, at the first that is not.
    """
    from nmt.corpus.encoded import EncodedCorpus

    for folder in corpora:
        found = EncodedCorpus(folder)
        found.refuse_damage()
        click.echo(f"ok    {folder}: {len(found):,} lines")
