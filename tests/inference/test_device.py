"""Runtime: devices, and a cache of features that keeps to its budget and outlives no image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_clickseg.core.images import Image
from napari_clickseg.inference.device import FeatureCache, available_devices, choose_device, choose_precision


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
