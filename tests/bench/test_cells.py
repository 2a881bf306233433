"""Which cells are measured, in what order, and which are foreseen to take too long."""

import pytest

from nmt.attention.config import AttentionConfig
from nmt.attention.variants import VARIANTS
from nmt.bench.cells import (
    BASELINE,
    PASS,
    STEP,
    Cell,
    Figures,
    Scale,
    choose_roles,
    config_of,
    expected,
    foresee,
    plan,
)
from nmt.errors import ConfigError


def test_the_baseline_is_measured_beside_every_variant() -> None:
    cells = plan(["window", "local-m"], [], [32, 16], [PASS])
    assert cells == [
        Cell(PASS, role, length, name)
        for role, variant in (("decoder", "window"), ("cross", "local-m"))
        for length in (16, 32)
        for name in (BASELINE, variant)
    ]


def test_all_variants_are_measured_unless_some_are_named() -> None:
    assert {cell.variant for cell in plan([], [], [16], [PASS])} == {*VARIANTS}
    cross = {cell.variant for cell in plan([], ["cross"], [16], [PASS])}
    assert cross == {name for name, each in VARIANTS.items() if "cross" in each.roles}


def test_an_encoder_makes_no_steps() -> None:
    cells = plan(["window"], ["encoder", "decoder"], [16], [PASS, STEP])
    assert {(cell.work, cell.role) for cell in cells} == {
        (PASS, "encoder"), (PASS, "decoder"), (STEP, "decoder"),
    }  # fmt: skip


def test_a_variant_stands_in_the_decoder_or_in_its_only_role() -> None:
    for name, each in VARIANTS.items():
        (role,) = choose_roles(name, [])
        assert role in each.roles
        assert role == "decoder" or "decoder" not in each.roles
    assert choose_roles("window", ["cross", "encoder"]) == ["encoder"]


@pytest.mark.parametrize(
    ("variant", "roles", "message"),
    [
        ("windw", [], r"no attention is called 'windw'; did you mean 'window'\?"),
        ("average", ["encoder", "cross"], r"'average' serves decoder only, not encoder or cross; "),
    ],
)
def test_what_cannot_be_measured_is_refused(variant: str, roles: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan([variant], roles, [16], [PASS])


def test_sentences_fill_a_batch_until_they_come_alone() -> None:
    scale = Scale(batch_tokens=4096)
    counts = {n: scale.sentences(Cell(PASS, "decoder", n, BASELINE)) for n in (16, 1000, 1024)}
    assert counts == {16: 256, 1000: 4, 1024: 1}
    assert scale.sentences(Cell(STEP, "decoder", 16, BASELINE)) == 1
    assert Scale(batch_tokens=8).sentences(Cell(PASS, "decoder", 16, BASELINE)) == 1


@pytest.mark.parametrize(
    ("known", "cost"),
    [
        ({100: 1.0}, 4.0),  # squares, when nothing is known
        ({50: 0.5, 100: 1.0}, 2.0),
        ({25: 9.0, 50: 1 / 8, 100: 1.0}, 4.0),  # quadratic at most
        ({50: 1.0, 100: 1.0}, 2.0),  # linear at least
    ],
)
def test_a_cost_is_carried_on(known: dict[int, float], cost: float) -> None:
    assert expected(known, 200) == pytest.approx(cost)


def test_a_cell_is_foreseen_from_shorter_ones_of_its_own_series() -> None:
    scale = Scale(limit_seconds=20.0, batch_tokens=2048)
    at = {n: Cell(PASS, "decoder", n, "linear") for n in (512, 1024, 2048, 4096)}
    other = Cell(PASS, "decoder", 1024, BASELINE)
    measured = {at[1024]: Figures(seconds=1.0, needed_seconds=6.0), other: Figures(cut="cut")}
    assert foresee(at[1024], measured, scale) == ""
    assert foresee(at[2048], measured, scale) == "would take longer than 20 s"
    measured = {at[512]: Figures(seconds=1.0, needed_seconds=6.0, sentences=4)}
    assert foresee(at[1024], measured, scale) == ""  # one sentence where there were four
    measured[at[1024]] = Figures(cut="took longer than 20 s")
    assert foresee(at[4096], measured, scale) == "a shorter one was cut off"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"repeats": 0}, "--repeats must be at least 1, not 0"),
        ({"num_heads": 0}, "--num-heads must be at least 1, not 0"),
        ({"limit_seconds": 0.0}, r"--limit-seconds must be above 0, not 0\.0"),
    ],
)
def test_a_scale_out_of_range_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Scale(**values)  # type: ignore[arg-type]


def test_a_variant_may_come_with_settings() -> None:
    assert config_of("window+window=128+dilation=2") == AttentionConfig(
        variant="window", window=128, dilation=2
    )
    assert choose_roles("local-m+window=3", []) == ["cross"]
    with pytest.raises(ConfigError, match=r"unknown setting window\+widow=1\.widow; did you mean"):
        config_of("window+widow=1")
    with pytest.raises(ConfigError, match=r"needs section\.key=value, not 'attention\.128'"):
        config_of("window+128")
