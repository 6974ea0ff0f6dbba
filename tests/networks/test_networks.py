"""Networks: shapes, sizes, and the two streams of ClickNet."""

from __future__ import annotations

import pytest
import torch

from napari_clickseg.networks.catalogue import NETWORKS, build_network
from napari_clickseg.networks.clicknet import ClickNet


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_network_answers_with_one_logit_per_pixel(name: str):
    network = build_network(name, {"guidance": 6}).eval()
    with torch.inference_mode():
        assert network(torch.randn(1, 3, 64, 96), torch.rand(1, 6, 64, 96)).shape == (1, 1, 64, 96)


@pytest.mark.parametrize(("name", "millions"), [("clicknet", 6.0), ("hrnet18s", 4.3)])
def test_network_is_compact(name: str, millions: float):
    count = sum(p.numel() for p in build_network(name, {"guidance": 6}).parameters())
    assert count <= millions * 1e6


def test_clicks_do_not_touch_the_image_stream():
    torch.manual_seed(0)
    network = ClickNet(2).eval()
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        features = network.encode(image)
        for guidance in (torch.zeros(1, 2, 32, 32), torch.rand(1, 2, 32, 32)):
            torch.testing.assert_close(network.decode(features, guidance), network(image, guidance))


def test_unknown_network_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="clicknet"):
        build_network("abacus", {})
