"""The encoder behind clicks: strides, dilation, and the weights of a default model that it begins with."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_clickseg.networks import clicked_encoder
from napari_clickseg.networks.clicked_encoder import (
    ENCODER,
    WIDTHS,
    ClickedEncoder,
    joined_entry,
    pretrained_parameters,
)
from napari_clickseg.networks.encoder import EfficientNetLite0


@pytest.mark.parametrize(("stride", "strides"), [(16, (2, 4, 8, 16)), (8, (2, 4, 8, 8)), (4, (2, 4, 4, 4))])
def test_the_coarsest_map_is_at_the_stride_asked_for(stride: int, strides: tuple[int, ...]):
    maps = ClickedEncoder(joined_entry(2), stride).eval()(torch.zeros(1, 3, 64, 96), torch.zeros(1, 2, 64, 96))
    assert [x.shape[1:] for x in maps] == [(w, 64 // s, 96 // s) for w, s in zip(WIDTHS, strides, strict=True)]


def test_another_stride_is_refused():
    with pytest.raises(ValueError, match="at stride 4, 8 or 16, not 32"):
        ClickedEncoder(joined_entry(2), 32)


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_blocks_run_as_dilated_convolutions(dilation: int):
    conv = nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False)
    x = torch.randn(2, 6, 16, 24)
    expected = functional.conv2d(x, conv.weight, None, 1, 2 * dilation, dilation, 6)
    torch.testing.assert_close(clicked_encoder._dilated(nn.Sequential(conv), x, dilation), expected)


def test_it_begins_with_the_encoder_of_a_default_model():
    torch.manual_seed(0)
    whole = EfficientNetLite0().eval()
    weights = {ENCODER + name: value for name, value in whole.state_dict().items()}
    encoder = ClickedEncoder(joined_entry(2)).eval()
    encoder.load_pretrained(weights)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        ours, theirs = encoder(image, torch.zeros(1, 2, 64, 64)), whole(image)
    for mine, other in zip(ours, theirs, strict=False):
        torch.testing.assert_close(mine, other)


def test_weights_without_an_encoder_are_refused():
    with pytest.raises(ValueError, match="hold no encoder"):
        ClickedEncoder(joined_entry(2)).load_pretrained({"head.weight": torch.zeros(1)})


def test_all_but_the_entry_of_the_clicks_is_pretrained():
    encoder = ClickedEncoder(joined_entry(2))
    own = set(encoder.parameters()) - pretrained_parameters(encoder)
    assert own == set(encoder.enter_clicks.parameters())
