"""Folders of one's own: what training reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from imageio import v3

from napari_clickseg.training.data import Plane, Pool, read_planes

IMAGE = np.array([[0, 51], [102, 255]], np.uint8)


def write(folder: Path, **files: np.ndarray) -> None:
    for name, array in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        v3.imwrite(path, array)


def only_plane(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    ((image, labels),) = read_planes(folder.parent, folder.name, "train")
    return image, labels


def test_labels_beside_the_images_are_trained_on(tmp_path: Path):
    write(tmp_path, a=IMAGE, a_masks=np.array([[0, 1], [2, 2]], np.uint8))
    image, labels = only_plane(tmp_path)
    assert image[..., 0] == pytest.approx(IMAGE / 255)
    assert labels.tolist() == [[0, 1], [2, 2]]


def test_masks_that_leave_nothing_open_are_trained_on(tmp_path: Path):
    write(tmp_path, images__a=IMAGE, masks__a=np.array([[0, 255], [0, 0]], np.uint8))
    assert only_plane(tmp_path)[1].tolist() == [[0, 1], [0, 0]]


def test_masks_that_leave_pixels_open_are_refused(tmp_path: Path):
    write(tmp_path, images__a=IMAGE, masks__a=np.array([[0, 255], [128, 0]], np.uint8))
    with pytest.raises(ValueError, match=r"a\.png leaves pixels open \(128\)"):
        only_plane(tmp_path)


def test_an_image_without_labels_is_told(tmp_path: Path):
    write(tmp_path, images__a=IMAGE, images__b=IMAGE, labels__b=IMAGE)
    with pytest.raises(ValueError, match="There is an image a, but"):
        list(read_planes(tmp_path.parent, tmp_path.name, "train"))


def test_of_a_pool_with_drawn_planes_these_can_be_had_alone():
    plane = Plane((), torch.zeros(0), ())
    mixed = Pool({"cells": [plane], "synthetic": [plane, plane]}, {"cells": 0.7, "synthetic": 0.3})
    assert list(mixed.drawn().planes) == ["synthetic"]
    real = Pool({"cells": [plane]}, {"cells": 1.0})
    assert list(real.drawn().planes) == ["cells"]
