"""The two-stream network: which stream sees what, and its options."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_clickseg.networks.two_stream import FAINTEST, TwoStreamNet

IMAGE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
CLICKS = torch.rand(1, 6, 64, 64, generator=torch.Generator().manual_seed(1))
EMPTY, FULL = torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)


def network(**options: Any) -> TwoStreamNet:
    torch.manual_seed(0)
    return TwoStreamNet(7, **options).eval()


def answer(net: TwoStreamNet, clicks: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return net(IMAGE, torch.cat((clicks, mask), dim=1))


def test_the_previous_mask_changes_the_answer():
    net = network()
    assert not torch.equal(answer(net, CLICKS, EMPTY), answer(net, CLICKS, FULL))


def test_the_image_stream_sees_the_clicks_but_not_the_previous_mask():
    net, seen = network(), []
    net.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    answer(net, CLICKS, FULL)
    ((image, clicks),) = seen
    torch.testing.assert_close(image, IMAGE, rtol=0, atol=0)
    torch.testing.assert_close(clicks, CLICKS, rtol=0, atol=0)


def test_without_interaction_stream_clicks_count_and_the_previous_mask_does_not():
    net = network(interaction=False)
    assert torch.equal(answer(net, CLICKS, EMPTY), answer(net, CLICKS, FULL))
    assert not torch.equal(answer(net, CLICKS, EMPTY), answer(net, 0 * CLICKS, EMPTY))


def test_the_filter_changes_the_matte_along_a_learned_guide():
    with_filter, without = network(guided=True), network(guided=False)
    with_filter.load_state_dict(without.state_dict())
    raw, filtered = answer(without, CLICKS, EMPTY), answer(with_filter, CLICKS, EMPTY)
    expected = with_filter.filter(with_filter.guide(IMAGE), torch.sigmoid(raw))
    torch.testing.assert_close(torch.sigmoid(filtered), expected.clamp(FAINTEST, 1 - FAINTEST))


@pytest.mark.parametrize("options", [{"interaction": False}, {}])
def test_each_option_leaves_no_weight_without_gradient(options: dict[str, bool]):
    net = network(**options).train()
    net(IMAGE, torch.cat((CLICKS, EMPTY), dim=1)).square().mean().backward()
    assert all(p.grad is not None and p.grad.count_nonzero() for p in net.parameters())


def test_a_finer_guide_gives_an_answer_of_its_size():
    net = network()
    fine = torch.nn.functional.interpolate(IMAGE, scale_factor=2)
    with torch.inference_mode():
        filtered = net.filtered(IMAGE, torch.zeros(1, 1, 64, 64), fine)
    assert filtered.shape == (1, 1, 128, 128)


def test_batches_of_training_leave_the_statistics_of_the_encoder_as_they_are():
    net = network().train()
    before = net.encoder.normalise.running_mean.clone()
    net(IMAGE, torch.cat((CLICKS, EMPTY), dim=1))
    torch.testing.assert_close(net.encoder.normalise.running_mean, before, rtol=0, atol=0)


def test_guidance_without_clicks_is_refused():
    with pytest.raises(ValueError, match=r"click maps and the previous mask.*1 channel"):
        TwoStreamNet(1)
