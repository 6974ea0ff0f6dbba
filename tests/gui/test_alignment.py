"""Labels lie on their image, pixel on pixel, are put there, or are refused with a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_clickseg.gui.alignment import (
    fits,
    is_aligned,
    put_in_place,
    why_not_aligned,
)
from napari_clickseg.gui.placement import Placement, unit_ratios, units_of_view

TURNED = {"rotate": 30.0}
SHAPE = (40, 60)


def placed(shape: tuple[int, ...] = SHAPE, **options: Any) -> Placement:
    return Placement.of(Image(np.zeros(shape, np.uint8), **options))


def labels(shape: tuple[int, ...] = SHAPE, **options: Any) -> Labels:
    return Labels(np.zeros(shape, np.int32), name="cells", **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": (0.5, 0.5)},
        {"scale": (0.5, 0.5), "translate": (100, -20)},
        {"rotate": 30.0, "scale": (0.3, 0.7)},
        {"shear": [0.4]},
        {"affine": [[1, 0.2, 5], [0, 2, 7], [0, 0, 1]]},
    ],
)
def test_layers_with_the_same_transforms_lie_on_each_other(options: dict[str, Any]) -> None:
    assert is_aligned(placed(**options), labels(**options))
    assert why_not_aligned(placed(**options), labels(**options)) == ""


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ({"scale": (0.5, 0.5)}, {}),
        ({"translate": (100, 0)}, {}),
        ({"rotate": 30.0}, {}),
        ({"scale": (0.5, 0.5), "translate": (100, 7), "rotate": 10.0}, {}),
        ({}, {"scale": (0.5, 0.5)}),
        ({"scale": (0.3, 0.3)}, {"scale": (0.5, 0.5)}),
        ({"scale": (0.3, 0.3), "translate": (9, 9)}, {"scale": (0.5, 0.5)}),
        ({"scale": (0.3, 0.3), "translate": (9, 9)}, {"scale": (0.5, 0.5), "translate": (9, 9)}),
        ({"affine": [[1, 0.2, 5], [0, 2, 7], [0, 0, 1]]}, {}),
    ],
)
def test_labels_that_nobody_has_placed_elsewhere_are_put_onto_the_image(
    image: dict[str, Any], other: dict[str, Any]
) -> None:
    placement, layer = placed(**image), labels(**other)
    assert not is_aligned(placement, layer)
    assert put_in_place(placement, layer)
    assert is_aligned(placement, layer)
    for pixel in ((0, 0), (39, 59), (12, 34)):
        np.testing.assert_allclose(layer.data_to_world(pixel), placement.world(pixel))
    assert not put_in_place(placement, layer)


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ({}, {"translate": (10, 0)}),
        ({}, {"translate": (0, 1)}),
        ({"scale": (0.5, 0.5)}, {"scale": (0.5, 0.5), "translate": (10, 0)}),
        ({"translate": (5, 5)}, {"translate": (10, 10)}),
        ({}, {"rotate": 90.0}),
        ({"rotate": 30.0}, {"rotate": 31.0}),
        ({}, {"scale": (-1, 1)}),
        ({}, {"shear": [0.5]}),
        ({}, {"affine": [[1, 0, 8], [0, 1, 0], [0, 0, 1]]}),
    ],
)
def test_labels_that_were_placed_elsewhere_are_refused_and_stay(image: dict[str, Any], other: dict[str, Any]) -> None:
    placement, layer = placed(**image), labels(**other)
    before = layer.data_to_world((12, 34))
    with pytest.raises(ValueError, match="'cells' lies elsewhere in the world than the image"):
        put_in_place(placement, layer)
    assert layer.data_to_world((12, 34)) == before


def test_rounding_in_a_file_is_no_other_place() -> None:
    assert is_aligned(placed(scale=(0.65, 0.65)), labels(scale=(0.6500001, 0.65)))
    assert not is_aligned(placed((40, 6000), scale=(0.65, 0.65)), labels((40, 6000), scale=(0.651, 0.651)))


# -- axes of length one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ((1, 40, 60), (40, 60)),
        ((40, 60), (1, 40, 60)),
        ((1, 1, 40, 60), (40, 60)),
        ((40, 60), (1, 1, 40, 60)),
        ((1, 5, 40, 60), (5, 40, 60)),
        ((5, 40, 60), (1, 5, 40, 60)),
        ((5, 1, 40, 60), (5, 40, 60)),
        ((5, 40, 60), (5, 1, 40, 60)),
        ((1, 40, 60), (1, 1, 40, 60)),
    ],
)
def test_axes_of_length_one_are_no_difference_and_memory_stays_shared(
    image: tuple[int, ...], other: tuple[int, ...]
) -> None:
    placement, layer = placed(image, scale=(0.5,) * len(image)), labels(other)
    array = layer.data
    assert fits(placement, layer)
    put_in_place(placement, layer)
    assert layer.data.shape == image
    assert is_aligned(placement, layer)
    layer.data[(..., 3, 4)] = 7
    assert array[(..., 3, 4)].max() == 7


@pytest.mark.parametrize("other", [(40, 61), (60, 40), (2, 40, 60), (1, 40, 61), (40, 60, 2)])
def test_other_shapes_do_not_fit(other: tuple[int, ...]) -> None:
    assert not fits(placed(), labels(other))


def test_labels_on_disk_cannot_change_their_axes() -> None:
    import zarr

    layer = Labels(zarr.array(np.zeros((1, 40, 60), np.int32)))
    assert not fits(placed(), layer)
    assert fits(placed((1, 40, 60)), layer)


def test_pyramids_cannot_change_their_axes() -> None:
    levels = [np.zeros((40, 60), np.int32), np.zeros((20, 30), np.int32)]
    assert not fits(placed((1, 40, 60)), Labels(levels, multiscale=True))
    assert fits(placed(), Labels(levels, multiscale=True))


# -- units -------------------------------------------------------------------------------------------------------------

UNITS = hasattr(Image(np.zeros((2, 2))), "units")
needs_units = pytest.mark.skipif(not UNITS, reason="layers have no units in this version of napari")


@needs_units
def test_the_same_place_in_other_units_is_the_same_place() -> None:
    placement = placed(scale=(0.5, 0.5), units=("um", "um"))
    layer = labels(scale=(500, 500), units=("nm", "nm"))
    assert is_aligned(placement, layer)
    assert not is_aligned(placement, labels(scale=(0.5, 0.5), units=("nm", "nm")))
    put_in_place(placement, layer)
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))


@needs_units
def test_how_many_of_the_other_unit_one_unit_is() -> None:
    um, nm = (Labels(np.zeros((2, 2), int), units=(name, name)).units for name in ("um", "nm"))
    assert unit_ratios(um, nm, 2) == pytest.approx([1000, 1000])
    assert unit_ratios(nm, um, 3) == pytest.approx([1, 0.001, 0.001])
    assert unit_ratios(um, um, 2) == pytest.approx([1, 1])
    assert unit_ratios(None, um, 2) == pytest.approx([1, 1])


def test_a_viewer_of_an_older_napari_has_no_common_unit() -> None:
    assert units_of_view(SimpleNamespace(dims=SimpleNamespace())) is None
    assert units_of_view(SimpleNamespace(dims=SimpleNamespace(units=None))) is None
