"""Linear attention as a mechanism: one mathematics in a full pass and in steps, in every role.

Width 8, two heads, three sentences.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.contract import Attended, Place
from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout
from nmt.attention.linear import LinearAttention
from nmt.attention.refusals import refuse
from nmt.attention.running import RunningSums
from nmt.errors import ConfigError

KINDS = ["linear", "favor", "random-feature"]
LENGTHS = torch.tensor([7, 3, 5])
HIDDEN = torch.arange(7) >= LENGTHS.unsqueeze(-1)


def make(variant: str, role: str, **settings: int | str) -> LinearAttention:
    """Build a mechanism in float64, every weight away from zero; equal for equal roles."""
    config = AttentionConfig(variant=variant, **settings)  # type: ignore[arg-type]
    refuse(role, config)
    torch.manual_seed(1)
    attention = LinearAttention(Place(role=role, model_size=8, num_heads=2), config).double()
    for weight in attention.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return attention.eval()


def states(*shape: int, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def attend(attention: LinearAttention, memory: Tensor, lengths: Tensor | None = None) -> Attended:
    """Let a memory attend to itself, or four other queries to the memory."""
    role, size = attention.place.role, memory.size(1)
    query = states(len(memory), 4, 8, seed=3).to(memory.dtype) if role == "cross" else memory
    layout = Layout(query.size(1), size, lengths, causal=role == "decoder")
    return attention(query, memory, layout)  # type: ignore[no-any-return]


def with_gradients(attention: LinearAttention, memory: Tensor) -> list[Tensor]:
    """Give the output and the gradients of the memory and of all weights."""
    memory = memory.clone().requires_grad_()
    output = attend(attention, memory, LENGTHS).output
    slopes = states(*output.shape, seed=4).to(output.dtype)
    operands = [memory, *attention.parameters()]
    return [output, *torch.autograd.grad(output, operands, slopes)]


@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("variant", KINDS)
def test_the_kernel_is_the_definition(variant: str, role: str, chunk: int) -> None:
    memory = states(3, 7, 8)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        mine = with_gradients(make(variant, role, chunk=chunk).to(dtype), memory.to(dtype))
        other = make(variant, role, kernel="dense").to(dtype)
        expected = with_gradients(other, memory.to(dtype))
        for one, two in zip(mine, expected, strict=True):
            assert_close(one, two, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("variant", KINDS)
def test_weights_are_products_of_features_over_their_sum(variant: str) -> None:
    attention, memory = make(variant, "encoder"), states(1, 5, 8)
    query, key, value = attention.query_key_value.heads(memory).values()
    products = attention.features.queries(query) @ attention.features.keys(key).mT
    weights = products / products.sum(-1, keepdim=True)
    expected = attention.output((weights @ value).transpose(1, 2).flatten(2))
    assert_close(attend(attention, memory).output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", ["auto", "dense"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("variant", KINDS)
def test_padding_changes_nothing(variant: str, role: str, kernel: str) -> None:
    attention, memory = make(variant, role, kernel=kernel, chunk=2), states(3, 7, 8)
    changed = memory.masked_fill(HIDDEN.unsqueeze(-1), 99.0).requires_grad_()
    before = attend(attention, memory, LENGTHS).output
    after = attend(attention, changed, LENGTHS).output
    real = torch.ones(3, 4, dtype=torch.bool) if role == "cross" else ~HIDDEN
    assert torch.equal(before[real], after[real])
    (gradient,) = torch.autograd.grad(after[real].square().sum(), changed)
    assert (gradient[HIDDEN] == 0).all()
    assert (gradient[~HIDDEN] != 0).all()
    query = 4 if role == "cross" else 3
    alone = attend(attention, memory[1:2, :3])
    if role != "cross":  # whose queries are drawn for the whole batch
        assert_close(alone.output, before[1:2, :query], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", ["auto", "dense"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("variant", KINDS)
def test_a_query_that_may_see_nothing_gets_nothing(variant: str, role: str, kernel: str) -> None:
    attention = make(variant, role, kernel=kernel)
    memory = states(3, 7, 8).requires_grad_()
    output = attend(attention, memory, torch.tensor([7, 0, 0])).output
    assert torch.equal(output[1:], attention.output.bias.expand_as(output[1:]))
    output.square().sum().backward()
    assert memory.grad is not None
    assert (memory.grad[1:] == 0).all()
    assert (memory.grad[0] != 0).all()
    assert all(weight.grad.isfinite().all() for weight in attention.parameters())  # type: ignore[union-attr]


@pytest.mark.parametrize("keep", [{}, {2: [2, 0]}, {1: [1, 2, 0], 3: [1]}], ids=str)
@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("variant", KINDS)
def test_steps_are_a_full_pass_over_each_history(
    variant: str, beam: int, keep: dict[int, list[int]]
) -> None:
    attention = make(variant, "decoder", chunk=2)
    random = torch.Generator().manual_seed(3)
    cache, sizes = attention.start(3, beam, 6), set()
    histories = torch.empty(3, beam, 0, 8, dtype=torch.float64)
    with torch.inference_mode():
        for number in range(6):
            if number in keep:
                kept = torch.tensor(keep[number])
                cache, histories = cache.select(kept), histories[kept]
            num_sentences = len(histories)
            parents = torch.randint(beam, (num_sentences, beam), generator=random)
            new = torch.randn(num_sentences, beam, 8, generator=random, dtype=torch.float64)
            past = histories[torch.arange(num_sentences).unsqueeze(-1), parents]
            histories = torch.cat((past, new.unsqueeze(2)), 2)
            attended = attention(new, new, step_layout(beam), cache=cache.reorder(parents))
            cache = attended.cache
            full = attend(attention, histories.flatten(0, 1)).output[:, -1]
            assert_close(attended.output.flatten(0, 1), full, rtol=1e-12, atol=1e-12)
            sizes.add(cache.num_bytes() / num_sentences)
    count = attention.features.num_features
    assert sizes == {beam * 2 * count * (4 + 1) * 8}  # heads, features, values, bytes


def step_layout(beam: int) -> Layout:
    """Describe a step; running sums need to know nothing of the past."""
    return Layout(num_queries=beam, num_keys=beam)


@pytest.mark.parametrize("variant", KINDS)
def test_a_remembered_memory_is_the_memory(variant: str) -> None:
    attention, memory, lengths = make(variant, "cross"), states(3, 7, 8), LENGTHS
    cache = attention.remember(memory, lengths)
    assert cache.num_bytes() == attention.remember(memory[:, :1], lengths).num_bytes()
    for kept in ([0, 1, 2], [2, 0], [1]):
        cache, lengths, memory = cache.select(torch.tensor(kept)), lengths[kept], memory[kept]
        assert cache.reorder(torch.zeros(len(kept), 4, dtype=torch.long)) is cache
        query = states(len(kept), 4, 8, seed=5)
        layout = Layout(num_queries=4, num_keys=7, key_lengths=lengths)
        attended = attention(query, None, layout, cache=cache)
        assert_close(
            attended.output, attention(query, memory, layout).output, rtol=1e-12, atol=1e-12
        )
        assert attended.cache is cache


@pytest.mark.parametrize("variant", KINDS)
def test_hypotheses_with_ancestry_and_no_cache_are_computed_by_definition(variant: str) -> None:
    attention, memory = make(variant, "decoder"), states(1, 4, 8)
    own = Layout(num_queries=4, num_keys=4, ancestry=torch.arange(4).view(1, 4, 1))
    output = attention(memory, memory, own).output
    alone = attend(attention, memory.view(4, 1, 8)).output
    assert_close(output.view(4, 1, 8), alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("variant", KINDS)
def test_the_shortest_lengths_are_no_exception(variant: str, role: str, size: int) -> None:
    memory = states(2, size, 8)
    outputs = [
        attend(make(variant, role, kernel=kernel), memory).output for kernel in ("auto", "dense")
    ]
    assert outputs[0].shape == (2, 4 if role == "cross" else size, 8)
    assert_close(*outputs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("variant", KINDS)
def test_bfloat16_stays_near_double(variant: str, role: str) -> None:
    memory = states(3, 7, 8)
    exact = with_gradients(make(variant, role), memory)
    half = with_gradients(make(variant, role).to(torch.bfloat16), memory.to(torch.bfloat16))
    assert half[0].dtype == torch.bfloat16
    assert all(each.isfinite().all() for each in half)
    assert_close(half[0].double(), exact[0], rtol=0.05, atol=0.1)


@pytest.mark.parametrize("role", ROLES)
def test_sums_run_in_float32_under_autocast(role: str) -> None:
    attention, memory = make("favor", role).float(), states(3, 7, 8).float()
    with torch.autocast("cpu", torch.bfloat16):
        output = attend(attention, memory, LENGTHS).output
        cache = attention.start(1, 1, 1)
        if role == "cross":
            sums = attention.remember(memory, LENGTHS).sums
        else:
            one = memory[:1, :1]
            stepped = attention(one, one, step_layout(1), cache=cache).cache
            assert isinstance(stepped, RunningSums)
            sums = stepped.sums
    assert sums.dtype == torch.float32
    assert output.dtype == torch.bfloat16
    exact = attend(attention, memory, LENGTHS).output
    assert_close(output.float(), exact, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("variant", KINDS)
@pytest.mark.parametrize("role", ROLES)
def test_the_gradient_is_that_of_finite_differences(variant: str, role: str) -> None:
    attention = make(variant, role, chunk=2)
    names = [name for name, _ in attention.named_parameters()]
    query = states(2, 3, 8, seed=6)
    memory = states(2, 5, 8).requires_grad_()
    layout = Layout(5, 5, torch.tensor([5, 3]), causal=role == "decoder")
    weights = [each.detach().clone().requires_grad_() for each in attention.parameters()]

    def output(memory: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        given = (query, memory, replace(layout, num_queries=3))
        if role != "cross":
            given = (memory, memory, layout)
        attended: Attended = torch.func.functional_call(attention, named, given)
        return attended.output

    assert torch.autograd.gradcheck(output, (memory, *weights), fast_mode=True)


@pytest.mark.parametrize("variant", KINDS)
def test_saved_weights_are_all_that_another_needs(variant: str, tmp_path: Path) -> None:
    attention, memory = make(variant, "encoder"), states(2, 5, 8)
    save_file(dict(attention.named_parameters()), tmp_path / "weights")
    torch.manual_seed(99)
    other = LinearAttention(attention.place, attention.config).double()
    other.load_state_dict(load_file(tmp_path / "weights"), strict=True)
    assert torch.equal(attend(other, memory).output, attend(attention, memory).output)


def test_there_are_no_weights_to_ask_for() -> None:
    attention, memory = make("linear", "encoder"), states(1, 3, 8)
    layout = Layout(num_queries=3, num_keys=3)
    assert not attention.gives_weights
    assert attention(memory, memory, layout, need_weights=True).weights is None


def test_the_choice_of_a_kernel_gives_its_reason() -> None:
    attention = make("linear", "encoder")
    request = Request(device="cpu", num_keys=9)
    assert attention.choose(request) == Choice("chunked", "in time and memory linear in the length")
    forced = replace(request, forced="dense")
    assert attention.choose(forced) == Choice("dense", "asked for by name")
    step = replace(forced, is_step=True)
    assert attention.choose(step) == Choice("chunked", "a step only adds to sums")


@pytest.mark.parametrize("kernel", ["fused", "banded", "blocked", "flex"])
@pytest.mark.parametrize("variant", [*KINDS, "average"])
def test_other_kernels_are_refused(variant: str, kernel: str) -> None:
    message = (
        f'decoder.kernel = "{kernel}" excludes .*variant = "{variant}": it is computed by sums'
    )
    with pytest.raises(ConfigError, match=message):
        refuse("decoder", AttentionConfig(variant=variant, kernel=kernel))


def test_an_odd_number_of_sines_and_cosines_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"decoder.num_features must be even .* not 7"):
        refuse("decoder", AttentionConfig(variant="random-feature", num_features=7))
    refuse("decoder", AttentionConfig(variant="favor", num_features=7))
