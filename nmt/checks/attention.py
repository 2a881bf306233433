"""What every mechanism of attention promises, each promise a function of a case that tries it.

A promise that is not kept raises an AssertionError that says what differs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from nmt.checks.arithmetic import (
    bfloat16_stays_near,
    the_gradient_is_that_of_finite_differences,
    the_kernel_is_the_definition,
    the_output_has_the_type_of_the_input,
    the_shortest_lines_work,
    what_it_tells_is_finite,
)
from nmt.checks.case import Case
from nmt.checks.sight import (
    a_line_alone_is_that_line_in_a_batch,
    every_key_has_influence,
    hidden_keys_have_no_influence,
    the_future_has_no_influence,
    who_sees_nothing_gets_nothing,
)
from nmt.checks.steps import a_remembered_memory_is_the_memory, steps_are_a_full_pass
from nmt.checks.weights import asking_for_weights_changes_nothing, weights_are_of_visible_keys

DEFINITION = frozenset({"dense"})
EVERY = frozenset({"dense", "fused", "banded", "blocked", "chunked"})  # flex needs a GPU
STEPWISE = EVERY - {"banded"}  # with nothing to cut, "blocked" leaves the choice of a kernel


@dataclass(frozen=True)
class Check:
    """A promise that is tried.

    Attributes:
        name: What is promised.
        run: What tries it, and raises where it is not kept.
        applies: Tells where it is promised.
        kernels: Those that could break it, each by itself.
    """

    name: str
    run: Callable[[Case], None]
    applies: Callable[[Case], bool] = lambda case: True
    kernels: frozenset[str] = DEFINITION


def is_decoder(case: Case) -> bool:
    """Tell whether it attends to its own past."""
    return case.role == "decoder"


@cache  # several checks ask it of a case
def gives_weights(case: Case) -> bool:
    """Tell whether there are weights to ask for."""
    return case.build().each[-1].gives_weights


CHECKS = (
    Check("the kernel is the definition, forward and backward", the_kernel_is_the_definition,
          lambda case: case.config.kernel != "dense", kernels=EVERY),
    Check("padding has no influence and no gradient", hidden_keys_have_no_influence,
          kernels=EVERY),
    Check("a line alone is that line in a batch", a_line_alone_is_that_line_in_a_batch,
          kernels=EVERY),
    Check("the future has no influence and no gradient", the_future_has_no_influence, is_decoder,
          kernels=EVERY),
    Check("every key that may be seen has influence", every_key_has_influence,
          lambda case: case.sees_all),
    Check("who sees nothing gets nothing", who_sees_nothing_gets_nothing, kernels=EVERY),
    Check("the shortest lines work", the_shortest_lines_work, kernels=EVERY),
    Check("decoding steps are a full pass over each history", steps_are_a_full_pass, is_decoder,
          kernels=STEPWISE),
    Check("a remembered memory is the memory", a_remembered_memory_is_the_memory,
          lambda case: case.is_cross, kernels=STEPWISE),
    Check("the gradient is that of finite differences",
          the_gradient_is_that_of_finite_differences),
    Check("bfloat16 stays near double precision", bfloat16_stays_near),
    Check("weights are of visible keys only", weights_are_of_visible_keys, gives_weights),
    Check("asking for weights changes nothing", asking_for_weights_changes_nothing, gives_weights,
          kernels=EVERY),
    Check("the output has the type of the input", the_output_has_the_type_of_the_input),
    Check("penalty and statistics are finite", what_it_tells_is_finite),
)  # fmt: skip  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a check went: `broken` says what is wrong, and is empty where nothing is."""

    check: str
    broken: str = ""


def outcomes(case: Case) -> Iterator[Outcome]:
    """Try all promises that a case makes; what fails in any way breaks its promise."""
    for check in CHECKS:
        if not check.applies(case):
            continue
        try:
            check.run(case)
        except AssertionError as error:
            yield Outcome(check.name, first_lines(error) or "an assertion failed")
        except Exception as error:  # of the mechanism, whatever it is
            yield Outcome(check.name, f"{type(error).__name__}: {first_lines(error)}")
        else:
            yield Outcome(check.name)


def first_lines(error: Exception) -> str:
    """Say what an error says, in one line."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    return "; ".join(lines[:4])
