"""Decoding by steps against full passes, each hypothesis' past kept the obvious way.

B batch, T queries, D model size.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.attention.rows import Rows, chosen
from nmt.checks.case import Case, Layers, example, sentences
from nmt.checks.comparing import near

STEPS = 8  # more than a small ring of keys holds
SELECTIONS: tuple[dict[int, list[int]], ...] = ({}, {1: [1, 2, 0], 3: [1, 0], 6: [1]})


@dataclass(frozen=True)
class Beams:
    """What each hypothesis was given, beside the caches that are checked.

    Attributes:
        histories: (B, beam, steps, D) the vectors of each hypothesis' past.
        rows: (B, beam, steps) which row wrote each of them.
        numbers: (B, steps) sentence of each step; None where nothing heeds sentences.
        caches: Of each layer.
    """

    histories: Tensor
    rows: Tensor
    numbers: Tensor | None
    caches: tuple[Cache, ...]

    def follow(self, parents: Tensor, states: Tensor) -> "Beams":
        """Let each row continue its parent, (B, beam), by a vector, (B, beam, D)."""
        lines = torch.arange(len(parents)).unsqueeze(-1)
        own = torch.arange(parents.size(1)).expand_as(parents)
        return replace(
            self,
            histories=torch.cat([self.histories[lines, parents], states.unsqueeze(2)], dim=2),
            rows=torch.cat([self.rows[lines, parents], own.unsqueeze(2)], dim=2),
            caches=tuple(cache.reorder(parents) for cache in self.caches),
        )

    def select(self, lines: list[int]) -> "Beams":
        """Keep some lines."""
        return Beams(
            self.histories[lines],
            self.rows[lines],
            None if self.numbers is None else self.numbers[lines],
            tuple(cache.select(torch.tensor(lines)) for cache in self.caches),
        )

    def layout(self, computed: Rows | None) -> Layout:
        """Describe the step that every row has just entered."""
        _, beam, steps = self.rows.shape
        layout = Layout(num_queries=beam, num_keys=beam * steps, ancestry=self.rows, rows=computed)
        if self.numbers is None:
            return layout
        past = self.numbers[:, None, :steps].expand(-1, beam, -1)
        return replace(layout, query_sentences=past[:, :, -1], key_sentences=past)


def steps_are_a_full_pass(case: Case) -> None:
    """Compare every step of every hypothesis with a full pass over its own history."""
    layers = case.build()
    for beam in (1, 3):
        for keep in SELECTIONS:
            with torch.inference_mode():
                compare_steps(case, layers, beam, keep)


def compare_steps(case: Case, layers: Layers, beam: int, keep: dict[int, list[int]]) -> None:
    """Decode three lines; `keep` selects some of them before some steps.

    Every other step computes one row of each line alone, which the next step goes on from.
    """
    random = torch.Generator().manual_seed(3)
    past = torch.zeros((3, beam, 0, case.model_size), dtype=torch.float64)
    rows = torch.zeros((3, beam, 0), dtype=torch.long)
    beams = Beams(past, rows, sentences(case, 3, STEPS), layers.start(3, beam, STEPS))
    alive = torch.ones(3, beam)
    for number in range(STEPS):
        if number in keep:
            beams, alive = beams.select(keep[number]), alive[keep[number]]
        parents = alive.multinomial(beam, replacement=True, generator=random)
        shape = (len(alive), beam, case.model_size)
        states = torch.randn(shape, generator=random, dtype=torch.float64)
        beams = beams.follow(parents, states)
        alive = torch.ones(len(alive), beam)
        if number % 2:
            one = alive.multinomial(1, generator=random)
            alive = torch.zeros_like(alive).scatter(1, one, 1.0)
        computed = Rows.of(alive > 0)
        entering = chosen(states, computed)
        result = layers(entering, entering, beams.layout(computed), beams.caches)
        beams = replace(beams, caches=result.caches)
        near(
            result.output,
            chosen(full(layers, beams), computed),
            f"step {number} with {beam} hypotheses",
        )


def full(layers: Layers, beams: Beams) -> Tensor:
    """Attend from the last of every history to all of it, without caches, (B, beam, D)."""
    states = beams.histories.flatten(0, 1)
    size, beam = states.size(1), beams.rows.size(1)
    numbers = beams.numbers
    if numbers is not None:
        numbers = numbers[:, :size].repeat_interleave(beam, 0)
    layout = Layout(
        num_queries=size, num_keys=size, causal=True,
        query_sentences=numbers, key_sentences=numbers,
    )  # fmt: skip
    output: Tensor = layers(states, states, layout).output
    return output[:, -1].view(*beams.rows.shape[:2], -1)


def a_remembered_memory_is_the_memory(case: Case) -> None:
    """Compare steps over a remembered source with a full pass over the source itself.

    The later ones compute one row of each line alone.
    """
    given = example(case, (6, 2, 4, 0))
    layers, query, lengths = case.build(), given.query, torch.tensor((6, 2, 4, 0))
    assert query is not None
    lines = torch.arange(4)
    with torch.inference_mode():
        expected = given.output(layers)
        caches = layers.remember(given.states, lengths)
        for step, keep in enumerate(([0, 1, 2, 3], [2, 0, 3], [1])):
            lines = lines[keep]
            caches = tuple(cache.select(torch.tensor(keep)) for cache in caches)
            caches = tuple(cache.reorder(torch.zeros(len(keep), 3).long()) for cache in caches)
            layout = replace(
                given.layout, num_queries=3, key_lengths=lengths[lines], offset=step,
                hypotheses=True, query_sentences=of_step(given.layout.query_sentences, lines, step),
                key_sentences=picked(given.layout.key_sentences, lines), rows=one_row(lines, step),
            )  # fmt: skip
            now, wanted = (
                chosen(each[lines, step].unsqueeze(1).expand(-1, 3, -1), layout.rows)
                for each in (query, expected)
            )
            result = layers(now, None, layout, caches)
            caches = result.caches
            near(result.output, wanted, f"step {step}")


def one_row(lines: Tensor, step: int) -> Rows | None:
    """Choose one of three rows of each line; all in the first step."""
    wanted = torch.zeros((len(lines), 3), dtype=torch.bool)
    wanted[:, step] = True
    return Rows.of(wanted) if step else None


def picked(numbers: Tensor | None, lines: Tensor) -> Tensor | None:
    """Take the numbers of some lines."""
    return None if numbers is None else numbers[lines]


def of_step(numbers: Tensor | None, lines: Tensor, step: int) -> Tensor | None:
    """Give all three hypotheses of a line the number of its step."""
    return None if numbers is None else numbers[lines, step].unsqueeze(1).expand(-1, 3)
