import numpy as np
import pytest
from scipy import ndimage

from doubles import disk
from napari_clickseg.core.images import Image
from napari_clickseg.core.object_size import LARGEST, SMALLEST, equivalent_diameter, estimate_diameter


def cells(diameter: float, shape=(256, 256), noise=0.02) -> np.ndarray:
    rng = np.random.default_rng(0)
    step = int(diameter * 1.7)
    plane = np.zeros(shape)
    for y in range(step // 2, shape[0], step):
        for x in range(step // 2, shape[1], step):
            plane = np.maximum(plane, disk(shape, (y, x), diameter / 2))
    return ndimage.gaussian_filter(plane, 1) + rng.normal(0, noise, shape)


@pytest.mark.parametrize("diameter", [10, 20, 40, 80])
@pytest.mark.parametrize("bright", [True, False])
def test_disks_are_measured_within_a_third(diameter, bright):
    plane = cells(diameter) if bright else 1 - cells(diameter)
    assert estimate_diameter(Image.of(plane), (), 2) == pytest.approx(diameter, rel=1 / 3)


@pytest.mark.parametrize("shape", [(2, 2), (1, 30), (15, 12), (13, 200)])
def test_tiny_images_have_an_answer(shape):
    assert SMALLEST <= estimate_diameter(Image.of(np.zeros(shape)), (), 2) <= LARGEST


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_images_without_contrast_have_an_answer(value):
    assert SMALLEST <= estimate_diameter(Image.of(np.full((200, 200), value)), (), 2) <= LARGEST


def test_brightness_and_type_do_not_matter():
    plane = cells(24)
    wide = (plane - plane.min()) * 20000
    assert estimate_diameter(Image.of(wide.astype(np.uint16)), (), 2) == pytest.approx(
        estimate_diameter(Image.of(plane), (), 2), rel=0.02
    )


def test_the_frame_asked_for_is_measured_and_volumes_by_their_middle_plane():
    stack = np.stack([np.zeros((256, 256)), cells(20), np.zeros((256, 256))])
    assert estimate_diameter(Image.of(stack, "TYX"), (1,), 2) == pytest.approx(20, rel=1 / 3)
    assert estimate_diameter(Image.of(stack, "ZYX"), (), 3) == pytest.approx(20, rel=1 / 3)


def test_no_more_than_a_tile_is_read():
    class Watched:
        shape, dtype = (20_000, 20_000), np.dtype("u1")

        def __getitem__(self, index):
            sizes = tuple(len(range(*i.indices(20_000))) for i in index)
            assert max(sizes) <= 640
            return np.zeros(sizes, np.uint8)

    assert estimate_diameter(Image.of(Watched()), (), 2) > 0


def test_equivalent_diameters():
    assert equivalent_diameter(np.pi * 25, 2) == pytest.approx(10)
    assert equivalent_diameter(4 / 3 * np.pi * 125, 3) == pytest.approx(10)
