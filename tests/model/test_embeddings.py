"""Embeddings of ids and positions against their formulas, element by element."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from nmt.model.config import ModelConfig
from nmt.model.embeddings import Embeddings, in_working_type, sinusoids, word_matrix

SMALL = ModelConfig(model_size=8, num_heads=2, ffn_size=4, max_length=6)


@pytest.mark.parametrize("size", [2, 8, 16])
def test_positions_are_the_papers_sines_and_cosines(size: int) -> None:
    table = sinusoids(12, size)
    assert table.shape == (12, size)
    for position in range(12):
        for pair in range(size // 2):
            angle = position / 10000 ** (2 * pair / size)
            assert math.isclose(table[position, 2 * pair], math.sin(angle), abs_tol=1e-5)
            assert math.isclose(table[position, 2 * pair + 1], math.cos(angle), abs_tol=1e-5)


def test_far_positions_are_exact_to_a_thousandth() -> None:
    place = 1023
    angles = torch.tensor([place / 10000 ** (2 * pair / 64) for pair in range(32)]).double()
    row = sinusoids(1024, 64)[place].double()
    assert_close(row[0::2], angles.sin(), rtol=0, atol=1e-3)
    assert_close(row[1::2], angles.cos(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_a_state_is_the_scaled_word_plus_its_position(positions: str) -> None:
    torch.manual_seed(1)
    config = ModelConfig(
        model_size=8, num_heads=2, ffn_size=4, max_length=6, positions=positions, dropout=0.0
    )
    embeddings = Embeddings(word_matrix(9, 8), config)
    ids = torch.tensor([[1, 8, 1, 0, 3], [2, 2, 5, 7, 4]])
    states = embeddings(ids)
    assert states.shape == (2, 5, 8)
    for row in range(2):
        for place in range(5):
            word = embeddings.words[ids[row, place]]
            expected = word * math.sqrt(8) + embeddings.positions[place]
            assert_close(states[row, place], expected)
            assert torch.equal(embeddings.at_step(ids, place)[row, place], states[row, place])
    assert_close(embeddings(ids[:, 2:], first=2), states[:, 2:])


def test_learned_positions_are_weights_and_sinusoids_are_not() -> None:
    for positions, names in (
        ("learned", {"words", "positions"}),
        ("sinusoidal", {"words"}),
    ):
        config = ModelConfig(model_size=8, num_heads=2, max_length=6, positions=positions)
        embeddings = Embeddings(word_matrix(9, 8), config)
        assert set(dict(embeddings.named_parameters())) == names
        assert set(embeddings.state_dict()) == names


def test_dropout_takes_its_share_of_the_states_in_training_only() -> None:
    torch.manual_seed(3)
    embeddings = Embeddings(word_matrix(9, 8), replace(SMALL, dropout=0.5))
    ids = torch.zeros(4, 6, dtype=torch.long)
    whole = embeddings.eval()(ids)
    dropped = embeddings.train()(ids)
    kept = dropped != 0
    assert 0.3 < float(kept.float().mean()) < 0.7
    assert_close(dropped[kept], 2 * whole[kept])


def test_words_start_with_the_spread_that_scaling_makes_one() -> None:
    torch.manual_seed(2)
    words = word_matrix(4000, 16).detach() * math.sqrt(16)
    assert 0.98 < float(words.std()) < 1.02


def test_states_take_autocasts_type() -> None:
    embeddings = Embeddings(word_matrix(9, 8), SMALL).eval()
    ids = torch.tensor([[1, 2]])
    assert embeddings(ids).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert embeddings(ids).dtype == torch.bfloat16
        assert in_working_type(torch.zeros(1)).dtype == torch.bfloat16
