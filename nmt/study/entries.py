"""What a study compares: entries, each a row of its table, read from short names."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nmt.attention.config import ROLES
from nmt.attention.variants import VARIANTS
from nmt.errors import ConfigError
from nmt.settings import nearest, parse_assignment

LABEL = re.compile(r"[\w.+@-]+")  # it names a folder
ASSIGNMENT = re.compile(r"\s*\w+(\.\w+)+\s*=")
COMMON = ("score.", "data.dev_", "compute.seed", "compute.threads", "compute.device")


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        name: As in the table, and in the names of folders.
        settings: Dotted names and values that are put over those that all entries share.
    """

    name: str
    settings: tuple[tuple[str, object], ...]


def refuse_role(role: str, where: str) -> None:
    """Refuse what is no role."""
    if role not in ROLES:
        raise ConfigError(f"{where}: no role is called {role!r}; {nearest(role, ROLES)}")


def parse_entries(texts: Iterable[str], roles: Sequence[str] = ROLES) -> tuple[Entry, ...]:
    """Read entries with commas between: `additive,entmax@cross,LABEL:model.dropout=0.2`.

    Settings after a label may have commas between them as well, since only they hold a `=`.

    Args:
        roles: Where a variant is put that names no role; of these, where it can stand.

    Raises:
        ConfigError: An entry is not one, or two have one name.
    """
    entries = [parse_entry(part, roles) for text in texts for part in split(text)]
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--variants: two are called {name!r}; give one another label")
    return tuple(entries)


def split(text: str) -> list[str]:
    """Cut at the commas that do not join settings of one entry."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and ASSIGNMENT.match(part):
            parts[-1] += f",{part}"
        else:
            parts.append(part.strip())
    return parts


def parse_entry(text: str, roles: Sequence[str] = ROLES) -> Entry:
    """Read one entry: `VARIANT`, `VARIANT@ROLE+ROLE` or `LABEL:SETTING=VALUE,SETTING=VALUE`."""
    label, colon, settings = text.partition(":")
    if colon:
        return labelled(label.strip(), settings.split(","))
    if "=" in text:
        raise ConfigError(f"--variants: settings need a label before them: LABEL:{text}")
    variant, at, places = text.partition("@")
    if variant not in VARIANTS:
        hint = nearest(variant, VARIANTS)
        raise ConfigError(f"--variants: no attention is called {variant!r}; {hint}")
    chosen = explicit(variant, places.split("+")) if at else served(variant, roles)
    return Entry(text, tuple((f"attention.{role}.variant", variant) for role in chosen))


def labelled(label: str, settings: Sequence[str]) -> Entry:
    """Make an entry of any settings."""
    if not LABEL.fullmatch(label):
        raise ConfigError(
            f"--variants: a label is of letters, digits and any of . _ + @ -; not {label!r}"
        )
    for setting in settings:
        if not ASSIGNMENT.match(setting):
            raise ConfigError(
                f"--variants: after {label}: come settings such as "
                f"attention.cross.variant=additive, not {setting!r}"
            )
    assigned = tuple(parse_assignment(setting) for setting in settings)
    for name, _ in assigned:
        if name.startswith(COMMON):
            raise ConfigError(
                f"--variants: {name} of {label!r} must be one for all that is compared; "
                "give it by --set"
            )
    return Entry(label, assigned)


def explicit(variant: str, roles: Sequence[str]) -> list[str]:
    """Take the roles that are named, in all of which the variant must be able to stand."""
    for role in roles:
        refuse_role(role, f"--variants {variant}@{'+'.join(roles)}")
        if role not in VARIANTS[variant].roles:
            raise ConfigError(
                f"--variants: {variant!r} cannot stand in the role {role!r}; "
                f"it serves {', '.join(sorted(VARIANTS[variant].roles))}"
            )
    return list(roles)


def served(variant: str, roles: Sequence[str]) -> list[str]:
    """Take those of the roles in which the variant can stand."""
    chosen = [role for role in roles if role in VARIANTS[variant].roles]
    if not chosen:
        raise ConfigError(
            f"--variants: {variant!r} serves {', '.join(sorted(VARIANTS[variant].roles))} only; "
            f"--roles has none of them"
        )
    return chosen


def with_baseline(
    texts: Iterable[str], baseline: str, roles: Sequence[str] = ROLES
) -> tuple[tuple[Entry, ...], Entry]:
    """Read entries and the baseline, which is one of them by name or else comes first.

    Returns:
        All entries, and the baseline among them.
    """
    entries = parse_entries(texts, roles)
    for entry in entries:
        if entry.name == baseline:
            return entries, entry
    base = parse_entry(baseline, roles)
    if any(entry.name == base.name for entry in entries):
        raise ConfigError(f"--baseline: one of --variants is called {base.name!r} already")
    return (base, *entries), base
