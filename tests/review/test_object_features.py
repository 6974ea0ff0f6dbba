"""Objects are measured in pixels and in the image's units, per frame and channel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.images import Image
from napari_clickseg.review.object_features import as_csv, as_features, measure


def rectangle(channels: int = 0) -> tuple[Image, np.ndarray]:
    labels = np.zeros((2, 12, 16), np.uint16)
    labels[0, 2:6, 3:9] = 5
    labels[1, 2:6, 3:9] = 5
    labels[1, 9, 14] = 8
    pixels = np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)
    if channels:
        return Image.of(np.stack([pixels, 2 * pixels], axis=1), "TCYX", (10.0, 0.5, 0.5)), labels
    return Image.of(pixels, "TYX", (10.0, 0.5, 0.5)), labels


def test_a_rectangle_has_the_size_and_place_that_can_be_counted():
    rows = list(measure(*rectangle()))
    assert [(row["label"], row["t"]) for row in rows] == [(5, 0), (5, 1), (8, 1)]
    first = rows[0]
    assert (first["pixels"], first["area"]) == (24, 6.0)
    assert (first["centroid_y"], first["centroid_x"]) == pytest.approx((3.5 * 0.5, 5.5 * 0.5))
    assert first["solidity"] == 1.0
    assert first["diameter"] == pytest.approx(2 * np.sqrt(6 / np.pi))
    inside = np.arange(192).reshape(12, 16)[2:6, 3:9]
    assert (first["mean"], first["min"], first["max"], first["total"]) == (inside.mean(), 35, 88, inside.sum())
    assert first["sd"] == pytest.approx(inside.std())


def test_each_channel_has_columns_of_its_own():
    first = next(measure(*rectangle(channels=2)))
    assert first["mean_c1"] == 2 * first["mean_c0"]
    assert "mean" not in first


def test_one_pixel_can_be_measured():
    *_, last = measure(*rectangle())
    assert (last["pixels"], last["area"], last["solidity"]) == (1, 0.25, 1.0)
    assert np.isfinite([value for value in last.values() if isinstance(value, float)]).all()


def test_volumes_are_measured_in_their_unit():
    labels = np.zeros((4, 6, 6), np.uint16)
    labels[1:3, 1:4, 1:4] = 1
    [row] = measure(Image.of(labels, "ZYX", (2.0, 1.0, 1.0)), labels, ndim=3)
    assert (row["pixels"], row["volume"], row["centroid_z"]) == (18, 36.0, 3.0)


def test_pixels_that_are_no_squares_have_no_perimeter():
    labels = np.ones((3, 3), np.uint8)
    [row] = measure(Image.of(labels, "YX", (1.0, 2.0)), labels)
    assert "perimeter" not in row
    assert row["area"] == 18.0


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="the image is"):
        list(measure(Image.of(np.zeros((4, 4))), np.zeros((5, 4), int)))


def test_tables_name_each_column_once_and_features_begin_with_the_background():
    rows = list(measure(*rectangle()))
    head, *lines = as_csv(rows).splitlines()
    assert head.split(",")[:4] == ["label", "t", "class", "pixels"]
    assert len(lines) == 3
    columns = as_features(rows)
    assert columns["index"] == [0, 5, 5, 8]
    assert {len(column) for column in columns.values()} == {4}
