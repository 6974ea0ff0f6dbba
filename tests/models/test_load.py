"""Weights: networks made for an encoding, written in half precision with their card, read back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from napari_clickseg.inference.guidance import Encoding
from napari_clickseg.models.card import ModelCard, read_card
from napari_clickseg.models.load import new_network, read_weights, save_model

OPTIONS = {"widths": [8] * 5, "depths": [1] * 4, "features": [8] * 5, "click_widths": [8] * 5}
CARD = ModelCard("small", "Small", "For tests.", "clicknet", OPTIONS, 32, {"sizes": [1.5]}, 0.4)
NARROW = Encoding("disk", (5.0,), "none")


def small(encoding: Encoding = NARROW) -> torch.nn.Module:
    torch.manual_seed(0)
    return new_network("clicknet", OPTIONS, encoding)


@pytest.mark.parametrize("encoding", [NARROW, Encoding(), Encoding("superpixel", (255.0,), "box")])
def test_new_network_takes_the_channels_of_its_encoding(encoding: Encoding):
    guidance = torch.zeros(1, encoding.channels, 64, 64)
    with torch.inference_mode():
        assert small(encoding).eval()(torch.zeros(1, 3, 64, 64), guidance).shape == (1, 1, 64, 64)


def test_weights_come_back_as_they_were_to_half_precision(tmp_path: Path):
    network, other = small(), new_network("clicknet", OPTIONS, NARROW)
    save_model(tmp_path / "a.safetensors", network, CARD)
    read_weights(other, tmp_path / "a.safetensors")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value.half().to(value.dtype), rtol=0, atol=0)


def test_file_holds_half_floats_and_the_card_and_everybody_may_read_it(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_model(path, small(), CARD)
    assert {value.dtype for value in load_file(path).values()} == {torch.float16, torch.int64}
    assert read_card(path) == CARD
    assert path.stat().st_mode & 0o444 == 0o444


def test_weights_for_another_encoding_are_refused_in_one_line(tmp_path: Path):
    save_model(tmp_path / "a.safetensors", small(), CARD)
    with pytest.raises(ValueError, match=r"a\.safetensors do not fit the network ClickNet \([^\n]*\)\.$"):
        read_weights(small(Encoding()), tmp_path / "a.safetensors")


def test_missing_weights_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"none\.safetensors"):
        read_weights(small(), tmp_path / "none.safetensors")
