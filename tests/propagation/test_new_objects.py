"""Newcomers: what appeared is told where brightness tells objects, and once: on the frame where it appears."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from movies import BrightPiece, movie
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER
from napari_clickseg.propagation.frame_steps import Carrier, Scene
from napari_clickseg.propagation.propagate import Usual

OLD = {1: (24, 20, 8)}
BOTH = {**OLD, 2: (24, 70, 8)}


def scene(image: Image, labels: np.ndarray, t: int, ids: Collection[int] | None = None) -> Scene:
    return Carrier(image, labels, BrightPiece(), 0.5, NEVER, None, everywhere=True).scene((t,), ids)


def test_what_appears_is_told_with_where_to_click() -> None:
    image, labels = movie([OLD, BOTH])
    labels[1][labels[1] == 2] = 0
    before, after = (scene(image, labels, t) for t in range(2))
    usual = Usual.of(before)
    assert usual is not None
    (event,) = usual.appeared(before, after)
    assert (event.kind, event.label, event.frame) == ("appearance", 0, (1,))
    assert np.allclose(event.positions[0], (24, 70), atol=2)


def test_what_was_there_before_is_not_new() -> None:
    image, labels = movie([BOTH, BOTH])
    labels[labels == 2] = 0
    before, after = (scene(image, labels, t) for t in range(2))
    usual = Usual.of(before)
    assert usual is not None
    assert list(usual.appeared(before, after)) == []


def test_what_is_drawn_already_is_not_told() -> None:
    image, labels = movie([OLD, BOTH])
    before, after = (scene(image, labels, t) for t in range(2))
    usual = Usual.of(before)
    assert usual is not None
    assert list(usual.appeared(before, after)) == []


def test_where_brightness_tells_nothing_there_is_nothing_usual() -> None:
    _, labels = movie([OLD])
    noise = np.random.default_rng(0).normal(0, 5, labels.shape).astype(np.float32)
    assert Usual.of(scene(Image.of(noise, "TYX"), labels, 0)) is None
