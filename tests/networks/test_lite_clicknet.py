"""LiteClickNet: shapes, one encoding for many clicks, a quality that sees the mask, and its size."""

from __future__ import annotations

import pytest
import torch

from napari_clickseg.networks.catalogue import build_network
from napari_clickseg.networks.lite_clicknet import DENSE, LiteClickNet


@pytest.fixture
def network() -> LiteClickNet:
    torch.manual_seed(0)
    return LiteClickNet(guidance=7).eval().requires_grad_(False)


def test_answers_have_the_windows_size_and_one_quality_each(network) -> None:
    features = network.encode(torch.randn(2, 3, 64, 96))
    logits, quality = network.answer(features, torch.randn(2, 7, 64, 96))
    assert (logits.shape, quality.shape) == ((2, 1, 64, 96), (2, 1))
    assert network.dense(features).shape == (2, len(DENSE), 32, 48)
    assert torch.equal(network.centres(features), network.dense(features)[:, :1])


def test_forward_is_encoding_and_then_decoding(network) -> None:
    image, guidance = torch.randn(1, 3, 64, 64), torch.randn(1, 7, 64, 64)
    assert torch.equal(network(image, guidance), network.decode(network.encode(image), guidance))


def test_quality_carries_no_gradient_through_the_mask_that_it_judges(network) -> None:
    guidance = torch.randn(1, 7, 64, 64)
    network.click_stream.leave.weight.requires_grad_(True)
    _, quality = network.answer(network.encode(torch.randn(1, 3, 64, 64)), guidance)
    assert not quality.requires_grad


def test_it_has_at_most_six_million_parameters() -> None:
    network = build_network("lite_clicknet", {"guidance": 7})
    assert 4_000_000 < sum(weight.numel() for weight in network.parameters()) < 6_000_000
