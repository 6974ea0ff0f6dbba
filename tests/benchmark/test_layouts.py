"""Layouts of published datasets, each as a handful of pixels."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from imageio import v3
from PIL import Image as Picture
from scipy.io import savemat

from napari_clickseg.benchmark.annotation_formats import find_layout
from napari_clickseg.benchmark.datasets import find_sources, list_targets, read_items, read_plane

OLD_ARRAY_PROTOCOL = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
"""pycocotools hands its masks to NumPy in the way of NumPy 1."""


def at(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, rows: Any, dtype: type = np.uint8) -> None:
    v3.imwrite(at(path), np.array(rows, dtype))


def photo(path: Path, height: int = 2, width: int = 3) -> None:
    write(path, np.full((height, width, 3), 90))


def write_indices(path: Path, rows: Any) -> None:
    """A picture with a palette of colours, as VOC and DAVIS write annotations."""
    picture = Picture.fromarray(np.array(rows, np.uint8), "L").convert("P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [224, 224, 192] * 253)
    picture.save(at(path))


def lines(path: Path, *text: str) -> None:
    at(path).write_text("\n".join(text) + "\n")


def objects(folder: Path, split: str = "test") -> list[tuple[str, tuple[int, ...], int, int]]:
    targets = list_targets(read_items("s", folder, split), smallest=1)
    return [(target.item.name, target.frame, target.label, target.area) for target in targets]


def first_plane(folder: Path, frame: tuple[int, ...] = ()) -> Any:
    return read_plane(read_items("s", folder, "test")[0], frame)


def layout_of(folder: Path) -> str:
    layout = find_layout(folder)
    assert layout is not None
    return layout.name


def test_a_folder_of_nothing_we_know_has_no_layout(tmp_path: Path) -> None:
    assert find_layout(tmp_path) is None
    with pytest.raises(ValueError, match=r"JPEGImages/480p/ and Annotations/480p/"):
        find_sources(tmp_path)
    with pytest.raises(ValueError, match="layout is not known"):
        read_items("s", tmp_path, "test")


def test_layouts_stand_side_by_side_in_a_pack(tmp_path: Path) -> None:
    photo(tmp_path / "cuts" / "data_GT" / "a.jpg")
    write(tmp_path / "cuts" / "boundary_GT" / "a.bmp", [[0, 128, 255]] * 2)
    write(tmp_path / "mine" / "a.tif", [[0]])
    write(tmp_path / "mine" / "a_masks.tif", [[1]])
    (tmp_path / "empty").mkdir()
    assert list(find_sources(tmp_path)) == ["cuts", "mine"]


def test_grabcut_has_one_object_and_a_band_that_counts_neither_way(tmp_path: Path) -> None:
    photo(tmp_path / "data_GT" / "flower.jpg")
    write(tmp_path / "boundary_GT" / "flower.bmp", [[0, 128, 255], [0, 255, 255]])
    assert layout_of(tmp_path) == "GrabCut"
    assert objects(tmp_path) == [("flower", (), 1, 3)]
    plane = first_plane(tmp_path)
    assert plane.labels.tolist() == [[0, 0, 1], [0, 1, 1]]
    assert plane.ignore.tolist() == [[False, True, False], [False, False, False]]


def test_berkeley_may_have_several_masks_of_an_image(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "1.jpg")
    write(tmp_path / "masks" / "1#001.png", [[255, 0, 0], [0, 0, 0]])
    write(tmp_path / "masks" / "1#002.png", [[0, 0, 255], [0, 0, 255]])
    assert objects(tmp_path) == [("1#001", (), 1, 1), ("1#002", (), 1, 2)]


def test_label_images_in_a_folder_of_masks_are_taken_as_such(tmp_path: Path) -> None:
    write(tmp_path / "images" / "a.png", [[9, 9, 9]])
    write(tmp_path / "masks" / "a.png", [[0, 1, 2]])
    assert objects(tmp_path) == [("a", (), 1, 1), ("a", (), 2, 1)]


def voc(folder: Path) -> None:
    for name in ("2007_1", "2007_2"):
        photo(folder / "JPEGImages" / f"{name}.jpg")
        write_indices(folder / "SegmentationObject" / f"{name}.png", [[0, 255, 1], [2, 2, 1]])
    lines(folder / "ImageSets" / "Segmentation" / "train.txt", "2007_1")
    lines(folder / "ImageSets" / "Segmentation" / "val.txt", "2007_2")


def test_voc_counts_indices_as_objects_and_ignores_its_void(tmp_path: Path) -> None:
    voc(tmp_path)
    assert layout_of(tmp_path) == "PASCAL VOC"
    assert objects(tmp_path) == [("2007_2", (), 1, 2), ("2007_2", (), 2, 2)]
    plane = first_plane(tmp_path)
    assert plane.labels.tolist() == [[0, 0, 1], [2, 2, 1]]
    assert plane.ignore.tolist() == [[False, True, False], [False, False, False]]


def test_the_published_test_split_is_val(tmp_path: Path) -> None:
    voc(tmp_path)
    assert objects(tmp_path, "test") == objects(tmp_path, "val")
    assert {name for name, *_ in objects(tmp_path, "train")} == {"2007_1"}
    with pytest.raises(ValueError, match="no split 'all'; there are train, val"):
        objects(tmp_path, "all")


def test_an_image_that_the_list_names_must_be_there(tmp_path: Path) -> None:
    voc(tmp_path)
    (tmp_path / "JPEGImages" / "2007_2.jpg").unlink()
    with pytest.raises(ValueError, match=r"2007_2\.jpg is missing"):
        objects(tmp_path)


def test_sbd_reads_instances_from_matlab_files(tmp_path: Path) -> None:
    photo(tmp_path / "img" / "2008_1.jpg")
    instances = {"Segmentation": np.array([[0, 1, 1], [2, 0, 1]], np.uint8), "Categories": np.array([[3], [7]])}
    savemat(at(tmp_path / "inst" / "2008_1.mat"), {"GTinst": instances})
    lines(tmp_path / "val.txt", "2008_1")
    assert layout_of(tmp_path) == "SBD"
    assert objects(tmp_path) == [("2008_1", (), 1, 3), ("2008_1", (), 2, 1)]


def test_davis_of_2017_has_several_objects_in_each_listed_sequence(tmp_path: Path) -> None:
    for sequence in ("bear", "kite"):
        for frame in ("00000", "00001"):
            photo(tmp_path / "JPEGImages" / "480p" / sequence / f"{frame}.jpg")
            write_indices(tmp_path / "Annotations" / "480p" / sequence / f"{frame}.png", [[0, 1, 1], [0, 0, 2]])
    lines(tmp_path / "ImageSets" / "2017" / "val.txt", "kite")
    assert layout_of(tmp_path) == "DAVIS"
    assert objects(tmp_path) == [
        ("kite_00000", (), 1, 2),
        ("kite_00000", (), 2, 1),
        ("kite_00001", (), 1, 2),
        ("kite_00001", (), 2, 1),
    ]


def test_davis_of_2016_lists_frames_and_has_one_object(tmp_path: Path) -> None:
    for frame in ("00000", "00001"):
        photo(tmp_path / "JPEGImages" / "480p" / "bear" / f"{frame}.jpg")
        write(tmp_path / "Annotations" / "480p" / "bear" / f"{frame}.png", [[0, 255, 255], [0, 0, 0]])
    listed = "/JPEGImages/480p/bear/00001.jpg /Annotations/480p/bear/00001.png"
    lines(tmp_path / "ImageSets" / "480p" / "val.txt", listed)
    assert objects(tmp_path) == [("bear_00001", (), 1, 2)]


def test_davis_without_lists_says_so(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages" / "480p").mkdir(parents=True)
    (tmp_path / "Annotations" / "480p").mkdir(parents=True)
    with pytest.raises(ValueError, match="none of 2017, 2016, 480p"):
        objects(tmp_path)


SQUARE = [[1, 1, 4, 1, 4, 4, 1, 4]]
"""Pixels 1 to 3 along x and y of a polygon's corners x, y, x, y .."""
RUNS = {"size": [6, 6], "counts": [14, 2, 20]}
"""Column by column: 14 pixels off, 2 on. So x = 2, y = 2 and 3."""


def coco(folder: Path, name: str = "annotations/instances_val2017.json", **image: str) -> None:
    record = {"id": 7, "height": 6, "width": 6, **(image or {"file_name": "07.jpg"})}
    annotations = [
        {"id": 30, "image_id": 7, "segmentation": SQUARE},
        {"id": 31, "image_id": 7, "segmentation": RUNS},
        {"id": 32, "image_id": 7, "segmentation": RUNS, "iscrowd": 1},
        {"id": 33, "image_id": 7, "bbox": [0, 0, 2, 2]},
    ]
    lines(folder / name, json.dumps({"images": [record], "annotations": annotations}))
    photo(folder / "val2017" / "07.jpg", 6, 6)


@pytest.mark.filterwarnings(OLD_ARRAY_PROTOCOL)
def test_objects_of_coco_may_overlap_and_crowds_are_none(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    coco(tmp_path)
    assert layout_of(tmp_path) == "COCO, LVIS"
    assert objects(tmp_path) == [("07", (), 30, 9), ("07", (), 31, 2)]
    square, runs = (read_plane(item, ()).labels for item in read_items("s", tmp_path, "val"))
    assert square[1:4, 1:4].tolist() == [[30] * 3] * 3
    assert runs[2:4, 2].tolist() == [31, 31]


@pytest.mark.filterwarnings(OLD_ARRAY_PROTOCOL)
def test_lvis_names_images_by_their_address(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    coco(tmp_path, "lvis_v1_val.json", coco_url="http://images.example/val2017/07.jpg")
    assert [name for name, *_ in objects(tmp_path)] == ["07", "07"]


@pytest.mark.filterwarnings(OLD_ARRAY_PROTOCOL)
def test_packed_run_lengths_are_read(tmp_path: Path) -> None:
    masks = pytest.importorskip("pycocotools.mask")
    coco(tmp_path)
    path = tmp_path / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    packed = masks.frPyObjects(RUNS, 6, 6)
    content["annotations"] = [{"id": 1, "image_id": 7, "segmentation": {**packed, "counts": packed["counts"].decode()}}]
    path.write_text(json.dumps(content))
    assert objects(tmp_path) == [("07", (), 1, 2)]


def test_without_pycocotools_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coco(tmp_path)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(ValueError, match=r'pip install "napari-clickseg\[bench\]"'):
        objects(tmp_path)


def test_two_files_of_annotations_for_a_split_are_told(tmp_path: Path) -> None:
    coco(tmp_path)
    coco(tmp_path, "annotations/lvis_v1_val.json")
    with pytest.raises(ValueError, match=r"one file .* holds instances_val2017\.json, lvis_v1_val\.json"):
        objects(tmp_path)


def test_an_image_of_coco_that_is_not_there_is_told(tmp_path: Path) -> None:
    coco(tmp_path, file_name="08.jpg")
    with pytest.raises(ValueError, match=r"The image 08\.jpg is in none of"):
        objects(tmp_path)


def test_annotations_that_are_none_are_told(tmp_path: Path) -> None:
    lines(tmp_path / "annotations" / "instances_val2017.json", "[]")
    with pytest.raises(ValueError, match="cannot be read as annotations of COCO or LVIS"):
        objects(tmp_path)


def frames(folder: Path, *shape: int) -> None:
    """Two frames of the sequence 01."""
    for frame in range(2):
        tifffile.imwrite(at(folder / "01" / f"t00{frame}.tif"), np.full(shape, 90, np.uint16))


def test_frames_of_the_challenge_with_gold_truth_are_items(tmp_path: Path) -> None:
    frames(tmp_path, 2, 5)
    tifffile.imwrite(at(tmp_path / "01_GT" / "SEG" / "man_seg001.tif"), np.array([[0, 4, 4, 0, 9]] * 2, np.uint16))
    tifffile.imwrite(at(tmp_path / "01_ST" / "SEG" / "man_seg000.tif"), np.ones((2, 5), np.uint16))
    assert layout_of(tmp_path) == "Cell Tracking Challenge"
    assert objects(tmp_path) == [("01_t001", (), 4, 4), ("01_t001", (), 9, 2)]


def test_silver_truth_serves_where_there_is_no_gold(tmp_path: Path) -> None:
    frames(tmp_path, 2, 5)
    (tmp_path / "01_GT" / "TRA").mkdir(parents=True)
    tifffile.imwrite(at(tmp_path / "01_ST" / "SEG" / "man_seg000.tif"), np.ones((2, 5), np.uint16))
    assert objects(tmp_path) == [("01_t000", (), 1, 10)]


def test_volumes_of_the_challenge_are_taken_plane_by_plane(tmp_path: Path) -> None:
    frames(tmp_path, 6, 2, 5)
    labels = np.zeros((6, 2, 5), np.uint16)
    labels[1, :, :2] = 6
    tifffile.imwrite(at(tmp_path / "01_GT" / "SEG" / "man_seg000.tif"), labels)
    assert objects(tmp_path) == [("01_t000", (1,), 6, 4)]
    assert first_plane(tmp_path, (1,)).labels.tolist() == [[6, 6, 0, 0, 0]] * 2


def test_a_slice_of_a_volume_is_that_plane_alone(tmp_path: Path) -> None:
    frames(tmp_path, 6, 2, 5)
    tifffile.imwrite(at(tmp_path / "01_GT" / "SEG" / "man_seg_000_002.tif"), np.array([[0, 4, 4, 0, 9]] * 2, np.uint16))
    assert objects(tmp_path) == [("01_t000", (2,), 4, 4), ("01_t000", (2,), 9, 2)]
    plane = first_plane(tmp_path, (2,))
    assert plane.image.shape == (2, 5)
    assert plane.labels.tolist() == [[0, 4, 4, 0, 9]] * 2


def test_markers_alone_are_no_outlines(tmp_path: Path) -> None:
    frames(tmp_path, 2, 5)
    (tmp_path / "01_GT" / "TRA").mkdir(parents=True)
    with pytest.raises(ValueError, match="markers for tracking"):
        objects(tmp_path)


def test_a_segmentation_of_another_name_is_told(tmp_path: Path) -> None:
    frames(tmp_path, 2, 5)
    tifffile.imwrite(at(tmp_path / "01_GT" / "SEG" / "man_seg_a.tif"), np.ones((2, 5), np.uint16))
    with pytest.raises(ValueError, match="must be named man_segTTT"):
        objects(tmp_path)
