"""Block-hierarchical attention equals full attention where it should, by every way through it.

B batch, T positions, D = 8, two heads.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from nmt.attention.block_hierarchical import BlockHierarchicalAttention, count
from nmt.attention.blocks import Blocks
from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.attention.contract import Place
from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout
from nmt.errors import ConfigError

SELF = ("encoder", "decoder")
EXACT = {"rtol": 1e-12, "atol": 1e-12}
LENGTHS = torch.tensor([13, 0, 3, 8])


def make(role: str, block: int, levels: int = 1, kernel: str = "auto") -> Any:
    """Build the mechanism in float64, every weight and bias away from zero."""
    config = AttentionConfig(
        variant="block-hierarchical", block=block, levels=levels, kernel=kernel
    )
    torch.manual_seed(1)
    place = Place(role=role, model_size=8, num_heads=2)
    attention = BlockHierarchicalAttention(place, config).double().eval()
    for weight in attention.parameters():
        weight.data += 0.5 * torch.randn_like(weight)
    return attention


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def over(size: int, role: str, lengths: Tensor | None = None) -> Layout:
    causal = role == "decoder"
    return Layout(num_queries=size, num_keys=size, causal=causal, key_lengths=lengths)


def heads(attention: Any, states: Tensor) -> list[Tensor]:
    """Project to queries, keys and values, (B, H, T, K) each."""
    return list(attention.query_key_value.heads(states).values())


def full(attention: Any, states: Tensor, layout: Layout) -> Tensor:
    """Attend exactly to all keys that may be seen."""
    visible = layout.visible()
    context = F.scaled_dot_product_attention(*heads(attention, states), attn_mask=visible)
    if visible is not None:
        context = context.masked_fill(~visible.any(-1, keepdim=True), 0.0)
    output: Tensor = attention.output(context.transpose(1, 2).flatten(2))
    return output


def summarise(attention: Any, head: int, level: int, nodes: list[Any]) -> Any:
    """Pool (key, value, count) triples by the rule, one by one."""
    nodes = [node for node in nodes if node is not None]
    if not nodes:
        return None
    pool = attention.pool[level - 1, head]
    fits = [node[0] @ pool / 2.0 + torch.tensor(float(node[2])).double().log() for node in nodes]
    weights = torch.stack(fits).softmax(0)
    key, value = (
        sum(weight * node[part] for weight, node in zip(weights, nodes, strict=True))
        for part in (0, 1)
    )
    return key, value, sum(node[2] for node in nodes)


def tree(attention: Any, head: int, keys: Tensor, values: Tensor) -> list[list[Any]]:
    """List the nodes of every level, for real keys (S, K) of one head."""
    blocks = attention.blocks
    levels: list[list[Any]] = [[(k, v, 1) for k, v in zip(keys, values, strict=True)]]
    for level in range(1, blocks.levels + 1):
        below = levels[-1]
        parts = [below[i : i + blocks.block] for i in range(0, len(below), blocks.block)]
        levels.append([summarise(attention, head, level, part) for part in parts])
    return levels


def is_near(blocks: Blocks, query: int, node: int, level: int) -> bool:
    """Tell whether a block of some level is the query's own or its neighbour."""
    distance = query // blocks.block**level - node
    return 0 <= distance <= 1 if blocks.causal else -1 <= distance <= 1


def looks(attention: Any, levels: list[list[Any]], query: int) -> Iterator[Any]:
    """Give the nodes that a query sees: none near, but in a block that is."""
    blocks = attention.blocks
    for level, nodes in enumerate(levels):
        for index, node in enumerate(nodes):
            width = blocks.block**level
            if blocks.causal and (index + 1) * width > query + 1:
                continue
            if level > 0 and is_near(blocks, query, index, level):
                continue
            top = level == blocks.levels
            if top or is_near(blocks, query, index // blocks.block, level + 1):
                yield node


def slow(attention: Any, states: Tensor, lengths: list[int]) -> Tensor:
    """Attend by loops over sentences, heads and queries, with lists of what each may see."""
    queries, keys, values = heads(attention, states)
    context = torch.zeros_like(queries)
    for b, h in product(range(len(lengths)), range(2)):
        length = lengths[b]
        levels = tree(attention, h, keys[b, h, :length], values[b, h, :length])
        for t in range(states.size(1)):
            seen = list(looks(attention, levels, t))
            if not seen:
                continue
            scores = [
                queries[b, h, t] @ key / 2.0 + torch.tensor(float(number)).double().log()
                for key, _, number in seen
            ]
            weights = torch.stack(scores).softmax(0)
            context[b, h, t] = weights @ torch.stack([value for _, value, _ in seen])
    output: Tensor = attention.output(context.transpose(1, 2).flatten(2))
    return output


def real(lengths: Tensor, size: int) -> Tensor:
    return torch.arange(size) < lengths.unsqueeze(-1)


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("role", SELF)
def test_it_is_what_loops_over_near_keys_and_far_summaries_give(
    role: str, block: int, levels: int, kernel: str
) -> None:
    attention, states = make(role, block, levels, kernel), draw(4, 13, 8)
    output = attention(states, states, over(13, role, LENGTHS)).output
    expected = slow(attention, states, LENGTHS.tolist())
    shown = real(LENGTHS, 13) if role == "decoder" else torch.ones(4, 13, dtype=torch.bool)
    assert_close(output[shown], expected[shown], **EXACT)


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("block", [7, 13, 20, 10**12])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize("role", SELF)
def test_two_blocks_are_full_attention(
    role: str, lengths: Tensor | None, block: int, kernel: str
) -> None:
    attention, states = make(role, block, 1, kernel), draw(4, 13, 8)
    layout = over(13, role, lengths)
    output = attention(states, states, layout).output
    assert_close(output, full(attention, states, layout), **EXACT)


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("role", SELF)
def test_blocks_of_one_are_full_attention(role: str, kernel: str, levels: int) -> None:
    attention, states = make(role, 1, levels, kernel), draw(4, 13, 8)
    layout = over(13, role, LENGTHS)
    output = attention(states, states, layout).output
    assert_close(output, full(attention, states, layout), **EXACT)


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("lengths", [None, torch.tensor([14, 1, 8])], ids=["full", "padded"])
@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("role", SELF)
def test_blocks_of_copies_of_one_key_are_full_attention_to_all_copies(
    role: str, levels: int, lengths: Tensor | None, kernel: str
) -> None:
    attention = make(role, 2, levels, kernel)
    width = 2**levels  # what the highest summary stands for
    states = draw(3, -(-14 // width), 8).repeat_interleave(width, 1)[:, :14]
    layout = over(14, role, lengths)
    output = attention(states, states, layout).output
    assert_close(output, full(attention, states, layout), **EXACT)


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("place", range(1, 13))
def test_the_future_changes_no_summary_that_the_past_can_see(
    place: int, levels: int, kernel: str
) -> None:
    attention, states = make("decoder", 2, levels, kernel), draw(2, 13, 8)
    before = attention(states, states, over(13, "decoder")).output
    states[:, place:] = -9.0
    states.requires_grad_()
    output = attention(states, states, over(13, "decoder")).output
    assert_close(output[:, :place], before[:, :place], rtol=1e-13, atol=1e-13)
    output[:, place - 1].square().sum().backward()
    assert states.grad is not None
    assert (states.grad[:, place:] == 0).all()
    assert (states.grad[:, :place] != 0).all()


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("role", SELF)
def test_padding_has_no_influence_and_no_gradient(role: str, kernel: str) -> None:
    attention, states = make(role, 2, 2, kernel), draw(4, 13, 8)
    shown, layout = real(LENGTHS, 13), over(13, role, LENGTHS)
    before = attention(states, states, layout).output
    states[~shown] = 99.0
    states.requires_grad_()
    output = attention(states, states, layout).output
    assert_close(output[shown], before[shown], rtol=0, atol=0)
    output[shown].square().sum().backward()
    assert states.grad is not None
    assert (states.grad[~shown] == 0).all()
    assert (states.grad[shown] != 0).all()


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("role", SELF)
def test_a_sentence_alone_is_that_sentence_in_a_padded_batch(role: str, kernel: str) -> None:
    attention, states = make(role, 2, 2, kernel), draw(4, 13, 8)
    batched = attention(states, states, over(13, role, LENGTHS)).output
    for b, length in enumerate(LENGTHS.tolist()):
        if length:
            line = states[b : b + 1, :length]
            alone = attention(line, line, over(length, role)).output
            assert_close(alone, batched[b : b + 1, :length], **EXACT)


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("role", SELF)
def test_a_query_that_may_see_nothing_gets_zeros(role: str, kernel: str) -> None:
    attention, states = make(role, 2, 2, kernel), draw(4, 13, 8).requires_grad_()
    output = attention(states, states, over(13, role, LENGTHS)).output
    assert torch.equal(output[1], attention.output.bias.expand(13, 8))
    output.square().sum().backward()
    assert states.grad is not None
    assert (states.grad[1] == 0).all()
    assert states.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in attention.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize(("block", "levels"), [(1, 1), (2, 1), (2, 3), (3, 2), (8, 1)])
@pytest.mark.parametrize("role", SELF)
def test_the_banded_kernel_is_the_definition(
    role: str, block: int, levels: int, lengths: Tensor | None, dtype: torch.dtype
) -> None:
    found = []
    for kernel in ("dense", "banded"):
        attention = make(role, block, levels, kernel).to(dtype)
        states = draw(4, 13, 8).to(dtype).requires_grad_()
        output = attention(states, states, over(13, role, lengths)).output
        slope = draw(4, 13, 8).to(dtype)
        inputs = [states, *attention.parameters()]
        found.append([output, *torch.autograd.grad(output, inputs, slope)])
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    for definition, kernel in zip(*found, strict=True):
        assert_close(kernel, definition, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("role", SELF)
def test_the_gradient_is_that_of_finite_differences(role: str, kernel: str) -> None:
    attention = make(role, 2, 2, kernel)
    names = [name for name, _ in attention.named_parameters()]
    inputs = [each.clone().requires_grad_() for each in (draw(2, 8, 8), *attention.parameters())]

    def run(states: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        operands = states, states, over(8, role, torch.tensor([8, 5]))
        output: Tensor = torch.func.functional_call(attention, named, operands).output
        return output

    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("size", [1, 4, 13])
@pytest.mark.parametrize("role", SELF)
def test_every_weight_has_a_gradient_however_short_the_batch(role: str, size: int) -> None:
    attention, states = make(role, 8, 2), draw(2, size, 8)
    attention(states, states, over(size, role)).output.sum().backward()
    assert all(weight.grad is not None for weight in attention.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel", ["dense", "banded"])
@pytest.mark.parametrize("role", SELF)
def test_half_precision_is_finite_and_near(role: str, kernel: str, dtype: torch.dtype) -> None:
    attention, states = make(role, 2, 2, kernel), draw(4, 13, 8)
    layout = over(13, role, LENGTHS)
    exact = attention(states, states, layout).output
    states = states.to(dtype).requires_grad_()
    output = attention.to(dtype)(states, states, layout).output
    assert output.dtype == dtype
    assert_close(output.double(), exact, rtol=0.05, atol=0.05)
    output.sum().backward()
    assert states.grad is not None
    assert states.grad.isfinite().all()


class Largest(TorchDispatchMode):
    """Remember the size of the largest tensor that any operation makes."""

    numel = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(each, Tensor) and each.numel():
                storage = each.untyped_storage().nbytes() // each.element_size()
                self.numel = max(self.numel, storage)
        return made


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("role", SELF)
def test_the_banded_kernel_makes_no_tensor_of_all_pairs(role: str, levels: int) -> None:
    attention, largest = make(role, 32, levels, "banded"), []
    for size in (512, 1024):
        states = draw(1, size, 8).requires_grad_()
        with Largest() as record:
            lengths = torch.tensor([size - 5])
            attention(states, states, over(size, role, lengths)).output.sum().backward()
        largest.append(record.numel)
    assert largest[1] < 2.6 * largest[0]  # all pairs grow fourfold
    assert largest[1] < 1024 * 1024 / 2


def test_counts_tell_real_keys_from_padding() -> None:
    layout = over(3, "encoder", torch.tensor([2, 0]))
    assert count(layout).tolist() == [[1, 1, 0], [0, 0, 0]]
    assert count(replace(layout, key_lengths=None)).tolist() == [[1, 1, 1]]


def test_the_choice_of_a_kernel_says_why() -> None:
    attention = make("encoder", 4)
    request = Request(device="cpu", num_keys=8)
    near = Choice("dense", "two blocks or fewer are near each other as a whole")
    assert attention.choose(request) == near
    far = Choice("banded", "its time and memory grow as n (b + n / b)")
    assert attention.choose(replace(request, num_keys=9)) == far
    for name in ("dense", "banded"):
        asked = attention.choose(replace(request, forced=name))
        assert asked == Choice(name, "asked for by name")


@pytest.mark.parametrize("kernel", ["fused", "blocked", "chunked", "flex"])
def test_kernels_that_it_has_not_are_refused(kernel: str) -> None:
    message = (
        f'attention.encoder.variant = "block-hierarchical" excludes attention.encoder.kernel = '
        f'"{kernel}": it has kernels of its own, dense and banded'
    )
    config = AttentionConfig(variant="block-hierarchical", kernel=kernel)
    with pytest.raises(ConfigError, match=message):
        AttentionSections(encoder=config)


@pytest.mark.parametrize("kernel", ["auto", "dense", "banded"])
def test_kernels_that_it_has_are_allowed(kernel: str) -> None:
    config = AttentionConfig(variant="block-hierarchical", kernel=kernel, block=16, levels=2)
    assert AttentionSections(encoder=config, decoder=config).decoder.kernel == kernel


@pytest.mark.parametrize("kernel", ["dense", "banded"])
def test_under_autocast_it_is_near_what_it_is_without(kernel: str) -> None:
    attention, states = make("decoder", 2, 2, kernel).float(), draw(2, 13, 8).float()
    exact = attention(states, states, over(13, "decoder")).output
    with torch.autocast("cpu", torch.bfloat16):
        output = attention(states, states, over(13, "decoder")).output
    assert_close(output.float(), exact, rtol=0.05, atol=0.05)


def test_it_remembers_no_other_sequence() -> None:
    with pytest.raises(NotImplementedError, match="is self-attention"):
        make("encoder", 2).remember(draw(1, 2, 8), torch.tensor([2]))
