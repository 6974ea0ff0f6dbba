"""Networks: shapes, sizes, gradients, and the two streams of ClickNet."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_clickseg.networks.blocks import ClickedNetwork
from napari_clickseg.networks.catalogue import NETWORKS, build_network
from napari_clickseg.networks.clicknet import ClickNet

ANSWERS = {"coarse_fine": 2, "deeplab": 1, "hrnet18s": 2, "pyramid": 1, "two_stream": 1}
"""How many logits each published network gives per pixel."""
MILLIONS = {
    "clicknet": 4.9,
    "coarse_fine": 2.3,
    "deeplab": 1.1,
    "hrnet18s": 4.3,
    "lite_clicknet": 4.2,
    "pyramid": 1.2,
    "two_stream": 1.7,
}


def published(name: str, guidance: int = 3) -> ClickedNetwork:
    torch.manual_seed(0)
    network = build_network(name, {"guidance": guidance})
    assert isinstance(network, ClickedNetwork)
    return network.to(memory_format=torch.channels_last)


def question(batch: int, sides: tuple[int, int], guidance: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy images of a bright square, and noise for guidance."""
    generator = torch.Generator().manual_seed(1)
    image = square(sides) + 0.5 * torch.randn(batch, 3, *sides, generator=generator)
    return image, torch.rand(batch, guidance, *sides, generator=generator)


def square(sides: tuple[int, int]) -> torch.Tensor:
    target = torch.zeros(1, 1, *sides)
    target[..., 16:48, 16:48] = 1
    return target


def loss_of(outputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    target = square((64, 64)).expand_as(outputs[0])
    return torch.stack([functional.binary_cross_entropy_with_logits(x.float(), target) for x in outputs]).sum()


def silent(network: nn.Module) -> list[str]:
    """Names of the weights that no gradient reaches."""
    return [name for name, p in network.named_parameters() if p.grad is None or not p.grad.count_nonzero()]


@pytest.mark.parametrize("sides", [(64, 96), (96, 160), (128, 128)])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_network_answers_with_one_logit_per_pixel(name: str, sides: tuple[int, int]):
    network = build_network(name, {"guidance": 6}).eval()
    with torch.inference_mode():
        assert network(*question(1, sides, 6)).shape == (1, 1, *sides)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_network_is_as_compact_as_was_said(name: str):
    count = sum(p.numel() for p in build_network(name, {"guidance": 6}).parameters())
    assert 0.9 * MILLIONS[name] <= count / 1e6 <= MILLIONS[name]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_first_of_all_outputs_is_the_answer_and_all_have_the_size_of_the_image(name: str):
    network, asked = published(name).eval(), question(2, (64, 96))
    with torch.inference_mode():
        outputs = network.outputs(*asked)
        torch.testing.assert_close(network(*asked), outputs[0], rtol=0, atol=0)
    assert [x.shape for x in outputs] == [(2, 1, 64, 96)] * ANSWERS[name]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_clicks_change_the_answer(name: str):
    network, (image, guidance) = published(name).eval(), question(1, (64, 64))
    with torch.inference_mode():
        assert not torch.equal(network(image, guidance), network(image, torch.zeros_like(guidance)))


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_every_weight_is_reached_by_the_gradient(name: str):
    network, (image, guidance) = published(name).train(), question(2, (64, 64))
    loss_of(network.outputs(image, guidance)).backward()
    assert silent(network) == []


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_training_in_half_precision_lowers_the_loss(name: str):
    network, (image, guidance) = published(name).train(), question(4, (64, 64))
    image, guidance = (x.contiguous(memory_format=torch.channels_last) for x in (image, guidance))
    optimiser, losses = torch.optim.AdamW(network.parameters(), 1e-3), []
    for _ in range(5):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network.outputs(image, guidance)
        loss = loss_of(outputs)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert torch.tensor(losses).isfinite().all()
    assert losses[-1] < losses[0]


def test_a_batch_of_one_can_be_trained_on():
    for name in sorted(ANSWERS):
        image, guidance = question(1, (64, 64))
        assert published(name).train()(image, guidance).isfinite().all()


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
