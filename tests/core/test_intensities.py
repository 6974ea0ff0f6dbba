"""Intensities: scale and offset change no answer, usual values stay as they are, and a frame of one value is told."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.models.classic import Geodesic
from napari_clickseg.session.session import Session

Y, X = np.mgrid[:60, :90]
DISK = (Y - 20) ** 2 + (X - 65) ** 2 <= 100
PIXELS = np.where(DISK, 3000, 200) + np.random.default_rng(0).integers(0, 40, (60, 90))
WHOLE = Region.whole((60, 90))

SCALES = [
    PIXELS.astype(np.uint16),
    PIXELS.astype(np.float32),
    PIXELS * 1e-9,
    PIXELS * 1e-12,
    PIXELS * 1e9,
    PIXELS * 1e30,
    PIXELS * 1e60,
    PIXELS * 1e-60,
    (PIXELS * 1e-9 + 1e-3).astype(np.float64),
    PIXELS + 1e9,
    (PIXELS + 2**31).astype(np.uint32),
    (PIXELS + 2**31).astype(np.int64),
    (PIXELS - 2**31 + 1).astype(np.int32),
    PIXELS * -1e-9,
    np.where(Y == 0, np.nan, PIXELS * 1e-9),
    np.where(Y == 0, np.nan, PIXELS * 1e9),
]


@pytest.mark.parametrize("pixels", SCALES, ids=range(len(SCALES)))
def test_scale_and_offset_change_no_answer(pixels: np.ndarray) -> None:
    session = Session(pixels, Geodesic())
    session.click((20, 65))
    overlap = (session.mask() & DISK).sum() / (session.mask() | DISK).sum()
    assert overlap > 0.95
    assert estimate_diameter(Image.of(pixels), (), 2) == pytest.approx(estimate_diameter(Image.of(PIXELS), (), 2), 0.2)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64", "int32", "uint32"])
def test_usual_values_stay_as_they_are(dtype: str) -> None:
    pixels = (PIXELS % 256).astype(dtype)
    image = Image.of(pixels)
    assert image.levels is None
    np.testing.assert_array_equal(image.intensities((), WHOLE)[0], pixels.astype(np.float32))


@pytest.mark.parametrize("axes", ["CYX", "YXC"])
def test_channels_of_other_scales_are_scaled_by_themselves(axes: str) -> None:
    channels = np.stack([PIXELS * 1e-9, PIXELS * 1.0, np.zeros_like(PIXELS, float)])
    image = Image.of(channels if axes == "CYX" else np.moveaxis(channels, 0, -1), axes)
    values = image.intensities((), WHOLE)
    assert [float(np.ptp(v)) > 0.5 for v in values] == [True, True, False]
    for channel in range(3):
        one = Image.of(image.array, axes, channel=channel).intensities((), WHOLE)[0]
        np.testing.assert_array_equal(one, values[channel])


def test_colours_stay_colours() -> None:
    colours = np.stack([PIXELS, 2 * PIXELS, PIXELS / 3], -1) * 1e-9
    levels = Image.of(colours, "YXC").levels
    assert levels is not None
    assert (levels == levels[:, :1]).all()


@pytest.mark.parametrize("side", [1, 5, 30])
def test_few_pixels_that_differ_from_the_background_tell_the_scale(side: int) -> None:
    pixels = np.full((300, 300), 3e-7)
    pixels[150 : 150 + side, 150 : 150 + side] = 5e-7
    values = Image.of(pixels, "YX").intensities((), Region.whole((300, 300)))
    assert float(np.ptp(values)) == pytest.approx(1)


def test_an_object_outside_the_middle_tells_the_scale_of_an_empty_middle() -> None:
    pixels = np.zeros((2, 900, 900))
    pixels[0, 10:40, 10:40] = 1e-9
    image = Image.of(pixels, "TYX")
    assert float(np.ptp(image.intensities((0,), Region.whole((900, 900))))) > 0.5


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.full((60, 90), 7), "The image has the value 7 everywhere; there is nothing to outline"),
        (np.full((60, 90), np.nan), "has no pixel with a value"),
        (np.where(Y == 3, np.nan, 0.25), "has the value 0.25 everywhere"),
        (np.zeros((60, 90), bool), "has the value 0 everywhere"),
    ],
)
def test_a_frame_of_one_value_has_nothing_to_outline(pixels: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Image.of(pixels).check_content((), 2, (20.0, 65.0))


def test_content_anywhere_is_content() -> None:
    pixels = np.zeros((3, 60, 90))
    pixels[1, 59, 89] = 1e-30
    Image.of(pixels, "TYX").check_content((1,), 2, Click((1.0, 2.0, 2.0)).point(2))
    with pytest.raises(ValueError, match=r"Frame 2 of the image has the value 0 everywhere"):
        Image.of(pixels, "TYX").check_content((2,), 2)
