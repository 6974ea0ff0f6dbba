"""The pyramid network and its pooling."""

from __future__ import annotations

import pytest
import torch

from napari_clickseg.networks.blocks import PyramidPooling
from napari_clickseg.networks.pyramid import PyramidNet


@pytest.mark.parametrize("stride", [4, 8])
def test_it_decides_at_the_stride_asked_for(stride: int):
    network = PyramidNet(3, stride=stride).eval()
    with torch.inference_mode():
        features = network.encoder(torch.zeros(1, 3, 64, 96), torch.zeros(1, 3, 64, 96))[-1]
    assert features.shape[-2:] == (64 // stride, 96 // stride)


def test_another_stride_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="stride 8 or 4, not 3"):
        PyramidNet(3, stride=3)


def test_pooling_keeps_the_map_and_puts_means_of_its_parts_beside_it():
    pooling = PyramidPooling(1, 1, grids=(1, 2))
    for branch in pooling.branches:
        torch.nn.init.ones_(branch[1].weight)
        torch.nn.init.zeros_(branch[1].bias)
    x = torch.tensor([[[[0.0, 0.0], [4.0, 8.0]]]])
    expected = torch.cat((x, torch.full_like(x, 3.0), x), dim=1)
    torch.testing.assert_close(pooling(x), expected)
