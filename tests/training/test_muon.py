"""Muon: what it moves, and by how much."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from nmt.attention.config import AttentionSections
from nmt.checks.case import small
from nmt.model.build import build_model
from nmt.model.config import ModelConfig
from nmt.model.contract import SequenceModel
from nmt.training.config import TrainingConfig
from nmt.training.muon import Muon, newton_schulz, orthogonalised
from nmt.training.optimizer import is_matrix, make_optimizer

CONFIG = TrainingConfig(optimizer="muon", momentum=0.8, weight_decay=0.3, learning_rate=0.01)


def with_gradients(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator)


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(6, 6), (6, 10), (10, 6)], ids=str)
def test_directions_stay_and_their_lengths_come_near_one(shape: tuple[int, int]) -> None:
    matrix = drawn(*shape)
    (made,) = newton_schulz(matrix[None])
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    along = u.mT @ made @ v.mT
    lengths = along.diagonal()
    torch.testing.assert_close(along, lengths.diag(), rtol=0, atol=1e-5)
    assert 0.6 < float(lengths.min()) <= float(lengths.max()) < 1.3


def test_a_matrix_is_brought_there_whatever_its_length() -> None:
    matrix = drawn(5, 8)
    torch.testing.assert_close(newton_schulz(1e-4 * matrix[None]), newton_schulz(matrix[None]))


def test_nothing_stays_nothing() -> None:
    assert not newton_schulz(torch.zeros(2, 3, 4)).any()


def test_matrices_of_all_shapes_come_back_in_order() -> None:
    given = [drawn(4, 6, seed=1), drawn(3, 3, seed=2), drawn(4, 6, seed=3)]
    for made, matrix in zip(orthogonalised(given), given, strict=True):
        torch.testing.assert_close(made, newton_schulz(matrix[None])[0])


def test_the_mean_looks_ahead_and_decays_as_in_the_paper() -> None:
    weight = nn.Parameter(drawn(4, 6))
    optimizer = Muon([{"params": [weight], "whole": True}], 0.01, (0.9, 0.98), 0.8, 0.3)
    expected, mean = weight.detach().clone(), torch.zeros(4, 6)
    for seed in (2, 3):
        weight.grad = drawn(4, 6, seed=seed)
        optimizer.step()
        mean = 0.8 * mean + 0.2 * weight.grad
        (update,) = newton_schulz((0.2 * weight.grad + 0.8 * mean)[None])
        expected = (1 - 0.01 * 0.3) * expected - 0.01 * 0.2 * 6**0.5 * update
    torch.testing.assert_close(weight.detach(), expected)


def test_an_update_is_about_as_large_as_adams() -> None:
    weight = nn.Parameter(torch.zeros(64, 128))
    optimizer = Muon([{"params": [weight], "whole": True}], 1.0, (0.9, 0.98), 0.95, 0.0)
    weight.grad = drawn(64, 128)
    optimizer.step()
    assert 0.1 < float(weight.detach().square().mean().sqrt()) < 0.3


SHAPE = {"model_size": 16, "max_length": 32, "dropout": 0.0}
OF_TRANSFORMERS = {"encoder_layers": 1, "decoder_layers": 1, "ffn_size": 32, "num_heads": 2}
PASSED = ("query_key_value", "query", "key_value", "output", "inner", "outer")


def build(variants: dict[str, str], settings: dict[str, str]) -> SequenceModel:
    """Make the same small model every time."""
    torch.manual_seed(1)
    sections = AttentionSections(**{role: small(name) for role, name in variants.items()})
    own = {} if settings.get("arch") == "rnn" else OF_TRANSFORMERS
    return build_model(ModelConfig(**{**SHAPE, **own, **settings}), sections, 60, 60)


@pytest.mark.parametrize(
    ("variants", "settings"),
    [
        ({}, {}),
        ({}, {"tie": "none"}),
        ({}, {"positions": "learned"}),
        ({"encoder": "shaw", "decoder": "talking-heads", "cross": "general"}, {}),
        ({"encoder": "bucketed", "decoder": "block-hierarchical", "cross": "additive"}, {}),
    ],
    ids=str,
)
def test_only_matrices_that_states_pass_through_are_moved_whole(
    variants: dict[str, str], settings: dict[str, str]
) -> None:
    ours, theirs = build(variants, settings), build(variants, settings)
    optimizer = make_optimizer(ours, CONFIG)
    assert isinstance(optimizer, Muon)
    names = [name for name, weight in ours.named_parameters() if name.endswith(".weight")]
    passed = {name for name in names if name.split(".")[-2] in PASSED}
    kept = {name: each for name, each in theirs.named_parameters() if name not in passed}
    decays = [[each for each in kept.values() if is_matrix(each) == wanted] for wanted in (1, 0)]
    reference = AdamW(
        [{"params": decays[0]}, {"params": decays[1], "weight_decay": 0.0}],
        0.01, (0.9, 0.98), eps=1e-9, weight_decay=0.3,
    )  # fmt: skip
    for seed in range(3):
        for model, each in ((ours, optimizer), (theirs, reference)):
            with_gradients(model, seed)
            each.step()
    assert len(passed) > 3 < len(kept)
    for name, mine in ours.named_parameters():
        assert optimizer.moves_whole(mine) == (name in passed), name
        if name in kept:
            torch.testing.assert_close(mine, kept[name], msg=name)


def test_every_matrix_of_a_recurrent_model_but_tables_is_moved_whole() -> None:
    model = build({}, {"arch": "rnn"})
    optimizer = make_optimizer(model, CONFIG)
    assert isinstance(optimizer, Muon)
    whole = {name for name, each in model.named_parameters() if optimizer.moves_whole(each)}
    matrices = {name for name, each in model.named_parameters() if each.dim() == 2}
    assert matrices - whole == {"source_embeddings.words"}  # tied
    assert len(whole) > 3


def test_a_matrix_of_which_pruning_left_nothing_is_no_trouble() -> None:
    weight = nn.Parameter(torch.zeros(0, 4))
    optimizer = Muon([{"params": [weight], "whole": True}], 0.01, (0.9, 0.98), 0.95, 0.01)
    weight.grad = torch.zeros(0, 4)
    optimizer.step()
