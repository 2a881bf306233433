"""The cells of a study: which there are, with which settings, and when one is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.experiment import read_experiment
from nmt.settings import load_table
from nmt.study import cells as cells_module
from nmt.study.cells import (
    Study,
    open_cells,
    plan_cells,
    refuse_changed,
    refuse_unbuildable,
    request_of,
)

MakeStudy = Callable[..., Study]


def opened(study: Study) -> None:
    """Open the cells of a study as the study itself does."""
    requests = {cell: request_of(cell, study) for cell in plan_cells(study)}
    if not study.replace:
        refuse_changed(requests)
    open_cells(requests)


def test_every_entry_has_a_seed_before_any_has_the_next(make_study: MakeStudy) -> None:
    cells = plan_cells(make_study(seeds=2, baseline_seeds=3))
    assert [cell.name for cell in cells] == [
        "multi-head-seed1", "narrow-seed1", "multi-head-seed2", "narrow-seed2", "multi-head-seed3",
    ]  # fmt: skip


def test_the_baseline_has_no_fewer_seeds_than_the_others(make_study: MakeStudy) -> None:
    cells = plan_cells(make_study(seeds=2, baseline_seeds=1))
    assert [cell.seed for cell in cells if cell.entry.name == "multi-head"] == [1, 2]


def test_seeds_count_from_the_one_that_is_set(make_study: MakeStudy) -> None:
    study = make_study()
    table = study.table | {"compute": {**study.table["compute"], "seed": 7}}
    assert {cell.seed for cell in plan_cells(make_study(table=table, seeds=2))} == {7, 8}


def test_cells_differ_in_their_own_settings_and_the_seed_alone(make_study: MakeStudy) -> None:
    base, narrow = plan_cells(make_study())
    assert (narrow.experiment.model.ffn_size, narrow.experiment.model.dropout) == (8, 0.0)
    assert base.experiment.model.ffn_size == 32
    assert narrow.experiment.training == base.experiment.training
    assert narrow.experiment.compute == base.experiment.compute


@pytest.mark.parametrize(("jobs", "threads"), [(1, 8), (2, 4), (3, 2), (99, 1)])
def test_cells_that_run_together_share_the_cores(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch, jobs: int, threads: int
) -> None:
    monkeypatch.setattr(cells_module, "num_cores", lambda: 8)
    table = {key: value for key, value in make_study().table.items() if key != "compute"}
    (cell, *_) = plan_cells(make_study(table=table, jobs=jobs))
    assert cell.experiment.compute.threads == threads


def test_threads_that_are_set_stay(make_study: MakeStudy) -> None:
    assert plan_cells(make_study(jobs=2))[0].experiment.compute.threads == 1


def test_the_settings_of_a_cell_are_those_on_file(make_study: MakeStudy) -> None:
    study = make_study()
    opened(study)
    for cell in plan_cells(study):
        assert read_experiment(load_table(cell.folder / "settings.toml")) == cell.experiment


def changed(study: Study, section: str, **values: Any) -> dict[str, Any]:
    return {"table": study.table | {section: study.table[section] | values}}


def test_a_cell_of_other_settings_is_refused_before_any_is_touched(make_study: MakeStudy) -> None:
    study = make_study()
    opened(study)
    with pytest.raises(CheckpointError) as refused:
        opened(make_study(**changed(study, "training", max_updates=9)))
    assert str(refused.value) == (
        f"{study.folder}/cells/multi-head-seed1 was made with training.max_updates = 6, not 9; "
        "put it back, choose another --output, or --existing replace"
    )
    opened(study)


def test_cells_in_other_company_are_refused(make_study: MakeStudy) -> None:
    opened(make_study())
    with pytest.raises(CheckpointError, match="was made with jobs = 1, not 2; put it back"):
        opened(make_study(jobs=2))


def test_a_cell_of_another_test_set_is_refused(make_study: MakeStudy, tmp_path: Any) -> None:
    texts = tmp_path / "a", tmp_path / "b"
    for text in texts:
        text.write_text("x\n")
    test = (str(texts[0]), str(texts[1]))
    opened(make_study(test=test))
    texts[1].write_text("y\n")
    with pytest.raises(CheckpointError, match=r"with other inputs\.test_target; put it"):
        opened(make_study(test=test))


def test_only_what_changed_is_replaced(make_study: MakeStudy) -> None:
    opened(make_study())
    for cell in plan_cells(make_study()):
        (cell.folder / "mark").touch()
    entries = "multi-head,narrow:model.ffn_size=4,model.dropout=0.0"
    opened(make_study(entries, replace=True))
    base, narrow = plan_cells(make_study(entries))
    assert ((base.folder / "mark").exists(), (narrow.folder / "mark").exists()) == (True, False)
    opened(make_study(entries))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("a:model.num_heads=3", r"a: model.num_heads = 3 does not divide model.model_size = 16"),
        ("a:model.ffn_sise=3", r"a: unknown setting model.ffn_sise; did you mean 'ffn_size'?"),
    ],
)
def test_wrong_settings_are_refused_by_the_name_of_their_entry(
    make_study: MakeStudy, entry: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        plan_cells(make_study(entry))
    assert message in str(refused.value)


def test_a_model_that_translates_nothing_is_refused(make_study: MakeStudy, toy: Path) -> None:
    message = r"^multi-head: model.arch = 'lm' translates nothing, but cells are compared by"
    with pytest.raises(ConfigError, match=message):
        plan_cells(make_study(table=load_table(toy / "lm.toml")))


def test_a_model_that_cannot_be_made_is_refused_before_anything_runs(
    make_study: MakeStudy,
) -> None:
    with pytest.raises(ConfigError, match=r"^a: attention\.cross\.variant: no attention is"):
        plan_cells(make_study("a:attention.cross.variant=mult"))
    cells = plan_cells(
        make_study("a:model.sentence_break=<none>,attention.encoder.variant=sentence-local")
    )
    with pytest.raises(ConfigError, match=r"^a: model\.sentence_break = '<none>' is no piece of"):
        refuse_unbuildable(cells)


def test_settings_that_fail_late_are_refused(make_study: MakeStudy) -> None:
    study = make_study()
    cells = plan_cells(make_study(**changed(study, "training", budget="soon")))
    with pytest.raises(ConfigError, match=r"training\.budget must be a time such as 90s"):
        refuse_unbuildable(cells)


def test_a_missing_test_set_is_named(make_study: MakeStudy) -> None:
    with pytest.raises(DataError, match="cannot read nowhere: No such file"):
        opened(make_study(test=("nowhere", "nowhere")))
