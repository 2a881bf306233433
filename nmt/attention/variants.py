"""The named variants of attention: one entry each, searchable, with the paper.

h query heads, g key/value heads, d head size, D model size, w window, b block, r features;
n, m numbers of queries and keys, t steps decoded, S source length.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALL = frozenset({"encoder", "decoder", "cross"})
SELF = frozenset({"encoder", "decoder"})
CROSS = frozenset({"cross"})
COMPOSED = ""  # of the choices in the settings
GROWS = "2(t+S)D"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A mechanism by name.

    Attributes:
        paper: Who described it, and where.
        formula: What it computes.
        settings: Where it departs from multi-head attention.
        tunable: Settings beside these that it reads.
        roles: Where it can stand.
        state: Numbers that a decoder keeps for each layer and hypothesis after t steps.
        cost: Operations of a full pass beyond the projections.
        obstacle: Why it cannot be exported to CTranslate2; empty where it can.
        mechanism: MODULE:CLASS of a mechanism of its own; empty for a composition.
    """

    paper: str
    formula: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tunable: tuple[str, ...] = ()
    roles: frozenset[str] = ALL
    state: str = GROWS
    cost: str = "n m D"
    obstacle: str = ""
    mechanism: str = COMPOSED


NOT_SOFTMAX = "CTranslate2 knows no normaliser but softmax"
NO_PATTERN = "CTranslate2 attends to all keys"
NO_SCORE = "CTranslate2 knows no score but products"
NO_CLASS = "CTranslate2 has no such mechanism"
LUONG = "Luong et al. (2015), arXiv:1508.04025"
LONGFORMER = "Beltagy et al. (2020), arXiv:2004.05150"

VARIANTS: dict[str, Variant] = {
    "multi-head": Variant(
        paper="Vaswani et al. (2017), arXiv:1706.03762",
        formula="softmax(Q K' / sqrt(d)) V, concatenated over heads, times W_O",
    ),
    "dot": Variant(paper=LUONG, formula="e_ij = q_i . k_j", settings={"score": "dot"}),
    "general": Variant(
        paper=LUONG,
        formula="e_ij = q_i' W_h k_j, a matrix for each head",
        settings={"score": "general"},
    ),
    "general-shared": Variant(
        paper=LUONG,
        formula="e_ij = q_i' W k_j, one matrix for all heads",
        settings={"score": "general-shared"},
    ),
    "additive": Variant(
        paper="Bahdanau et al. (2015), arXiv:1409.0473",
        formula="e_ij = u_h' tanh(W q_i + U k_j + b)",
        settings={"score": "additive"},
        cost="n m D, a tanh each",
        obstacle=NO_SCORE,
    ),
    "cosine": Variant(
        paper="Henry et al. (2020), arXiv:2010.04245",
        formula="e_ij = c_h cos(q_i, k_j), c learned for each head",
        settings={"score": "cosine"},
        obstacle="CTranslate2 has one scale for all heads",
    ),
    "bucketed": Variant(
        paper="Raffel et al. (2020), arXiv:1910.10683",
        formula="e_ij = q_i . k_j / sqrt(d) + b_h[bucket(j - i)]",
        settings={"positions": "bucketed"},
        tunable=("buckets", "max_distance"),
        roles=SELF,
    ),
    "shaw": Variant(
        paper="Shaw et al. (2018), arXiv:1803.02155",
        formula="e_ij = q_i . (k_j + a[clip(j - i)]) / sqrt(d); out_i = sum_j w_ij (v_j + c[clip])",
        settings={"positions": "shaw", "max_distance": 16},
        roles=SELF,
    ),
    "alibi": Variant(
        paper="Press et al. (2022), arXiv:2108.12409",
        formula="e_ij = q_i . k_j / sqrt(d) - s_h |i - j|",
        settings={"positions": "alibi"},
        roles=SELF,
    ),
    "rotary": Variant(
        paper="Su et al. (2021), arXiv:2104.09864",
        formula="e_ij = (R_i q_i) . (R_j k_j) / sqrt(d)",
        settings={"positions": "rotary"},
        roles=SELF,
    ),
    "mqa": Variant(
        paper="Shazeer (2019), arXiv:1911.02150",
        formula="as multi-head, all query heads on one head of keys and values",
        settings={"key_value_heads": 1},
        state="2(t+S)d",
    ),
    "gqa": Variant(
        paper="Ainslie et al. (2023), arXiv:2305.13245",
        formula="as multi-head, query head a on key/value head floor(a g / h)",
        settings={"key_value_heads": 2},
        state="2(t+S)gd",
    ),
    "tied-qk": Variant(
        paper="Kitaev et al. (2020), arXiv:2001.04451, section 2",
        formula="as multi-head with W_Q = W_K",
        settings={"tied": "query-key"},
    ),
    "tied-kv": Variant(
        paper="Shared key-value projections; compare Shazeer (2019), arXiv:1911.02150",
        formula="as multi-head with W_K = W_V",
        settings={"tied": "key-value"},
        state="(t+S)D",
    ),
    "shared-kv": Variant(
        paper="Brandon et al. (2024), arXiv:2405.12981",
        formula="as multi-head; a block of layers uses the keys and values of its first",
        settings={"share": "key-value"},
        tunable=("share_block",),
        state="2(t+S)D / block",
    ),
    "shared-weights": Variant(
        paper="Xiao et al. (2019), arXiv:1906.11024",
        formula="as multi-head; layers of a block use the weights (cross: context) of its first",
        settings={"share": "weights"},
        tunable=("share_block",),
        state="tD + (t+2S)D / block",
        cost="n m D, scores once a block",
        obstacle="CTranslate2 computes weights in every layer",
    ),
    "talking-heads": Variant(
        paper="Shazeer et al. (2020), arXiv:2003.02436",
        formula="softmax over mixed heads, mixed again: P_b = sum_a M_ab softmax(sum_c L_ca e_c)",
        settings={"talking": True},
        cost="n m (D + h h)",
        obstacle=NO_CLASS,
    ),
    "sparsemax": Variant(
        paper="Martins and Astudillo (2016), arXiv:1602.02068",
        formula="w = max(e - tau, 0), tau such that they sum to one",
        settings={"normaliser": "sparsemax"},
        cost="n m D + 5 n m h",
        obstacle=NOT_SOFTMAX,
    ),
    "entmax": Variant(
        paper="Peters et al. (2019), arXiv:1905.05702",
        formula="w = max(e / 2 - tau, 0)^2, tau such that they sum to one",
        settings={"normaliser": "entmax"},
        cost="n m D + 5 n m h",
        obstacle=NOT_SOFTMAX,
    ),
    "adaptive-alpha": Variant(
        paper="Correia et al. (2019), arXiv:1909.00015",
        formula="alpha-entmax, alpha_h = 1 + sigmoid(a_h) learned",
        settings={"normaliser": "alpha"},
        cost="n m D + 10 n m h",
        obstacle=NOT_SOFTMAX,
    ),
    "top-k": Variant(
        paper="Zhao et al. (2019), arXiv:1912.11637",
        formula="softmax over the k largest scores; all that tie with the k-th stay",
        settings={"normaliser": "top-k"},
        tunable=("top_k",),
        cost="n m D + n m log k",
        obstacle=NOT_SOFTMAX,
    ),
    "sink": Variant(
        paper="Xiao et al. (2024), arXiv:2309.17453; OpenAI (2025), arXiv:2508.10925",
        formula="w_j = exp e_j / (exp b_h + sum exp e), b learned",
        settings={"normaliser": "sink"},
        obstacle=NOT_SOFTMAX,
    ),
    "window": Variant(
        paper=LONGFORMER,
        formula="as multi-head over keys with |i - j| <= w",
        settings={"pattern": "window"},
        tunable=("window", "dilation", "global_tokens"),
        roles=SELF,
        state="2(w+1)D",
        cost="n w D",
        obstacle=NO_PATTERN,
    ),
    "dilated": Variant(
        paper="Child et al. (2019), arXiv:1904.10509",
        formula="as multi-head over keys with |i - j| <= w delta, (i - j) mod delta = 0",
        settings={"pattern": "window", "dilation": 2, "window": 32},
        tunable=("global_tokens",),
        roles=SELF,
        state="2(w delta+1)D",
        cost="n w D",
        obstacle=NO_PATTERN,
    ),
    "window-global": Variant(
        paper=LONGFORMER,
        formula="as window, and the first positions see all and are seen by all",
        settings={"pattern": "window", "global_tokens": 1},
        tunable=("window", "dilation"),
        roles=SELF,
        state="2(w+1+globals)D",
        cost="n (w + globals) D",
        obstacle=NO_PATTERN,
    ),
    "sentence-local": Variant(
        paper="Bao et al. (2021), arXiv:2105.14761",
        formula="as multi-head over the keys of the query's own sentence within its line",
        settings={"pattern": "sentence"},
        cost="n s D, s the longest sentence",
        obstacle=NO_PATTERN,
    ),
    "local-m": Variant(
        paper=LUONG,
        formula="as multi-head over source keys with |i - j| <= w",
        settings={"pattern": "local-m", "window": 10},
        roles=CROSS,
        state="2SD",
        cost="n w D",
        obstacle=NO_PATTERN,
    ),
    "local-p": Variant(
        paper=LUONG,
        formula="e_ij - (j - p_i)^2 / 2 sigma^2 where |j - p_i| <= w; "
        "p_i = S sigmoid(u' tanh(W q_i))",
        settings={"pattern": "local-p", "window": 10},
        roles=CROSS,
        state="2SD",
        obstacle=NO_PATTERN,
    ),
    "adaptive-span": Variant(
        paper="Sukhbaatar et al. (2019), arXiv:1905.07799",
        formula="w_ij ~ clamp((R + z_h - |i - j|) / R, 0, 1) exp e_ij, z learned",
        settings={"pattern": "span", "window": 256},
        tunable=("span_ramp", "penalty"),
        roles=SELF,
        state="2 (span+R) D",
        cost="n span D",
        obstacle=NO_PATTERN,
    ),
    "gated-heads": Variant(
        paper="Voita et al. (2019), arXiv:1905.09418",
        formula="as multi-head, each head times a hard-concrete gate; closed heads can be pruned",
        settings={"gates": True},
        tunable=("penalty", "heads"),
    ),
    "gated-context": Variant(
        paper="Lu et al. (2017), arXiv:1612.01887 (sentinel); Tu et al. (2017), arXiv:1608.06043",
        formula="c'_i = beta c_i + (1 - beta) s_h, beta = sigmoid(u . [q_i; c_i] + b)",
        settings={"context_gate": True},
        obstacle=NO_CLASS,
    ),
    "block-hierarchical": Variant(
        paper="Yang et al. (2016), N16-1174; Zhu and Soricut (2021), arXiv:2107.11906",
        formula="softmax over keys of near blocks and a summary of each far one, e_ij + log n_j",
        tunable=("block", "levels"),
        roles=SELF,
        state="2 (2b + t/b) D",
        cost="n (b + n/b) D",
        obstacle=NO_CLASS,
        mechanism="nmt.attention.block_hierarchical:BlockHierarchicalAttention",
    ),
    "linear": Variant(
        paper="Katharopoulos et al. (2020), arXiv:2006.16236",
        formula="phi(q_i)' sum_j phi(k_j) v_j' / phi(q_i)' sum_j phi(k_j), phi(x) = elu(x) + 1",
        tunable=("chunk",),
        state="h d (d+1)",
        cost="n d D",
        obstacle=NO_CLASS,
        mechanism="nmt.attention.linear:LinearAttention",
    ),
    "favor": Variant(
        paper="Choromanski et al. (2021), arXiv:2009.14794",
        formula="as linear, phi(x) = exp(W x - |x|^2 / 2) / sqrt(r), W orthogonal",
        settings={"features": "favor"},
        tunable=("chunk", "num_features"),
        state="h r (d+1)",
        cost="n r D",
        obstacle=NO_CLASS,
        mechanism="nmt.attention.linear:LinearAttention",
    ),
    "random-feature": Variant(
        paper="Peng et al. (2021), arXiv:2103.02143",
        formula="as linear, phi(x) = [sin W x; cos W x] / sqrt(r) of unit q and k",
        settings={"features": "random"},
        tunable=("chunk", "num_features"),
        state="h r (d+1)",
        cost="n r D",
        obstacle=NO_CLASS,
        mechanism="nmt.attention.linear:LinearAttention",
    ),
    "average": Variant(
        paper="Zhang et al. (2018), arXiv:1805.00631",
        formula="g_j = FFN(mean of y_1..y_j); [i; f] = sigmoid(W [y_j; g_j]); i y_j + f g_j",
        roles=frozenset({"decoder"}),
        state="D",
        cost="n D D",
        obstacle=NO_CLASS,
        mechanism="nmt.attention.average:AverageAttention",
    ),
}  # fmt: skip
