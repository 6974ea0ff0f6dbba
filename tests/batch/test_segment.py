"""Batch: an image on disk becomes labels on disk, of any number of axes; what fails is told and leaves nothing."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from skimage.measure import label as components

from doubles import Disks, Seeing
from napari_clickseg.batch import segment as batch
from napari_clickseg.batch.segment import Job, attempt, find_images, room_for, segment_image
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.session.session import Session
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.write_labels import write_labels


@dataclass(frozen=True)
class Bright(Disks):
    """Finds what is brighter than a half by itself."""

    name: str = "bright"

    def segment(self, image: Image, frame: tuple[int, ...], stop: Stop = NEVER) -> np.ndarray:
        return components(image.everywhere(frame, 1, 2)[0] > 0.5).astype(np.int32)


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"disks": Disks(), "bright": Bright()}
    monkeypatch.setattr(batch, "_loaded", lambda model, device: table[model])


def squares(*shape: int) -> np.ndarray:
    """Two bright squares on each plane."""
    image = np.zeros(shape, np.float32)
    image[..., 2:6, 2:6] = image[..., 10:14, 3:7] = 1
    return image


def table(path: Path, axes: str, *rows: tuple) -> Path:
    with open(path, "w", newline="") as handle:
        csv.writer(handle).writerows([("object", "positive", *axes), *rows])
    return path


@pytest.mark.parametrize("name", ["out.tif", "out.zarr", "out.npy"])
def test_clicks_on_a_movie_of_stacks_lie_on_their_frames(tmp_path: Path, name: str) -> None:
    spacing = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0, "TimeIncrement": 60.0}
    tifffile.imwrite(tmp_path / "a.tif", squares(3, 2, 16, 16), ome=True, metadata={"axes": "TZYX", **spacing})
    clicks = table(tmp_path / "a.csv", "tzyx", (7, 1, 2, 1, 4, 4), (7, 1, 0, 0, 8, 8), (9, 1, 1, 1, 4, 4))
    done = segment_image(Job(tmp_path / "a.tif", tmp_path / name, clicks, model="disks"))
    back = read_image(tmp_path / name, "TZYX")
    labels = np.asarray(back.array[...])
    assert labels[2, 1, 4, 4] == 7
    assert labels[0, 0, 8, 8] == 7
    assert labels[1, 1, 4, 4] == 9
    assert (labels > 0).any(axis=(2, 3)).sum() == 3
    assert (done.objects, done.left_out, done.model) == (2, (), "disks on cpu")
    if name != "out.npy":
        assert back.spacing == (60.0, 2.0, 0.5, 0.5)


def test_a_model_that_finds_objects_needs_no_clicks(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", squares(3, 16, 16))
    done = segment_image(Job(tmp_path / "a.npy", tmp_path / "out.tif", model="bright"))
    labels = tifffile.imread(tmp_path / "out.tif")
    assert done.objects == 6
    assert [np.unique(plane).tolist() for plane in labels] == [[0, 1, 2], [0, 3, 4], [0, 5, 6]]


def test_objects_that_are_there_stay_and_new_ones_come_into_the_background(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", squares(2, 16, 16))
    prior = np.zeros((2, 16, 16), np.uint8)
    prior[0, 1:5, 1:5] = 3
    write_labels(tmp_path / "prior.tif", prior, "TYX")
    job = Job(tmp_path / "a.npy", tmp_path / "out.tif", labels=tmp_path / "prior.tif", model="bright", axes="TYX")
    segment_image(job)
    labels = tifffile.imread(tmp_path / "out.tif")
    np.testing.assert_array_equal(labels == 3, prior == 3)
    assert labels[1].max() > 3


def test_a_click_model_that_sees_objects_segments_without_clicks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = np.zeros((2, 96, 96), np.float32)
    plane[0, 10:24, 10:24], plane[0, 50:64, 60:74], plane[1, 30:44, 30:44] = 0.9, 0.7, 0.5
    np.save(tmp_path / "a.npy", plane)
    monkeypatch.setattr(batch, "_loaded", lambda model, device: Seeing())
    job = Job(tmp_path / "a.npy", tmp_path / "out.tif", model="seeing", axes="TYX")
    assert segment_image(job).objects == 2
    assert segment_image(replace(job, least=0.8)).objects == 1
    done = segment_image(replace(job, least=0.4, diameter=16.0))
    assert done.objects == 3
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif") > 0, plane > 0)


def test_a_model_that_only_answers_clicks_asks_for_them(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", squares(16, 16))
    with pytest.raises(ValueError, match=r"disks answers clicks: name a table of them \(--clicks\)"):
        segment_image(Job(tmp_path / "a.npy", tmp_path / "out.tif", model="disks"))
    assert not (tmp_path / "out.tif").exists()


def test_large_labels_are_drawn_in_a_file_that_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "IN_MEMORY", 100)
    zarr.save_array(tmp_path / "a.zarr", squares(3, 16, 16))
    clicks = table(tmp_path / "a.csv", "zyx", (1, 1, 1, 4, 4))
    segment_image(Job(tmp_path / "a.zarr", tmp_path / "out.tif", clicks, model="disks"))
    assert tifffile.imread(tmp_path / "out.tif")[1, 4, 4] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.zarr", "out.tif"]
    with room_for(np.full((3, 16, 16), 5, np.uint8), (3, 16, 16), tmp_path) as labels:
        assert isinstance(labels, np.memmap)
        assert (labels == 5).all()


def test_labels_of_a_movie_of_one_frame_are_known_though_a_tiff_drops_that_axis(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", squares(1, 16, 16))
    write_labels(tmp_path / "prior.tif", np.full((1, 16, 16), 3), "TYX")
    segment_image(Job(tmp_path / "a.npy", tmp_path / "out.npy", labels=tmp_path / "prior.tif", model="bright"))
    assert np.load(tmp_path / "out.npy").shape == (1, 16, 16)


def test_what_fails_is_told_as_a_value(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"no image")
    done = attempt(Job(tmp_path / "a.tif", tmp_path / "out.tif", model="bright"))
    assert "a.tif cannot be read as an image" in done.fault
    assert "\n" not in done.fault
    assert attempt(Job(tmp_path / "a.tif", tmp_path / "out.tif", model="none")).fault


def test_labels_of_another_shape_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", squares(16, 16))
    np.save(tmp_path / "b.npy", np.zeros((4, 4), int))
    done = attempt(Job(tmp_path / "a.npy", tmp_path / "out.tif", labels=tmp_path / "b.npy", model="bright"))
    assert "b.npy has the shape (4, 4), but this image needs labels of the shape (16, 16)" in done.fault


def test_images_of_a_folder_are_found_at_any_depth_but_not_inside_zarr(tmp_path: Path) -> None:
    (tmp_path / "plate" / "A1").mkdir(parents=True)
    for name in ("b.tif", "plate/A1/a.PNG", "notes.txt", ".hidden.tif"):
        (tmp_path / name).touch()
    zarr.save_array(tmp_path / "plate" / "z.zarr", np.zeros((4, 4)))
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["b.tif", "plate/A1/a.PNG", "plate/z.zarr"]
    assert find_images(tmp_path / "plate" / "z.zarr") == [tmp_path / "plate" / "z.zarr"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="There are no images in"):
        find_images(tmp_path / "empty")


def test_alpha_is_written_beside_the_labels(tmp_path: Path) -> None:
    """One disk, certain inside: its alpha is 1 there and 0 elsewhere; the largest of all objects counts."""
    image = np.zeros((20, 24), np.float32)
    image[6:15, 6:15] = 1
    tifffile.imwrite(tmp_path / "image.tif", image)
    (tmp_path / "clicks.csv").write_text("object,positive,y,x\n1,1,10,10\n")
    job = Job(tmp_path / "image.tif", tmp_path / "labels.tif", tmp_path / "clicks.csv", model="disks")
    segment_image(replace(job, alpha=tmp_path / "alpha.tif"))
    alpha, labels = (tifffile.imread(tmp_path / name) for name in ("alpha.tif", "labels.tif"))
    assert alpha.dtype == np.float32
    assert alpha.shape == labels.shape
    np.testing.assert_array_equal(alpha > 0.5, labels > 0)


def test_alpha_wants_clicks_and_a_tiff(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((20, 24), np.float32))
    job = Job(tmp_path / "image.tif", tmp_path / "labels.tif", alpha=tmp_path / "alpha.tif")
    with pytest.raises(ValueError, match="name a table of clicks"):
        segment_image(job)
    with pytest.raises(ValueError, match=r"name a \.tif, not"):
        segment_image(replace(job, clicks=tmp_path / "clicks.csv", alpha=tmp_path / "alpha.png"))


def test_ids_are_found_slab_by_slab_so_that_no_plane_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((2, 50, 40), np.int32)
    labels[0, 3, 3], labels[1, 49, 39], labels[1, 20, 20] = 5, 7, 2**31 - 1
    asked: list[tuple[int, ...]] = []

    class Watched:
        shape, dtype = labels.shape, labels.dtype

        def __getitem__(self, index: tuple) -> np.ndarray:
            asked.append(labels[index].shape)
            return labels[index]

    monkeypatch.setattr(batch, "SLAB", 160)
    assert batch._ids_among(Watched(), [5, 6, 7, 2**31 - 1]) == {5, 7, 2**31 - 1}
    assert max(rows for rows, _ in asked) == 4


# -- boxes -------------------------------------------------------------------------------------------------------------


def box_job(folder: Path, rows: str, labels: np.ndarray | None = None) -> Job:
    """A job with a table of clicks on a plane of 64 x 64 with a bright square."""
    np.save(folder / "a.npy", squares(64, 64))
    (folder / "clicks.csv").write_text(f"object,positive,y,x\n{rows}")
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    there = None if labels is None else folder / "labels.npy"
    return Job(folder / "a.npy", folder / "out.tif", model="disks", clicks=folder / "clicks.csv", labels=there)


def test_a_box_draws_what_the_session_draws_with_it_and_clicks_correct_that(tmp_path: Path) -> None:
    done = segment_image(box_job(tmp_path, "4,box,10,12\n4,box,40,50\n4,0,38,14\n"))
    session = Session(np.load(tmp_path / "a.npy"), Disks())
    session.start_new(4)
    session.box((10, 12), (40, 50))
    session.click((38, 14), positive=False)
    session.commit()
    assert done.objects == 1
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), session.labels)
    assert (session.labels == 4).any()


def test_a_box_that_reaches_out_of_the_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Object 4: its box reaches out of the image of shape \(64, 64\)"):
        segment_image(box_job(tmp_path, "4,box,10,12\n4,box,40,64\n"))
    assert not (tmp_path / "out.tif").exists()


def test_a_box_around_an_object_that_is_there_is_refused(tmp_path: Path) -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[20:30, 20:30] = 4
    with pytest.raises(ValueError, match="Object 4 is there already; a box begins a new object"):
        segment_image(box_job(tmp_path, "4,box,10,12\n4,box,40,50\n", labels))
