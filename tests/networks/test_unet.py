"""The ordinary U-Net: shapes, sizes, and that it is what a lab's own network is."""

from __future__ import annotations

import pytest
import torch

from napari_clickseg.networks.unet import UNet


@pytest.mark.parametrize(("depth", "side"), [(1, 6), (2, 12), (4, 48)])
def test_answer_has_the_size_of_the_image_where_the_sides_fit_the_depth(depth: int, side: int):
    network = UNet(channels=2, outputs=4, width=8, depth=depth).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 2, side, side + 2**depth)).shape == (2, 4, side, side + 2**depth)


def test_maps_get_no_wider_than_asked():
    network = UNet(width=8, depth=4, widest=24)
    widths = {module.out_channels for module in network.modules() if isinstance(module, torch.nn.Conv2d)}
    assert widths == {8, 16, 24, 3}


def test_the_usual_size_stays_below_a_million_and_a_half_parameters():
    assert sum(weights.numel() for weights in UNet().parameters()) == 1_226_339


def test_every_weight_is_reached_by_the_gradient():
    network = UNet(width=8, depth=2)
    network(torch.rand(2, 3, 16, 16)).square().sum().backward()
    assert all(weights.grad is not None and weights.grad.abs().sum() > 0 for weights in network.parameters())


def test_the_layer_named_for_refinement_is_there():
    assert UNet().get_submodule(UNet.refined_layer)


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"depth": 0}, {"outputs": -1}])
def test_sizes_that_are_no_network_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="at least one channel, output and halving"):
        UNet(**wrong)
