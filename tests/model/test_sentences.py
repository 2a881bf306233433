"""Sentences within a line: numbered alike in a full pass and in steps, attended to apart."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.model.contract import EncoderDecoder
from nmt.model.sentences import Breaks

MakeModel = Callable[..., EncoderDecoder]

BREAK = 10
LOCAL = AttentionConfig(variant="sentence-local")
EVERYWHERE = AttentionSections(encoder=LOCAL, decoder=LOCAL, cross=LOCAL)
SOURCE = torch.tensor([[4, 5, BREAK, 6, 7, 8], [3, BREAK, 9, BREAK, 5, 2], [4, 3, 5, 6, 2, 2]])
LENGTHS = torch.tensor([6, 6, 5])
TARGET = torch.tensor([[1, 4, BREAK, 5, 6], [1, BREAK, 7, 8, BREAK], [1, 3, 4, 5, 6]])


def local_model(make_model: MakeModel) -> EncoderDecoder:
    model = make_model(EVERYWHERE, positions="none")
    model.breaks = Breaks(BREAK, BREAK)
    return model


def test_a_break_belongs_to_what_it_ends_in_a_source_and_to_what_follows_in_a_target() -> None:
    breaks = Breaks(BREAK, BREAK)
    numbers = breaks.number_source(SOURCE), breaks.number_target(TARGET)
    assert numbers[0].tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0]]
    assert numbers[1].tolist() == [[0, 0, 1, 1, 1], [0, 1, 1, 1, 2], [0, 0, 0, 0, 0]]
    assert Breaks().number_source(SOURCE) is None
    assert Breaks().number_target(TARGET) is None


def test_two_sentences_of_a_line_are_encoded_as_each_alone(make_model: MakeModel) -> None:
    model = local_model(make_model)
    whole = model.encode(SOURCE[:1], LENGTHS[:1]).states[0]
    apart = [
        model.encode(SOURCE[:1, part], torch.tensor([3])).states[0]
        for part in (slice(0, 3), slice(3, 6))
    ]
    assert_close(whole, torch.cat(apart), rtol=1e-12, atol=1e-12)


def test_a_sentence_is_decoded_from_its_own_source_sentence_alone(make_model: MakeModel) -> None:
    model = local_model(make_model)
    before = model.decode(model.encode(SOURCE, LENGTHS), TARGET, torch.tensor([5, 5, 5]))
    changed = SOURCE.clone()
    changed[0, 4] = 9  # in the second sentence
    after = model.decode(model.encode(changed, LENGTHS), TARGET, torch.tensor([5, 5, 5]))
    assert torch.equal(before[0, :2], after[0, :2])
    assert (before[0, 2:] != after[0, 2:]).any(-1).all()


def test_steps_with_parents_are_a_full_pass(make_model: MakeModel) -> None:
    model = local_model(make_model)
    memory = model.encode(SOURCE, LENGTHS)
    state = model.start(memory, 2, 5)
    random = torch.Generator().manual_seed(3)
    past = [[[], []] for _ in range(3)]
    for _ in range(5):
        parents = torch.randint(2, (3, 2), generator=random)
        ids = torch.randint(3, 11, (3, 2), generator=random)
        ids[:, 1] = torch.where(torch.rand(3, generator=random) < 0.5, BREAK, ids[:, 1])
        past = [
            [[*rows[parents[b, k]], int(ids[b, k])] for k in range(2)]
            for b, rows in enumerate(past)
        ]
        with torch.inference_mode():
            states, state = model.step(state, ids, parents)
        for b in range(3):
            one = replace(
                memory,
                states=memory.states[b : b + 1],
                lengths=memory.lengths[b : b + 1],
                sentences=memory.sentences[b : b + 1],
            )
            for k in range(2):
                target = torch.tensor([past[b][k]])
                full = model.decode(one, target, torch.tensor([target.size(1)]))[0, -1]
                assert_close(states[b, k], full, rtol=1e-10, atol=1e-10)


def test_sentences_are_kept_with_their_lines(make_model: MakeModel) -> None:
    model = local_model(make_model)
    state = model.start(model.encode(SOURCE, LENGTHS), 2, 5)
    kept = state.select(torch.tensor([2, 0]))
    assert kept.source_sentences.tolist() == [[0] * 6, [0, 0, 0, 1, 1, 1]]
    assert kept.sentences.shape == (2, 2, 5)
