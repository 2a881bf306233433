"""What a study compares is read from short names."""

import pytest

from nmt.attention.config import ROLES
from nmt.attention.variants import VARIANTS, Variant
from nmt.errors import ConfigError
from nmt.study.entries import Entry, parse_entries, with_baseline


@pytest.fixture(autouse=True)
def variants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know a variant that serves one role and one that serves two."""
    for name, roles in (("cross-only", {"cross"}), ("self-only", {"encoder", "decoder"})):
        variant = Variant(paper="none", formula="none", roles=frozenset(roles))
        monkeypatch.setitem(VARIANTS, name, variant)


def places(text: str, roles: str = ",".join(ROLES)) -> list[str]:
    """List the settings of one entry."""
    (entry,) = parse_entries([text], roles.split(","))
    assert {value for _, value in entry.settings} == {text.partition("@")[0]}
    return [name for name, _ in entry.settings]


@pytest.mark.parametrize(
    ("text", "roles", "expected"),
    [
        ("multi-head", "encoder,decoder,cross", ["encoder", "decoder", "cross"]),
        ("multi-head", "cross", ["cross"]),
        ("cross-only", "encoder,decoder,cross", ["cross"]),
        ("self-only", "encoder, cross", ["encoder"]),
        ("self-only@decoder", "encoder,decoder,cross", ["decoder"]),
        ("multi-head@encoder+decoder", "cross", ["encoder", "decoder"]),
    ],
)
def test_a_variant_is_put_where_it_can_stand(text: str, roles: str, expected: list[str]) -> None:
    assert places(text, roles) == [f"attention.{role}.variant" for role in expected]


def test_settings_of_a_label_may_hold_commas_between_them() -> None:
    text = "multi-head,rnn:model.encoder_layers=2,attention.cross.variant=cross-only,cross-only"
    entries = parse_entries([text, "deep:model.decoder_layers=6"])
    assert [entry.name for entry in entries] == ["multi-head", "rnn", "cross-only", "deep"]
    assert entries[1].settings == (
        ("model.encoder_layers", 2), ("attention.cross.variant", "cross-only"),
    )  # fmt: skip


def test_the_baseline_is_one_of_the_entries_or_one_more() -> None:
    entries, base = with_baseline(["cross-only,deep:model.decoder_layers=6"], "deep")
    assert (len(entries), base) == (2, entries[1])
    entries, base = with_baseline(["cross-only"], "multi-head")
    assert [entry.name for entry in entries] == ["multi-head", "cross-only"]
    assert base == entries[0]
    entries, base = with_baseline(["cross-only"], "deep:model.decoder_layers=6")
    assert base == Entry("deep", (("model.decoder_layers", 6),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mult-head", "no attention is called 'mult-head'; did you mean 'multi-head'?"),
        ("", "no attention is called ''; known here: "),
        ("multi-head,multi-head", "two are called 'multi-head'; give one another label"),
        ("model.dropout=0.1", "settings need a label before them: LABEL:model.dropout=0.1"),
        ("a/b:model.dropout=0.1", "a label is of letters, digits and any of . _ + @ -; not 'a/b'"),
        ("own.module:Class", "after own.module: come settings such as "
         "attention.cross.variant=additive, not 'Class'"),
        ("a:dropout=0.1", "after a: come settings such as attention.cross.variant=additive, "
         "not 'dropout=0.1'"),
        ("a:compute.seed=2", "compute.seed of 'a' must be one for all that is compared; give it "
         "by --set"),
        ("a:score.tokenize=char", "score.tokenize of 'a' must be one for all that is compared"),
        ("cross-only@encoder", "'cross-only' cannot stand in the role 'encoder'; it serves cross"),
        ("multi-head@crss", "no role is called 'crss'; did you mean 'cross'?"),
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_entries([text])
    assert message in str(refused.value)


def test_a_variant_without_a_place_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cross-only' serves cross only; --roles has none of"):
        parse_entries(["cross-only"], ["encoder", "decoder"])


def test_a_baseline_of_the_name_of_another_is_refused() -> None:
    with pytest.raises(ConfigError, match="--baseline: one of --variants is called 'a' already"):
        with_baseline(["a:model.dropout=0.1"], "a:model.dropout=0.2")
