"""Codings: an annotation in each of them becomes labels of the image's shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3
from scipy.io import savemat

from napari_clickseg.benchmark.annotation_formats import Item, read_truth


def item(labels: Path, coding: str, image: Path = Path("none.png")) -> Item:
    return Item("source", "name", image, labels, coding)


@pytest.mark.parametrize(
    ("coding", "labels", "ignore"),
    [
        ("labels", [[0, 128, 255]], None),
        ("mask", [[0, 0, 1]], [[False, True, False]]),
        ("void", [[0, 128, 0]], [[False, False, True]]),
    ],
)
def test_the_same_picture_reads_as_its_coding_says(tmp_path: Path, coding: str, labels: list, ignore: object) -> None:
    v3.imwrite(tmp_path / "a.png", np.array([[0, 128, 255]], np.uint8))
    truth = read_truth(item(tmp_path / "a.png", coding))
    assert np.asarray(truth.labels.array).tolist() == labels
    assert (None if truth.ignore is None else truth.ignore.tolist()) == ignore


def test_grabcut_masks_and_data_that_say_themselves_what_is_background_are_not_asked_about(tmp_path: Path) -> None:
    v3.imwrite(tmp_path / "a.png", np.array([[0, 128, 255]] * 20, np.uint8))
    truth = read_truth(replace(item(tmp_path / "a.png", "mask"), background=None))
    assert np.asarray(truth.labels.array)[0].tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="far above all other numbers"):
        read_truth(replace(item(tmp_path / "a.png", "labels"), background=None))


def test_a_matlab_file_without_instances_is_one_sentence(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"other": 1})
    with pytest.raises(ValueError, match="cannot be read as instances of SBD"):
        read_truth(item(tmp_path / "a.mat", "sbd"))


def test_a_slice_stands_for_every_plane_of_its_stack(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((6, 2, 5), np.uint16))
    tifffile.imwrite(tmp_path / "slice.tif", np.array([[0, 4, 4, 0, 9]] * 2, np.uint16))
    labels = read_truth(item(tmp_path / "slice.tif", "slice", tmp_path / "stack.tif")).labels
    assert labels.shape == (6, 2, 5)
    assert np.asarray(labels.array)[5].tolist() == [[0, 4, 4, 0, 9]] * 2


def test_a_slice_that_fits_no_plane_is_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((6, 2, 5), np.uint16))
    tifffile.imwrite(tmp_path / "slice.tif", np.ones((2, 4), np.uint16))
    with pytest.raises(ValueError, match=r"slice\.tif is no plane of .*stack\.tif"):
        read_truth(item(tmp_path / "slice.tif", "slice", tmp_path / "stack.tif"))
