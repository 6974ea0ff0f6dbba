"""Carrier: whom the model is asked about, and what a frame hands on to the next one."""

from __future__ import annotations

import numpy as np
import pytest

from movies import BrightPiece, first_only, movie
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER
from napari_clickseg.propagation.frame_steps import FEW, RESCUED, Carrier

SHAPE = (64, 260)
MANY = {k: (15 + 34 * (k % 2), 20 + 42 * (k // 2), 9) for k in range(1, 12)}
"""More disks than `FEW`."""


def asked(image: Image, labels: np.ndarray, least: float, most: int | None) -> int:
    """How often the model was asked on the second frame."""
    model = BrightPiece()
    work = Carrier(image, labels, model, least, NEVER, most, everywhere=True)
    work.settle(*work.follow(work.scene((0,), None), (1,)))
    return len(model.asked)


@pytest.mark.parametrize(
    ("least", "most", "times"), [(0.0, 24, 0), (0.99, 24, RESCUED), (0.99, 1, 1), (0.99, None, 11)]
)
def test_of_many_bright_objects_the_model_rescues_a_few(least: float, most: int | None, times: int) -> None:
    image, labels = movie([MANY] * 2, SHAPE)
    assert len(MANY) > FEW
    assert asked(image, first_only(labels), least, most) == times


def test_of_many_objects_that_look_like_the_background_as_many_are_put_to_the_model_as_may_be() -> None:
    _, labels = movie([MANY] * 2, SHAPE)
    noise = np.random.default_rng(0).normal(100, 5, labels.shape).astype(np.float32)
    image = Image.of(np.stack([noise[0], noise[0]]), "TYX")
    assert asked(image, first_only(labels), 0.5, 24) == len(MANY)
    assert asked(image, first_only(labels), 0.5, 9) == 9
    assert asked(image, first_only(labels), 0.5, 0) == 0


def test_drift_adds_up_from_frame_to_frame_and_is_none_where_frames_are_the_same() -> None:
    image, labels = movie([{1: (24, 40, 8)}] * 3)
    still = Image.of(np.stack([image.array[0]] * 3), "TYX")
    drifts = []
    for one in (image, still):
        work = Carrier(one, first_only(labels), BrightPiece(), 0.0, NEVER, 0)
        scene = work.scene((0,), None)
        for t in (1, 2):
            scene = work.settle(*work.follow(scene, (t,))).scene
            drifts.append(scene.drift[1])
    assert 0 < drifts[0] < drifts[1]
    assert drifts[2:] == pytest.approx([0, 0], abs=1e-4)


def test_brightness_is_that_of_the_frame_that_was_right_all_along() -> None:
    image, labels = movie([{1: (24, 40, 8)}] * 3)
    work = Carrier(image, first_only(labels), BrightPiece(), 0.0, NEVER, 0)
    scene = work.scene((0,), None)
    learned = scene.brightness[1]
    for t in (1, 2):
        scene = work.settle(*work.follow(scene, (t,))).scene
    assert scene.brightness[1] is learned
