"""Each export is read by a reader of its format, or by its format's own rule; holes and parts come back."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from skimage.draw import polygon2mask

from napari_clickseg.storage.exports import EXPORTS, export_for
from napari_clickseg.storage.exports.frames import Exported
from napari_clickseg.storage.read_labels import read_labels


def plane() -> np.ndarray:
    """A ring (7), an object in two parts (3), one pixel (300), one at the corner (1)."""
    labels = np.zeros((30, 40), np.uint16)
    labels[4:14, 5:15] = 7
    labels[7:11, 8:12] = 0
    labels[20:25, 3:8] = labels[20:25, 20:30] = 3
    labels[15, 30] = 300
    labels[27:, 36:] = 1
    return labels


def movie() -> np.ndarray:
    return np.stack([plane(), np.roll(plane(), 1, axis=1) * (plane() > 0), np.zeros((30, 40), np.uint16)])


@pytest.mark.parametrize("name", ["rois", "geojson", "coco"])
@pytest.mark.parametrize(("labels", "axes"), [(plane(), "YX"), (movie(), "TYX"), (movie(), "ZYX")])
def test_what_can_be_read_comes_back_pixel_by_pixel(tmp_path: Path, name: str, labels: np.ndarray, axes: str):
    export = EXPORTS[name]
    path = tmp_path / f"cells{export.suffix}"
    export.write(path, Exported(labels, axes))
    assert np.array_equal(export.read(path, labels.shape, axes), labels)


@pytest.mark.parametrize("name", ["rois", "geojson", "coco"])
def test_classes_come_back_with_the_objects(tmp_path: Path, name: str):
    export, classes = EXPORTS[name], {7: "Tumor: positive", 300: "größer"}
    path = tmp_path / f"cells{export.suffix}"
    export.write(path, Exported(movie(), "TYX", classes=classes))
    assert export.read_classes(path) == classes
    export.write(path, Exported(movie(), "TYX"))
    assert export.read_classes(path) == {}


def test_classes_have_colours_in_qupath_and_groups_in_imagej(tmp_path: Path):
    exported = Exported(plane(), "YX", classes={7: "b", 3: "a", 1: "b"})
    EXPORTS["geojson"].write(tmp_path / "a.geojson", exported)
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    colours = {f["properties"]["name"]: f["properties"].get("classification", {}).get("color") for f in features}
    assert colours == {"1": [86, 180, 233], "3": [230, 159, 0], "7": [86, 180, 233], "300": None}
    EXPORTS["rois"].write(tmp_path / "a.zip", exported)
    groups = {region.name: region.group for region in roifile.roiread(tmp_path / "a.zip")}
    assert groups == {"object 1": 2, "object 3": 1, "object 7": 2, "object 300": 0}


def test_groups_that_imagej_gave_are_classes(tmp_path: Path):
    region = roifile.ImagejRoi.frompoints([(2, 3), (8, 3), (8, 9)], name="0006-0005")
    region.group = 4
    roifile.roiwrite(tmp_path / "drawn.zip", [region])
    assert EXPORTS["rois"].read_classes(tmp_path / "drawn.zip") == {1: "group 4"}


@pytest.mark.parametrize("name", ["rois", "geojson", "coco"])
def test_without_an_image_the_file_gives_a_size_that_holds_all(tmp_path: Path, name: str):
    export = EXPORTS[name]
    path = tmp_path / f"cells{export.suffix}"
    export.write(path, Exported(plane(), "YX"))
    back = export.read(path)
    assert np.array_equal(back, plane()[: back.shape[0], : back.shape[1]])
    assert np.unique(back).tolist() == [0, 1, 3, 7, 300]


def test_imagej_sees_regions_with_places_classes_and_composites(tmp_path: Path):
    EXPORTS["rois"].write(tmp_path / "a.zip", Exported(movie(), "TYX", classes={7: "ring"}))
    regions = roifile.roiread(tmp_path / "a.zip")
    first = {region.name: region for region in regions if region.t_position == 1}
    assert set(first) == {"object 1", "object 3", "object 7", "object 300"}
    assert first["object 7"].composite
    assert "ring" in first["object 7"].props
    assert len(first["object 3"].coordinates(multi=True)) == 2
    outline = first["object 300"].coordinates()[:, ::-1]
    assert polygon2mask((30, 40), outline - 0.5)[15, 30]


def test_regions_that_imagej_drew_are_read(tmp_path: Path):
    drawn = [
        roifile.ImagejRoi.frompoints([(2, 3), (8, 3), (8, 9), (2, 9)], name="0006-0005"),
        roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=12, left=12, bottom=16, right=20, name="box"),
    ]
    roifile.roiwrite(tmp_path / "drawn.zip", drawn)
    labels = EXPORTS["rois"].read(tmp_path / "drawn.zip", (20, 24), "YX")
    assert (labels[3:9, 2:8] == 1).all()
    assert (labels == 1).sum() == 36
    assert (labels[12:16, 12:20] == 2).all()
    assert (labels == 2).sum() == 32


def test_geojson_closes_its_rings_and_carries_plane_and_class(tmp_path: Path):
    EXPORTS["geojson"].write(tmp_path / "a.geojson", Exported(movie(), "ZYX", classes={3: "pair"}))
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    pair = next(f for f in features if f["properties"]["name"] == "3")
    assert pair["geometry"]["type"] == "MultiPolygon"
    assert pair["properties"]["classification"]["name"] == "pair"
    assert {f["geometry"]["plane"]["z"] for f in features} == {0, 1}
    for part in pair["geometry"]["coordinates"]:
        assert part[0][0] == part[0][-1]


def test_pycocotools_opens_the_coco_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    EXPORTS["coco"].write(tmp_path / "a.json", Exported(movie(), "TYX", "m", classes={7: "ring"}))
    coco = COCO(str(tmp_path / "a.json"))
    capsys.readouterr()
    [found] = [a for a in coco.loadAnns(coco.getAnnIds(imgIds=[1])) if a["object_id"] == 7]
    assert coco.loadCats(found["category_id"])[0]["name"] == "ring"
    assert np.array_equal(coco.annToMask(found), plane() == 7)
    assert found["area"] == coco_mask.area(coco.annToRLE(found)) == 84


def test_yolo_polygons_filled_are_the_objects(tmp_path: Path):
    EXPORTS["yolo"].write(tmp_path / "a.txt", Exported(plane(), "YX", classes={7: "ring"}))
    names = (tmp_path / "classes.txt").read_text().splitlines()
    masks = []
    for line in (tmp_path / "a.txt").read_text().splitlines():
        number, *values = line.split()
        corners = np.array(values, float).reshape(-1, 2)[:, ::-1] * plane().shape
        masks.append((names[int(number)], polygon2mask(plane().shape, corners - 0.5)))
    wanted = [plane() == label for label in (1, 3, 7, 300)]
    assert [name for name, _ in masks] == ["object", "object", "ring", "object"]
    for (_, mask), truth in zip(masks, wanted, strict=True):
        assert (mask != truth).sum() <= 8  # that reader counts centres on a line its own way


def test_a_session_of_cellpose_is_read_as_labels(tmp_path: Path):
    EXPORTS["cellpose"].write(tmp_path / "a_seg.npy", Exported(plane(), "YX"))
    assert np.array_equal(read_labels(tmp_path / "a_seg.npy").array, plane())
    session = np.load(tmp_path / "a_seg.npy", allow_pickle=True).item()
    assert session["outlines"][4, 5] == 7
    assert session["outlines"][5, 6] == 0
    assert session["ismanual"].sum() == 4


def test_geff_holds_tracks_and_divisions(tmp_path: Path):
    geff = pytest.importorskip("geff")
    labels = np.zeros((3, 20, 20), np.uint16)
    labels[0, 2:6, 2:6] = labels[1, 2:6, 2:6] = 1
    labels[2, 2:4, 2:6], labels[2, 10:12, 2:6] = 2, 3
    EXPORTS["geff"].write(tmp_path / "a.geff", Exported(labels, "TYX", parents={2: 1, 3: 1}, spacing=(1, 0.5, 0.5)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph, about = geff.read(tmp_path / "a.geff", backend="networkx")
    assert [axis.name for axis in about.axes] == ["t", "y", "x"]
    by_label = {(data["label"], data["t"]): node for node, data in graph.nodes(data=True)}
    edges = {
        (by_label[1, 0.0], by_label[1, 1.0]),
        (by_label[1, 1.0], by_label[2, 2.0]),
        (by_label[1, 1.0], by_label[3, 2.0]),
    }
    assert set(graph.edges) == edges
    with pytest.raises(ValueError, match="axis of time"):
        EXPORTS["geff"].write(tmp_path / "b.geff", Exported(plane(), "YX"))


@pytest.mark.parametrize(
    ("name", "image", "masks"),
    [
        ("cellpose-pairs", "m_t0001.tif", "m_t0001_masks.tif"),
        ("stardist-pairs", "images/m_t0001.tif", "masks/m_t0001.tif"),
    ],
)
def test_pairs_hold_the_named_planes_alone(tmp_path: Path, name: str, image: str, masks: str):
    pixels = np.arange(3 * 30 * 40, dtype=np.uint16).reshape(3, 30, 40)
    EXPORTS[name].write(tmp_path / "out", Exported(movie(), "TYX", "m", pixels, frames=((1,), (2,))))
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.tif")) == [image, masks]
    assert np.array_equal(tifffile.imread(tmp_path / "out" / image), pixels[1])
    assert np.array_equal(tifffile.imread(tmp_path / "out" / masks), movie()[1])
    with pytest.raises(ValueError, match="need the image"):
        EXPORTS[name].write(tmp_path / "other", Exported(movie(), "TYX"))


def test_a_format_is_found_by_ending_or_name_and_others_are_listed():
    assert export_for("a_seg.npy").name == "cellpose"
    assert export_for("out", "yolo").name == "yolo"
    with pytest.raises(ValueError, match=r"\.geojson"):
        export_for("a.tif")
    with pytest.raises(ValueError, match="stardist-pairs"):
        export_for("a.zip", "zip")


@pytest.mark.parametrize("name", ["rois", "geojson", "coco"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"PK\x03\x04 not", b'{"features": [{"geometry": null}]}'])
def test_files_that_are_something_else_end_in_a_sentence(tmp_path: Path, name: str, content: bytes):
    path = tmp_path / f"a{EXPORTS[name].suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name):
        EXPORTS[name].read(path, (4, 4), "YX")
    with pytest.raises(ValueError, match=path.name):
        EXPORTS[name].read_classes(path)
