"""The table of networks: names, options, and networks seen as two parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_clickseg.networks.blocks import ClickedNetwork
from napari_clickseg.networks.catalogue import NETWORKS, Guided, build_network, streams_of


class Counting(ClickedNetwork):
    """Adds what it sees, and half of that as a second output."""

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        whole = image.sum(dim=1, keepdim=True) + guidance.sum(dim=1, keepdim=True)
        return whole, whole / 2


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_is_built_for_the_guidance_that_it_gets(name: str):
    network = build_network(name, {"guidance": 4}).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64), torch.zeros(1, 4, 64, 64)).shape == (1, 1, 64, 64)


def test_unknown_network_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no network 'abacus'; there are clicknet, coarse_fine"):
        build_network("abacus", {})


def test_unknown_option_is_refused_with_those_that_the_network_has():
    with pytest.raises(ValueError, match="network two_stream has no option beads, rods; it may have interaction"):
        build_network("two_stream", {"guidance": 4, "rods": 1, "beads": 2})


def test_only_the_two_stream_network_has_a_guided_filter_to_switch():
    assert [name for name in NETWORKS if isinstance(build_network(name, {"guidance": 4}), Guided)] == ["two_stream"]


def test_network_without_streams_answers_in_two_parts_as_it_does_in_one():
    network, image, guidance = Counting(), torch.rand(2, 3, 8, 8), torch.rand(2, 4, 8, 8)
    streams = streams_of(network)
    assert streams.encode(image) == (image,)
    assert torch.equal(streams.decode((image,), guidance), network(image, guidance))
    assert [float(out.mean() / network(image, guidance).mean()) for out in streams.outputs((image,), guidance)] == [
        1,
        0.5,
    ]


def test_network_with_streams_answers_in_two_parts_as_it_does_in_one():
    torch.manual_seed(0)
    network, image, guidance = (
        build_network("clicknet", {"guidance": 4}),
        torch.rand(1, 3, 64, 64),
        torch.rand(1, 4, 64, 64),
    )
    streams = streams_of(network.eval())
    with torch.inference_mode():
        (answer,) = streams.outputs(streams.encode(image), guidance)
        assert torch.equal(answer, network(image, guidance))
