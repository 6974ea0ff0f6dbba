"""How large objects are is estimated of each frame by itself, whatever was asked before."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from doubles import Disks, disk
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.requests import Request
from napari_clickseg.session.session import Session

LARGE, SMALL = 80, 10
"""Diameters of the disks on frame 0 and on frame 1."""


@dataclass(frozen=True)
class Asked(Disks):
    """Disks that keep what they were asked."""

    requests: list[Request] = field(default_factory=list)

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        self.requests.append(request)
        return super().predict(image, request, stop)


def movie() -> np.ndarray:
    """Large disks on frame 0, small ones on frame 1."""
    frames = np.full((2, 300, 300), 20, np.uint8)
    for frame, diameter, step in ((0, LARGE, 140), (1, SMALL, 40)):
        for y in range(step // 2, 300, step):
            for x in range(step // 2, 300, step):
                frames[frame][disk((300, 300), (y, x), diameter / 2)] = 200
    return frames + np.random.default_rng(0).integers(0, 10, frames.shape, np.uint8)


def diameter_asked(*asked_before: tuple[int, ...] | None) -> float | None:
    """The diameter in the request of a click on frame 0, after these frames were asked about."""
    predictor = Asked()
    session = Session(movie(), predictor, axes="TYX")
    for frame in asked_before:
        session.expected_diameter(frame)
    session.click((0, 70, 70))
    return predictor.requests[0].diameter


@pytest.mark.parametrize("before", [((1,),), (None,), ((1,), (0,)), ((0,), (1,))])
def test_a_click_asks_with_its_own_frames_diameter_whatever_was_asked_before(before) -> None:
    assert diameter_asked(*before) == diameter_asked()


def test_each_frame_has_its_own_estimate() -> None:
    session = Session(movie(), Disks(), axes="TYX")
    large, small = session.expected_diameter((0,)), session.expected_diameter((1,))
    assert large == pytest.approx(LARGE, rel=0.35)
    assert small == pytest.approx(SMALL, rel=0.35)
    assert session.expected_diameter((0,)) == large


def test_a_click_on_each_frame_asks_with_that_frames_diameter() -> None:
    predictor = Asked()
    session = Session(movie(), predictor, axes="TYX")
    session.click((1, 60, 60))
    session.click((0, 70, 70))
    small, large = (request.diameter for request in predictor.requests)
    assert large > 4 * small
