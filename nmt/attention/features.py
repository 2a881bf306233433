"""Feature maps: weights of attention as products of what queries and keys are mapped to.

B batch, H heads, n positions, K head size, R features.
"""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.contract import Place

EXPONENT = 60.0  # e^60 times a sum over any length still is a number in float32, as is e^-60
LEAST_ELU = -40.0  # the square of e^-40 is a number in float32
LEAST_RANDOM = 0.1  # below the least true weight of one key at scale 1, which is e^-2


class FeatureMap(nn.Module, ABC):
    """Map queries and keys, (B, H, n, K) in at least float32, to (B, H, n, R).

    The weight of a key is the product of its features with the query's, divided by the sum of
    these products. So the features of a query may have any factor of their own; those of the
    keys must share theirs, with keys that are yet to come as well.

    Attributes:
        num_features: R.
        least: The smallest magnitude that the sum is let have; 0 where it cannot come near.
    """

    num_features: int
    least: float = 0.0

    @abstractmethod
    def queries(self, x: Tensor) -> Tensor:
        """Map queries."""

    @abstractmethod
    def keys(self, x: Tensor) -> Tensor:
        """Map keys."""


class Elu(FeatureMap):
    """elu(x) + 1, which is e^x below zero and 1 + x above.

    Source: Katharopoulos et al. (2020), https://arxiv.org/abs/2006.16236, equation 7.
    """

    def __init__(self, head_size: int) -> None:
        super().__init__()
        self.num_features = head_size

    def queries(self, x: Tensor) -> Tensor:
        """Map queries."""
        # Adding 1 to what elu returns would lose all digits far below zero.
        return torch.where(x > 0, x + 1, x.clamp(LEAST_ELU, 0.0).exp())

    def keys(self, x: Tensor) -> Tensor:
        """Map keys."""
        return self.queries(x)


class Favor(FeatureMap):
    """exp(W x - |x|^2 / 2), whose products are e^(q.k / sqrt(K)) in expectation.

    A query's exponents lose their largest and |x|^2 / 2, a factor of the query that cancels. A
    key's exponent needs no such factor, which would have to know the keys to come: it is
    (|w|^2 - |k - w|^2) / 2, at most |w|^2 / 2, about K / 2. Beyond `EXPONENT`, which only heads
    larger than some 64 can reach, and below its negative, which a key of great norm does in all
    features alike, it is held; such a key keeps a small and even weight instead of none.

    Source: Choromanski et al. (2021), https://arxiv.org/abs/2009.14794, sections 2.3 and
    2.4; its code takes off the largest exponent of all keys, and adds a constant to features.
    """

    directions: Tensor

    def __init__(self, directions: Tensor) -> None:
        super().__init__()
        self.num_features = directions.size(1)
        self.register_buffer("directions", directions, persistent=False)

    def queries(self, x: Tensor) -> Tensor:
        """Map queries."""
        exponents = projected(x * x.size(-1) ** -0.25, self.directions)
        return (exponents - exponents.amax(-1, keepdim=True).detach()).exp()

    def keys(self, x: Tensor) -> Tensor:
        """Map keys."""
        x = x * x.size(-1) ** -0.25
        exponents = projected(x, self.directions) - x.square().sum(-1, keepdim=True) / 2
        return exponents.clamp(-EXPONENT, EXPONENT).exp()


class RandomFourier(FeatureMap):
    """[sin W x; cos W x] / sqrt(R / 2) of unit vectors, a random estimate of a Gaussian kernel.

    Its products are e^(s^2 (cos(q, k) - 1)) in expectation, a softmax of cosines, where s is a
    scale that each head learns. An estimate can be negative or zero, hence `least`.

    Source: Peng et al. (2021), https://arxiv.org/abs/2103.02143, section 3.1, without its gate;
    there each coordinate has a scale, and the rows of W are not orthogonal.
    """

    directions: Tensor
    least = LEAST_RANDOM

    def __init__(self, directions: Tensor) -> None:
        super().__init__()
        self.num_features = 2 * directions.size(1)
        self.register_buffer("directions", directions, persistent=False)
        self.scale = nn.Parameter(torch.ones(directions.size(0)))  # (H,)

    def queries(self, x: Tensor) -> Tensor:
        """Map queries."""
        unit = F.normalize(x, dim=-1) * self.scale.to(x.dtype).view(-1, 1, 1)
        angles = projected(unit, self.directions)
        both = torch.cat((angles.sin(), angles.cos()), dim=-1)
        return both / math.sqrt(self.directions.size(1))

    def keys(self, x: Tensor) -> Tensor:
        """Map keys."""
        return self.queries(x)


def projected(x: Tensor, directions: Tensor) -> Tensor:
    """Take products of (B, H, n, K) with (H, rows, K), as (B, H, n, rows)."""
    return x @ directions.to(x.dtype).mT


def orthogonal_gaussian(num_heads: int, rows: int, size: int, seed: list[int]) -> Tensor:
    """Draw Gaussian vectors that are orthogonal in blocks of `size`, (num_heads, rows, size).

    They belong to no file of weights, so they must be the same wherever a model is loaded:
    NumPy has frozen the stream of `RandomState`, PyTorch promises nothing about its own.

    Source: Yu et al. (2016), https://arxiv.org/abs/1610.09072, section 3.
    """
    random = np.random.RandomState(seed)
    blocks = -(-rows // size)
    bases, rest = np.linalg.qr(random.standard_normal((num_heads, blocks, size, size)))
    # Householder's signs are not random: uncorrected, directions would have a preference.
    bases *= np.sign(np.diagonal(rest, axis1=-2, axis2=-1))[..., None, :]
    lengths = np.linalg.norm(random.standard_normal((num_heads, rows, size)), axis=-1)
    drawn = bases.reshape(num_heads, blocks * size, size)[:, :rows] * lengths[..., None]
    return torch.from_numpy(drawn).float()


def make_features(place: Place, config: AttentionConfig) -> FeatureMap:
    """Make the feature map of one place; its random vectors depend on nothing but the place."""
    if config.features == "elu":
        return Elu(place.head_size)
    count = config.num_features or 2 * place.head_size
    seed = [ROLES.index(place.role), place.layer]
    rows = count if config.features == "favor" else count // 2
    directions = orthogonal_gaussian(place.num_heads, rows, place.head_size, seed)
    return Favor(directions) if config.features == "favor" else RandomFourier(directions)
