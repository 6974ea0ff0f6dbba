"""Folders of one's own: what training reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from imageio import v3

from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.training.data import Plane, Pool, load_pool, planes_to_draw, read_planes

IMAGE = np.array([[0, 51], [102, 255]], np.uint8)


def write(folder: Path, **files: np.ndarray) -> None:
    for name, array in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        v3.imwrite(path, array)


def only_plane(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    ((image, labels),) = read_planes(folder.parent, folder.name, "train")
    return image, labels


def write_tiff(folder: Path, array: np.ndarray, axes: str, labels: np.ndarray) -> None:
    tifffile.imwrite(folder / "a.tif", array, metadata={"axes": axes}, ome=True, photometric="minisblack")
    tifffile.imwrite(folder / "a_masks.tif", labels, photometric="minisblack")


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


@pytest.mark.parametrize(("folder", "ground"), [("labels", 1), ("masks", 255)])
def test_a_background_that_is_no_0_is_asked_about_and_taken(tmp_path: Path, folder: str, ground: int):
    labels = np.full((20, 20), ground, np.uint8)
    labels[4:12, 4:12] = 0 if folder == "masks" else 7
    write(tmp_path, images__a=np.arange(400, dtype=np.uint8).reshape(20, 20), **{f"{folder}__a": labels})
    with pytest.raises(ValueError, match=rf"a\.png: .*--background {ground}"):
        list(read_planes(tmp_path.parent, tmp_path.name, "train", None))
    ((_, read),) = read_planes(tmp_path.parent, tmp_path.name, "train", ground)
    assert np.argwhere(read).tolist() == [[y, x] for y in range(4, 12) for x in range(4, 12)]


def test_an_image_without_labels_is_told(tmp_path: Path):
    write(tmp_path, images__a=IMAGE, images__b=IMAGE, labels__b=IMAGE)
    with pytest.raises(ValueError, match="There is an image a, but"):
        list(read_planes(tmp_path.parent, tmp_path.name, "train"))


def test_two_channels_that_come_first_are_trained_on_with_their_mean_as_the_third(tmp_path: Path):
    write_tiff(tmp_path, np.stack((IMAGE, IMAGE[::-1])), "CYX", IMAGE)
    image, labels = only_plane(tmp_path)
    assert image.shape == (2, 2, 3)
    assert labels.tolist() == IMAGE.tolist()
    assert np.moveaxis(image, -1, 0) * 255 == pytest.approx(np.stack((IMAGE, IMAGE[::-1], [[51, 153], [51, 153]])))


def test_of_more_than_three_channels_the_first_three_are_trained_on_as_the_panel_shows_them(tmp_path: Path):
    write_tiff(tmp_path, np.stack([IMAGE // (k + 1) for k in range(5)]), "CYX", IMAGE)
    assert only_plane(tmp_path)[0][1, 1] * 255 == pytest.approx([255, 127, 85])


def test_of_a_stack_with_channels_each_plane_has_them_all(tmp_path: Path):
    stack = np.arange(2 * 3 * 25, dtype=np.uint8).reshape(2, 3, 5, 5)
    write_tiff(tmp_path, stack, "ZCYX", np.ones((2, 5, 5), np.uint8))
    planes = list(read_planes(tmp_path.parent, tmp_path.name, "train"))
    assert [image[0, 0].tolist() for image, _ in planes] == [
        pytest.approx([0, 25 / 255, 50 / 255]),
        pytest.approx([75 / 255, 100 / 255, 125 / 255]),
    ]


def test_of_a_movie_of_stacks_every_plane_is_trained_on(tmp_path: Path):
    movie = np.arange(2 * 3 * 25, dtype=np.uint8).reshape(2, 3, 5, 5)
    write_tiff(tmp_path, movie, "TZYX", movie)
    planes = list(read_planes(tmp_path.parent, tmp_path.name, "train"))
    assert [round(255 * float(image[0, 0, 0])) for image, _ in planes] == [0, 25, 50, 75, 100, 125]


def test_an_image_and_labels_of_different_shape_are_refused_by_name_before_anything_is_drawn(tmp_path: Path):
    write_tiff(tmp_path, np.zeros((2, 8, 8), np.uint8), "ZYX", np.ones((8, 8), np.uint8))
    told: list[str] = []
    with pytest.raises(ValueError, match=r"a\.tif and its labels differ in shape: \(2, 8, 8\) and \(8, 8\)"):
        load_pool(
            tmp_path.parent, {tmp_path.name: 0.7, "synthetic": 0.3}, "train", torch.device("cpu"), 0.5, tell=told.append
        )
    assert told == [f"reading {tmp_path.name}"]


def test_reading_and_drawing_are_counted_and_can_be_stopped_between_planes(tmp_path: Path):
    write(tmp_path, a=IMAGE, a_masks=IMAGE)
    told: list[str] = []
    stop = Stop()

    def tell(doing: str) -> None:
        stop.check()
        told.append(doing)
        if doing.startswith("drawing planes: 2 "):
            stop.request()

    with pytest.raises(Stopped):
        load_pool(
            tmp_path.parent,
            {tmp_path.name: 0.7, "synthetic": 0.3},
            "train",
            torch.device("cpu"),
            0.5,
            drawn=40,
            tell=tell,
        )
    name = tmp_path.name
    assert told == [f"reading {name}", f"reading {name}: 1", "drawing planes: 1 of 40", "drawing planes: 2 of 40"]


def test_only_short_runs_draw_fewer_planes():
    assert planes_to_draw(20000 * 16) == planes_to_draw(20000 * 16, minutes=15.5) == 400
    assert planes_to_draw(100 * 16) == 200
    assert planes_to_draw(1) == planes_to_draw(20000 * 16, minutes=0.1) == 40


def test_of_a_pool_with_drawn_planes_these_can_be_had_alone():
    plane = Plane((), torch.zeros(0), ())
    mixed = Pool({"cells": [plane], "synthetic": [plane, plane]}, {"cells": 0.7, "synthetic": 0.3})
    assert list(mixed.drawn().planes) == ["synthetic"]
    real = Pool({"cells": [plane]}, {"cells": 1.0})
    assert list(real.drawn().planes) == ["cells"]
