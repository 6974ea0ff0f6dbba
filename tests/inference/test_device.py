"""Runtime: devices, and a cache of features that keeps to its budget and outlives no image."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from napari_clickseg.core.images import Image
from napari_clickseg.inference.device import (
    FeatureCache,
    available_devices,
    choose_device,
    choose_precision,
    copy_on_cpu,
)


def image() -> Image:
    return Image.of(np.zeros((8, 8)))


def features(kilobytes: int) -> tuple[torch.Tensor, ...]:
    return (torch.zeros(kilobytes * 256),)


def test_features_are_computed_once_per_image_and_key():
    cache, picture, made = FeatureCache(), image(), []

    def compute() -> tuple[torch.Tensor, ...]:
        made.append(1)
        return features(1)

    for key in ("a", "a", "b"):
        cache.get(picture, key, compute)
    cache.get(image(), "a", compute)
    assert len(made) == 3


def test_oldest_features_leave_when_the_budget_is_spent():
    cache, picture = FeatureCache(budget=10 * 1024), image()
    for key in range(20):
        cache.get(picture, key, lambda: features(2))
    assert cache.size <= 10 * 1024
    assert len(cache) == 5


def test_features_larger_than_the_budget_are_still_used():
    cache, picture = FeatureCache(budget=1024), image()
    assert cache.get(picture, "a", lambda: features(4))[0].numel() == 1024


def test_the_cache_keeps_no_image_alive():
    import gc
    import weakref

    cache, picture = FeatureCache(), image()
    cache.get(picture, "a", lambda: features(1))
    gone = weakref.ref(picture)
    del picture
    gc.collect()
    assert gone() is None


def test_the_cpu_is_always_there_and_auto_takes_the_fastest():
    assert available_devices()[0] == "cpu"
    assert choose_device("auto").type == available_devices()[-1]


def test_unknown_device_is_refused():
    with pytest.raises(ValueError, match="no device 'abacus'"):
        choose_device("abacus")


def test_precision_is_one_that_the_cpu_computes():
    assert choose_precision(torch.device("cpu")) in (torch.bfloat16, torch.float32)


class Tied(nn.Module):
    """Two layers with the same weights, a buffer, and normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 3, padding=1)
        self.second = nn.Conv2d(1, 1, 3, padding=1)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm2d(1)
        self.register_buffer("shift", torch.ones(1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.norm(self.second(torch.relu(self.first(image)))) + self.shift


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return nn.Sequential(torch.jit.trace(Tied().eval(), torch.zeros(1, 1, 8, 8)))


def exported() -> nn.Module:
    return nn.Sequential(torch.export.export(Tied().eval(), (torch.zeros(1, 1, 8, 8),)).module())


@pytest.mark.filterwarnings("ignore:`isinstance\\(treespec:FutureWarning")  # torch's own, of exported programs
@pytest.mark.parametrize("made", [Tied, scripted, exported])
def test_a_copy_on_the_cpu_answers_the_same_and_shares_no_weight(made: Callable[[], nn.Module]):
    network = made().train(False) if made is Tied else made()
    copied = copy_on_cpu(network)
    given = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(copied(given), network(given), rtol=0, atol=0)
    ours, theirs = ({w.data_ptr() for w in n.state_dict().values() if w.numel()} for n in (copied, network))
    assert not ours & theirs
    assert len(ours) == len(theirs) > 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_copy_on_the_cpu_leaves_the_network_on_its_gpu():
    network = Tied().eval().cuda()
    assert {w.device.type for w in copy_on_cpu(network).state_dict().values()} == {"cpu"}
    assert {w.device.type for w in network.state_dict().values()} == {"cuda"}
