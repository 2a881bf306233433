"""The choice of a kernel: one explicit function that can say why."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a kernel.

    Attributes:
        device: "cpu" or "cuda".
        num_queries, num_keys: The longest in the batch.
        needs_weights: Whether the weights themselves are wanted.
        needs_gradient: Whether a backward pass follows.
        is_step: Whether the queries are hypotheses in a decoding step.
        dropout: Share of the weights dropped.
        forced: "auto", or the name of a kernel.
    """

    device: str
    num_keys: int
    num_queries: int = 0
    needs_weights: bool = False
    needs_gradient: bool = False
    is_step: bool = False
    dropout: float = 0.0
    forced: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What a composition allows a kernel to be.

    Attributes:
        unfused: Why its weights must be seen; empty where the fused kernel will do.
        reach: Furthest key on one side that is seen, where that is bounded.
        by_sentence: Whether only keys of the same sentence are seen.
        shares_weights: Whether other layers use its weights.
    """

    unfused: str = ""
    reach: int | None = None
    by_sentence: bool = False
    shares_weights: bool = False

    @property
    def has_band(self) -> bool:
        """Tell whether most pairs of a long sequence are hidden."""
        return self.reach is not None or self.by_sentence


@dataclass(frozen=True)
class Choice:
    """A kernel's name and the reason for it."""

    kernel: str
    reason: str


FUSED_BACKWARD_PAYS_FROM = 256  # keys; below, its backward on a CPU loses to plain products
BAND_PAYS_FROM = 4  # times the reach; below, the band is most of all pairs
BLOCKS_PAY_FROM = 512 * 512  # pairs; above, weights are recomputed rather than kept


def choose(can: Abilities, request: Request) -> Choice:
    """Choose the fastest kernel that computes what is asked for."""
    if request.needs_weights:
        return Choice("dense", "the weights themselves are wanted")
    if can.shares_weights:
        return Choice("dense", "other layers use its weights")
    if request.is_step:
        return choose_for_step(can, request)
    if why := unfit(request):
        other = choose(can, replace(request, forced="auto"))
        return Choice(other.kernel, f"{why}; {other.reason}")
    if request.forced != "auto":
        return Choice(request.forced, "asked for by name")
    is_long = request.num_keys > max(BAND_PAYS_FROM * (can.reach or 0), 256)
    if can.has_band and is_long and request.num_queries > 1:
        if request.device == "cuda" and not can.unfused and not request.dropout:
            return Choice("flex", "skips the blocks outside the band on cuda")
        return Choice("banded", "the band is a small part of all pairs")
    reason = can.unfused or ("dropout on weights needs the weights" if request.dropout else "")
    if reason:
        return choose_unfused(reason, request)
    return choose_fused(request)


def unfit(request: Request) -> str:
    """Say why the kernel asked for by name cannot serve a request; nothing where it can."""
    if request.forced == "flex" and request.device != "cuda":
        return "flex attention needs cuda"
    if request.forced == "banded" and request.num_queries == 1:
        return "one query makes no band"
    return ""


def choose_for_step(can: Abilities, request: Request) -> Choice:
    """Choose for single queries, where there is nothing to cut into blocks."""
    if request.forced == "dense":
        return Choice("dense", "asked for by name")
    if can.unfused:
        return Choice("dense", can.unfused)
    if request.device == "cpu" and request.forced != "fused":
        return Choice("stepped", "few queries to a sentence on a CPU")
    return Choice("fused", "a step of products and a softmax")


def choose_unfused(reason: str, request: Request) -> Choice:
    """Choose where the weights must be seen."""
    if request.num_queries * request.num_keys > BLOCKS_PAY_FROM:
        return Choice("blocked", f"{reason}; too many pairs to keep")
    return Choice("dense", reason)


def choose_fused(request: Request) -> Choice:
    """Choose where the fused kernel will do."""
    if request.device != "cpu":
        return Choice("fused", f"the fastest on {request.device}")
    if request.needs_gradient and request.num_keys < FUSED_BACKWARD_PAYS_FROM:
        return Choice("dense", "plain products are faster backward at sentence length on a CPU")
    return Choice("fused", "the fastest on a CPU, in memory linear in the length")
