"""Average attention: a matrix of shares, a cumulative sum and a running sum say the same."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.average import AverageAttention, mean_by_matrix, mean_by_sum
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Place
from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout
from nmt.attention.refusals import refuse
from nmt.attention.running import RunningSums
from nmt.errors import ConfigError

CAUSAL = Layout(num_queries=7, num_keys=7, causal=True)
LENGTHS = torch.tensor([7, 0, 4])
LAYOUTS = {
    "causal": CAUSAL,
    "causal-blind": replace(CAUSAL, key_lengths=LENGTHS),
    "causal-offset": Layout(num_queries=3, num_keys=7, causal=True, offset=4),
    "causal-middle": Layout(num_queries=3, num_keys=7, causal=True, offset=2, key_lengths=LENGTHS),
    "free": Layout(num_queries=7, num_keys=7, key_lengths=LENGTHS),
    "all": Layout(num_queries=2, num_keys=7),
    "one": Layout(num_queries=1, num_keys=1, causal=True),
    "two": Layout(num_queries=2, num_keys=2, causal=True),
    "none": Layout(num_queries=0, num_keys=0, causal=True),
}


def states(*shape: int, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def make(kernel: str = "auto") -> AverageAttention:
    """Build a mechanism of width 8 in float64, every weight and bias away from zero."""
    torch.manual_seed(1)
    place = Place(role="decoder", model_size=8, num_heads=2)
    attention = AverageAttention(place, AttentionConfig(variant="average", kernel=kernel))
    for weight in attention.double().parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return attention.eval()


def attend(attention: AverageAttention, memory: Tensor) -> Tensor:
    size = memory.size(1)
    layout = Layout(num_queries=size, num_keys=size, causal=True)
    return attention(memory, memory, layout).output  # type: ignore[no-any-return]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_cumulative_sum_is_a_matrix_of_shares(layout: Layout) -> None:
    memory = states(3, layout.num_keys, 8).requires_grad_()
    outputs, gradients = [], []
    for mean in (mean_by_matrix, mean_by_sum):
        output = mean(memory, layout)
        assert output.shape == (3, layout.num_queries, 8)
        slopes = states(*output.shape, seed=3)
        outputs.append(output)
        gradients += torch.autograd.grad(output, memory, slopes)
    assert_close(*outputs, rtol=1e-12, atol=1e-12)
    assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_each_position_averages_itself_and_those_before() -> None:
    memory = states(2, 7, 8)
    shares = torch.ones(7, 7).double().tril() / torch.arange(1, 8).unsqueeze(-1)
    for mean in (mean_by_matrix, mean_by_sum):
        assert_close(mean(memory, CAUSAL), shares @ memory, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mean", [mean_by_matrix, mean_by_sum])
def test_a_mean_of_nothing_is_zero_and_has_no_gradient(mean: object) -> None:
    memory = states(3, 7, 8).requires_grad_()
    output = mean(memory, LAYOUTS["causal-blind"])  # type: ignore[operator]
    assert torch.equal(output[1], torch.zeros_like(output[1]))
    (gradient,) = torch.autograd.grad(output.sum(), memory)
    assert (gradient[1] == 0).all()
    assert (gradient[2, 4:] == 0).all()
    assert (gradient[0] != 0).all()


def test_the_output_is_the_papers() -> None:
    attention, memory = make(), states(2, 7, 8)
    mean = mean_by_matrix(memory, CAUSAL)
    past = attention.outer(attention.inner(mean).relu())
    gates = attention.gates(torch.cat((memory, past), -1)).sigmoid()
    expected = gates[..., :8] * memory + gates[..., 8:] * past
    assert_close(attend(attention, memory), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_the_kernel_is_the_definition(size: int) -> None:
    memory = states(2, size, 8)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        outputs = [
            attend(make(kernel).to(dtype), memory.to(dtype))
            for kernel in ("auto", "chunked", "dense")
        ]
        assert outputs[0].shape == (2, size, 8)
        assert_close(outputs[0], outputs[2], rtol=tolerance, atol=tolerance)
        assert torch.equal(outputs[0], outputs[1])


@pytest.mark.parametrize("keep", [{}, {2: [2, 0]}, {1: [1, 2, 0], 3: [1]}], ids=str)
@pytest.mark.parametrize("beam", [1, 3])
def test_steps_are_a_full_pass_over_each_history(beam: int, keep: dict[int, list[int]]) -> None:
    attention, random = make(), torch.Generator().manual_seed(3)
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
            layout = Layout(num_queries=beam, num_keys=beam)
            attended = attention(new, new, layout, cache=cache.reorder(parents))
            cache = attended.cache
            full = attend(attention, histories.flatten(0, 1))[:, -1]
            assert_close(attended.output.flatten(0, 1), full, rtol=1e-12, atol=1e-12)
            sizes.add(cache.num_bytes() / num_sentences)
    assert sizes == {beam * (8 + 1) * 8}


def test_a_decoder_does_not_see_the_future() -> None:
    attention, memory = make(), states(2, 7, 8)
    before = attend(attention, memory)
    for place in range(1, 7):
        changed = memory.clone()
        changed[:, place:] = -9.0
        after = attend(attention, changed)
        assert torch.equal(after[:, :place], before[:, :place])
        assert (after[:, place:] != before[:, place:]).all()


def test_bfloat16_stays_near_double_and_sums_in_float32() -> None:
    memory = states(3, 7, 8)
    exact = attend(make(), memory)
    attention = make().to(torch.bfloat16)
    half = attend(attention, memory.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert_close(half.double(), exact, rtol=0.05, atol=0.05)
    cache = attention.start(1, 1, 1)
    one = memory[:1, :1].to(torch.bfloat16)
    layout = Layout(num_queries=1, num_keys=1)
    stepped = attention(one, one, layout, cache=cache).cache
    assert isinstance(stepped, RunningSums)
    assert stepped.sums.dtype == torch.float32


def test_the_gradient_is_that_of_finite_differences() -> None:
    attention = make()
    names = [name for name, _ in attention.named_parameters()]
    weights = [each.detach().clone().requires_grad_() for each in attention.parameters()]
    layout = Layout(5, 5, torch.tensor([5, 3]), causal=True)

    def output(memory: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        attended: Attended = torch.func.functional_call(attention, named, (memory, memory, layout))
        return attended.output

    memory = states(2, 5, 8).requires_grad_()
    assert torch.autograd.gradcheck(output, (memory, *weights), fast_mode=True)


def test_it_stands_in_a_decoder_only() -> None:
    for role in ("encoder", "cross"):
        with pytest.raises(ConfigError, match="'average' serves decoder only"):
            refuse(role, AttentionConfig(variant="average"))
    refuse("decoder", AttentionConfig(variant="average"))
    assert AverageAttention.roles == {"decoder"}


def test_there_are_no_weights_and_the_choice_gives_its_reason() -> None:
    attention, memory = make(), states(1, 7, 8)
    assert not attention.gives_weights
    assert attention(memory, memory, CAUSAL, need_weights=True).weights is None
    request = Request(device="cpu", num_keys=9)
    assert attention.choose(request) == Choice("chunked", "one cumulative sum")
    forced = replace(request, forced="dense")
    assert attention.choose(forced) == Choice("dense", "asked for by name")
    step = replace(forced, is_step=True)
    assert attention.choose(step) == Choice("chunked", "a step only adds to a sum")


@pytest.mark.parametrize("mean", [mean_by_matrix, mean_by_sum])
def test_means_keep_float32_under_autocast(mean: Callable[[Tensor, Layout], Tensor]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert mean(states(2, 7, 8).float(), CAUSAL).dtype == torch.float32
