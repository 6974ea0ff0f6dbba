"""Superpixels of small planes, and sums over them that can be done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_clickseg.inference.superpixels import (
    box_of_superpixels,
    centroid_distances,
    centroids,
    of_windows,
    superpixels,
    superpixels_at,
)

QUARTERS = torch.tensor([[[[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]]], dtype=torch.int32)
"""Centroids at (0.5, 0.5), (0.5, 2.5), (2.5, 0.5), (2.5, 2.5)."""
STRIPS = torch.tensor([[[[0, 1, 2, 2]] * 4]], dtype=torch.int32)
"""Centroids at (1.5, 0), (1.5, 1), (1.5, 2.5)."""
NONE = torch.zeros((1, 0, 2))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def one(y: float, x: float) -> torch.Tensor:
    return torch.tensor([[[y, x]]])


def test_superpixels_keep_to_one_side_of_an_edge_to_the_pixel():
    image = np.zeros((32, 32, 3), np.float32)
    image[:, 13:] = 1
    labels = superpixels(image, 16)
    assert labels.dtype == np.int32
    assert labels.shape == (32, 32)
    assert not set(labels[:, :12].flat) & set(labels[:, 14:].flat)


@pytest.mark.parametrize("amplitude", [0, 1])
def test_about_as_many_superpixels_come_as_were_asked_for_in_noise_too(amplitude):
    found = np.unique(superpixels(amplitude * noise(128, 128, 3), 1000))
    assert 900 <= len(found) <= 1100
    assert found[0] == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (4, 4, 3), (2, 30, 3)])
def test_a_window_has_no_more_superpixels_than_pixels(shape):
    labels = superpixels(np.zeros(shape, np.float32), 1000)
    assert labels.shape == shape[:2]
    assert labels.max() < labels.size


def test_neither_range_nor_batch_changes_superpixels():
    windows = torch.from_numpy(noise(3, 3, 32, 32))
    together = of_windows(windows, 50)
    assert together.shape == (3, 1, 32, 32)
    assert together.dtype == torch.int32
    for window, labels in zip(windows, together, strict=True):
        assert torch.equal(of_windows(window[None] * 4 - 2, 50)[0], labels)


def test_a_window_in_half_precision_has_superpixels():
    assert of_windows(torch.from_numpy(noise(1, 3, 16, 16)).bfloat16(), 9).shape == (1, 1, 16, 16)


def test_a_point_lies_on_the_superpixel_of_its_nearest_pixel_and_on_none_outside():
    points = torch.tensor([[[0.0, 0.0], [1.4, 1.6], [3.4, -0.4], [-0.6, 0.0], [0.0, 3.6], [-1e4, -1e4]]])
    assert superpixels_at(QUARTERS, points).tolist() == [[0, 1, 2, 4, 4, 4]]


def test_centroids_are_means_of_rows_and_columns():
    batch = torch.cat((QUARTERS, STRIPS))
    expected = [
        [[0.5, 0.5], [0.5, 2.5], [2.5, 0.5], [2.5, 2.5]],
        [[1.5, 0.0], [1.5, 1.0], [1.5, 2.5], [0.0, 0.0]],
    ]
    assert centroids(batch).tolist() == expected


def test_distances_run_from_centroid_to_the_nearest_clicked_centroid():
    row = [0.0, 1.0, 2.5, 2.5]
    assert centroid_distances(STRIPS, one(3, 0)).tolist() == [[[row] * 4]]
    both = torch.tensor([[[3.0, 0.0], [0.0, 3.0]]])
    assert centroid_distances(STRIPS, both).tolist() == [[[[0.0, 1.0, 0.0, 0.0]] * 4]]


def test_diagonal_superpixels_are_a_diagonal_apart():
    away = centroid_distances(QUARTERS, one(0, 0))[0, 0]
    assert away[0].tolist() == [0, 0, 2, 2]
    assert away[3].tolist() == pytest.approx([2, 2, 8**0.5, 8**0.5])


@pytest.mark.parametrize("points", [NONE, one(-1e4, -1e4), one(4, 0)])
def test_without_a_point_on_a_superpixel_all_are_infinitely_far(points):
    assert centroid_distances(QUARTERS, points).isinf().all()


def test_a_box_takes_in_each_superpixel_that_it_touches():
    inside = torch.zeros((1, 1, 4, 4), dtype=torch.bool)
    inside[0, 0, 1, 1:3] = True
    assert box_of_superpixels(QUARTERS, inside, NONE, NONE)[0, 0].tolist() == [[1] * 4, [1] * 4, [0] * 4, [0] * 4]


def test_points_add_and_remove_superpixels_and_removal_wins():
    inside = QUARTERS == 0
    assert box_of_superpixels(QUARTERS, inside, one(3, 3), NONE)[0, 0, :, 3].tolist() == [0, 0, 1, 1]
    assert box_of_superpixels(QUARTERS, inside, one(3, 3), one(0, 1))[0, 0, :, 0].tolist() == [0, 0, 0, 0]
    assert not box_of_superpixels(QUARTERS, inside, one(0, 0), one(1, 1)).any()


def test_points_outside_the_window_change_nothing():
    inside = QUARTERS == 3
    assert torch.equal(box_of_superpixels(QUARTERS, inside, one(9, 9), one(-9, 0)), inside.float())
