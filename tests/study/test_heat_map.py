"""Pictures of attention have bounds."""

import pytest
import torch

from nmt.errors import ConfigError
from nmt.model.weights import Weighed
from nmt.study.heat_map import heat_maps
from nmt.study.sight import Sight


def test_a_picture_that_cannot_be_drawn_is_refused_with_what_can_be_done() -> None:
    pytest.importorskip("matplotlib")
    layers = [Weighed("encoder", layer, torch.ones(1, 2, 900, 900)) for layer in range(3)]
    sight = Sight(["a"] * 900, ["b"], layers)
    with pytest.raises(ConfigError, match="too large a picture; choose by --roles, --layer and"):
        heat_maps(sight, "png")
