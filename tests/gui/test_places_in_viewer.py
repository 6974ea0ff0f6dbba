"""In a real window: labels lie on their image, and clicks count where they are made, whatever the units of layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image

pytestmark = pytest.mark.viewer
NEAR = 0.2
"""A click lands on a pixel of the screen, which is about so many of the image."""
UNITS = hasattr(Image(np.zeros((2, 2))), "units")
needs_units = pytest.mark.skipif(not UNITS, reason="layers have no units in this version of napari")


@pytest.fixture
def cells() -> Any:
    """Two objects, 1 above and 2 below."""
    labels = np.zeros((64, 64), np.int32)
    labels[8:20, 8:20] = 1
    labels[40:52, 40:52] = 2
    return labels


def with_labels(labels: Any, **options: Any) -> Any:
    """Return what adds a Labels layer to a viewer, which makes it the active one."""
    return lambda viewer: viewer.add_labels(labels, name="cells", **options)


@pytest.mark.parametrize(
    "placed", [{"scale": (0.5, 0.5)}, {"scale": (2, 2), "translate": (30, 40)}, {"translate": (200, 100)}]
)
def test_labels_without_a_place_are_put_onto_the_image(bench, plane, cells, placed):
    b = bench(plane, before=with_labels(cells), **placed)
    assert b.labels.name == "cells"
    np.testing.assert_allclose(b.labels.data_to_world((45, 45)), b.viewer.layers[0].data_to_world((45, 45)))
    b.hand.click(b.viewer.layers[0].data_to_world((45, 45)))
    b.until(lambda: b.session.label == 2)  # the object under the cursor is taken up


def test_labels_placed_elsewhere_are_not_taken_and_it_is_said_why(bench, plane, cells):
    b = bench(plane, before=with_labels(cells, translate=(20, 0)))
    assert b.labels.name != "cells"
    assert tuple(b.viewer.layers["cells"].translate) == (20, 0)


def test_labels_that_are_moved_away_come_back_with_a_sentence(bench, plane, cells):
    b = bench(plane, before=with_labels(cells))
    b.labels.translate = (30, 0)
    b.until(lambda: tuple(b.labels.translate) == (0, 0))
    assert "put back onto its image" in b.status


def test_labels_of_others_follow_their_image(bench, plane, cells):
    b = bench(plane, before=with_labels(cells))
    image = next(layer for layer in b.viewer.layers if layer.data is plane)
    image.scale = (0.25, 0.25)
    image.translate = (7, 8)
    np.testing.assert_allclose(b.labels.data_to_world((45, 45)), image.data_to_world((45, 45)))


@pytest.mark.parametrize(("image", "masks"), [((1, 64, 64), (64, 64)), ((64, 64), (1, 64, 64))])
def test_axes_of_length_one_are_no_difference(bench, cells, image, masks):
    array = cells.reshape(masks)
    b = bench(np.zeros(image, np.uint8), before=with_labels(array))
    assert b.labels.name == "cells"
    assert b.session.labels.shape == image
    b.click(*b.viewer.layers[0].data_to_world((0,) * (len(image) - 2) + (10, 45)))
    assert array[..., 10, 45].max() == 3


# -- units -------------------------------------------------------------------------------------------------------------


def neighbour(units: str) -> Any:
    """Return what adds a layer of another unit, in which napari then gives places."""

    def add(viewer: Any) -> None:
        viewer.add_points(np.zeros((1, 3)), units=(units,) * 3, name="other")
        viewer.layers.selection.active = viewer.layers[0]

    return add


@needs_units
@pytest.mark.parametrize("units", ["nm", "um", "mm"])
def test_a_click_counts_where_it_was_made_beside_a_layer_of_another_unit(bench, units):
    stack = np.zeros((5, 64, 64), np.uint8)
    b = bench(stack, before=neighbour(units), scale=(2, 0.5, 0.5), units=("um",) * 3)
    factor = {"nm": 1000.0, "um": 1.0, "mm": 1.0}[units]  # the smaller of both is the common one
    b.viewer.dims.set_point(0, 2 * 3 * factor)
    b.click(3 * 2 * factor, 20 * 0.5 * factor, 30 * 0.5 * factor)
    np.testing.assert_allclose(b.session.clicks[0].position, (3, 20, 30), atol=NEAR)
    np.testing.assert_allclose(b.points("positive").data, [(3, 20, 30)], atol=NEAR)
    assert [k for k in range(5) if b.session.labels[k].any() or (k,) in b.session.state.masks] == [3]


@needs_units
def test_the_unit_of_the_viewer_may_change_on_the_way(bench):
    stack = np.zeros((5, 64, 64), np.uint8)
    b = bench(stack, scale=(2, 0.5, 0.5), units=("um",) * 3)
    b.viewer.dims.set_point(0, 0)
    b.click(0, 10, 15)
    b.viewer.layers.units = ("nm",) * 3
    np.testing.assert_allclose(b.session.clicks[0].position, (0, 20, 30), atol=NEAR)
    b.viewer.dims.set_point(0, 4000)
    b.click(4000, 5000, 5000)
    assert [click.position for click in b.session.clicks] == [
        pytest.approx((0, 20, 30), abs=NEAR),
        pytest.approx((2, 10, 10), abs=NEAR),
    ]


@needs_units
def test_labels_in_nanometres_lie_on_an_image_in_micrometres(bench, plane, cells):
    placed = {"scale": (500, 500), "units": ("nm", "nm")}
    b = bench(plane, before=with_labels(cells, **placed), scale=(0.5, 0.5), units=("um", "um"))
    assert b.labels.name == "cells"
    image = b.viewer.layers[0]
    assert b.labels.units == image.units
    np.testing.assert_allclose(b.labels.scale, image.scale)


def test_four_channels_without_a_choice_are_named(bench, plane):
    b = bench(plane)
    b.viewer.layers.clear()
    b.viewer.add_image(np.zeros((64, 64, 4), np.uint8), rgb=True)
    b.until(lambda: "4 channels; channels 0, 1 and 2 are looked at" in b.status)
