"""Sources: labels find their image, or a sentence says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imageio import v3
from PIL import Image as Picture

from napari_clickseg.storage.image_label_pairs import (
    find_pair,
    find_pairs,
    is_source,
    read_index,
    read_labels,
    read_mask,
)


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        v3.imwrite(path, np.zeros((4, 4), np.uint8))


def pairs_of(folder: Path) -> dict[str, tuple[str, str]]:
    return {name: (pair.image.name, pair.labels.name) for name, pair in find_pairs(folder).by_name.items()}


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("a.tif", "a.png"),
        ("a.tif", "a_mask.tif"),
        ("a.tif", "a-labels.png"),
        ("a.tif", "a_cp_masks.png"),
        ("a_img.tif", "a_masks.tif"),
        ("a_raw.tif", "a.tif"),
        ("a.ome.tif", "a_seg.tif"),
        ("img_1.png", "mask_1.png"),
        ("a_mask.tif", "a_mask.tif"),
    ],
)
def test_labels_find_their_image_by_its_name_and_a_usual_word(tmp_path: Path, image: str, labels: str) -> None:
    write(tmp_path, f"images/{image}", f"labels/{labels}")
    assert list(pairs_of(tmp_path).values()) == [(image, labels)]


def test_labels_of_exactly_the_same_name_come_first(tmp_path: Path) -> None:
    write(tmp_path, "images/a.tif", "labels/a.tif", "labels/a_mask.tif")
    assert pairs_of(tmp_path) == {"a": ("a.tif", "a.tif")}


def test_label_images_may_lie_beside_the_images_as_cellpose_writes_them(tmp_path: Path) -> None:
    write(tmp_path, "a.tif", "a_masks.tif", "b.tif", "b_cp_masks.png", "b_flows.tif", "c.tif")
    (tmp_path / "a_seg.npy").write_bytes(b"a session of Cellpose")
    assert is_source(tmp_path)
    assert pairs_of(tmp_path) == {"a": ("a.tif", "a_masks.tif"), "b": ("b.tif", "b_cp_masks.png")}


def test_a_folder_of_images_alone_is_no_source(tmp_path: Path) -> None:
    write(tmp_path, "a.tif", "b.tif", "mask.tif")
    assert not is_source(tmp_path)
    assert not is_source(tmp_path / "nowhere")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        find_pairs(tmp_path / "nowhere")


def test_images_without_labels_are_known_by_name(tmp_path: Path) -> None:
    write(tmp_path, "images/a.tif", "images/b.tif", "labels/b.tif")
    pairs = find_pairs(tmp_path)
    assert (list(pairs.by_name), pairs.unlabelled) == (["b"], ("a",))
    with pytest.raises(ValueError, match=r"There is an image a, but .* no image and label image of that name"):
        find_pair(tmp_path, pairs, "a")


def test_numbered_masks_are_an_object_each(tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", "masks/a#001.png", "masks/a#002.png")
    assert pairs_of(tmp_path) == {"a#001": ("a.jpg", "a#001.png"), "a#002": ("a.jpg", "a#002.png")}


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ["images/a.tif", "labels/a_mask.tif", "labels/a_labels.tif"],
            "several label images, a_labels.tif, a_mask.tif",
        ),
        (["images/a.tif", "images/a.png", "labels/a.tif"], "both a.png and a.tif: keep one"),
        (["images/a_img.tif", "images/a_raw.tif", "labels/a.tif"], "may belong to a_img or a_raw"),
        (["images/a.tif", "labels/first.tif"], "there are first.tif .. and a.tif .."),
        (["a.tif", "a_masks.tif", "a_labels.tif"], "several label images, a_labels.tif, a_masks.tif"),
    ],
)
def test_what_cannot_be_told_is_one_sentence(tmp_path: Path, names: list[str], sentence: str) -> None:
    write(tmp_path, *names)
    with pytest.raises(ValueError, match=sentence):
        find_pairs(tmp_path)


def test_files_that_are_no_images_do_not_disturb(tmp_path: Path) -> None:
    write(tmp_path, "images/a.png", "labels/a.png")
    for name in ("images/a.txt", "images/.a.png", "labels/Thumbs.db"):
        (tmp_path / name).write_text("no image")
    assert pairs_of(tmp_path) == {"a": ("a.png", "a.png")}


def test_an_index_is_read_row_by_row(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None
    (tmp_path / "index.csv").write_text("name,split\n007,train\n")
    assert read_index(tmp_path) == [{"name": "007", "split": "train"}]


def test_indices_of_a_coloured_palette_are_labels(tmp_path: Path) -> None:
    picture = Picture.fromarray(np.array([[0, 1], [2, 255]], np.uint8), "L").convert("P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [224, 224, 192] * 253)
    picture.save(tmp_path / "a.png")
    assert read_labels(tmp_path / "a.png", background=0).array.tolist() == [[0, 1], [2, 255]]


def test_a_palette_of_greys_is_a_grey_image(tmp_path: Path) -> None:
    picture = Picture.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
    picture.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])
    picture.save(tmp_path / "a.bmp")
    assert read_labels(tmp_path / "a.bmp", background=0).array.tolist() == [[0, 128, 255]]


def test_a_mask_saved_in_three_equal_channels_is_one_plane(tmp_path: Path) -> None:
    v3.imwrite(tmp_path / "a.png", np.repeat(np.array([[0, 255]], np.uint8)[..., None], 3, axis=-1))
    assert read_labels(tmp_path / "a.png").array.tolist() == [[0, 255]]


def test_colours_are_no_labels(tmp_path: Path) -> None:
    v3.imwrite(tmp_path / "a.png", np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8))
    with pytest.raises(ValueError, match=r"a\.png is no label image: it has colours"):
        read_labels(tmp_path / "a.png")


def test_a_damaged_picture_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image"):
        read_labels(tmp_path / "a.png")


def test_a_folder_of_masks_may_hold_label_images() -> None:
    labels = np.array([0, 1, 2])
    found, ignored = read_mask(labels)
    assert found is labels
    assert ignored is None
