"""Cell tracking: a movie's labels become a result folder of the challenge, and come back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_clickseg.propagation.track_events import Event
from napari_clickseg.storage.cell_tracking import (
    HIGHEST,
    Track,
    check_ids,
    check_tracks,
    parents_of,
    read_result,
    write_result,
)

HELA = Path(__file__).parents[2] / "shared" / "data" / "ctc_fluo_n2dl_hela_01"


def movie(*times: dict[int, int]) -> np.ndarray:
    """Per time point, ids by column."""
    labels = np.zeros((len(times), 4, 8), np.int32)
    for plane, objects in zip(labels, times, strict=True):
        for column, label in objects.items():
            plane[1:3, column] = label
    return labels


DIVISION = movie({1: 1}, {1: 1}, {0: 2, 3: 3}, {0: 2, 3: 3})


def test_a_division_comes_back_with_its_parents(tmp_path: Path) -> None:
    tracks = write_result(tmp_path / "01_RES", DIVISION, {2: 1, 3: 1})
    assert tracks == [Track(1, 0, 1), Track(2, 2, 3, 1), Track(3, 2, 3, 1)]
    assert (tmp_path / "01_RES" / "res_track.txt").read_bytes() == b"1 0 1 0\n2 2 3 1\n3 2 3 1\n"
    assert sorted(path.name for path in (tmp_path / "01_RES").glob("*.tif")) == [f"mask00{k}.tif" for k in range(4)]
    assert tifffile.imread(tmp_path / "01_RES" / "mask000.tif").dtype == np.uint16
    labels, again = read_result(tmp_path / "01_RES")
    np.testing.assert_array_equal(labels, DIVISION)
    assert again == tracks


def test_events_of_division_name_the_parents_of_what_was_drawn_there() -> None:
    events = [
        Event("division", (2,), 1, "Object 1 divides.", ((1.2, 0.0), (1.0, 3.4))),
        Event("division", (3,), 7, "Object 7 divides; nothing is drawn there yet.", ((1.0, 6.0),)),
        Event("lost", (3,), 2, "Object 2 is lost.", ((1.0, 3.0),)),
    ]
    assert parents_of(events, DIVISION) == {2: 1, 3: 1}


def test_stacks_over_time_and_lazy_labels_are_written_too(tmp_path: Path) -> None:
    labels = np.stack([DIVISION, DIVISION], axis=1)
    write_result(tmp_path / "01_RES", zarr.array(labels))
    np.testing.assert_array_equal(read_result(tmp_path / "01_RES")[0], labels)


def test_long_movies_get_longer_names(tmp_path: Path) -> None:
    write_result(tmp_path / "r", np.ones((1001, 2, 2), np.uint8))
    assert (tmp_path / "r" / "mask1000.tif").is_file()
    assert read_result(tmp_path / "r")[1] == [Track(1, 0, 1000)]


def test_an_object_that_comes_back_is_refused_or_split(tmp_path: Path) -> None:
    labels = movie({1: 4}, {}, {1: 4}, {1: 4, 5: 5}, {}, {1: 4})
    with pytest.raises(
        ValueError, match=r"Object 4 vanishes after time point 0 and comes back at 2 \(1 such objects\)"
    ):
        write_result(tmp_path / "r", labels)
    assert list(tmp_path.iterdir()) == []
    tracks = write_result(tmp_path / "r", labels, split_gaps=True)
    assert tracks == [Track(4, 0, 0), Track(5, 3, 3), Track(6, 2, 3, 4), Track(7, 5, 5, 6)]
    assert read_result(tmp_path / "r")[0][:, 1, 1].tolist() == [4, 0, 6, 6, 0, 7]


def test_a_split_object_of_the_highest_id_goes_on_under_a_free_one(tmp_path: Path) -> None:
    tracks = write_result(tmp_path / "r", movie({1: HIGHEST, 3: 1}, {}, {1: HIGHEST}), split_gaps=True)
    assert tracks == [Track(1, 0, 0), Track(2, 2, 2, HIGHEST), Track(HIGHEST, 0, 0)]


def test_ids_that_do_not_fit_are_told_before_any_work(tmp_path: Path) -> None:
    check_ids(None, movie({1: 70_000}))
    check_ids(tmp_path / "r", movie({1: HIGHEST}))
    with pytest.raises(ValueError, match="ids from 1 to 65535, but here are ids from 0 to 70000"):
        check_ids(tmp_path / "r", movie({}, {1: 70_000}))
    with pytest.raises(ValueError, match="to 65536"):
        check_ids(tmp_path / "r", None, (3, 65_536))


def test_daughters_of_an_object_that_was_split_come_from_its_last_piece(tmp_path: Path) -> None:
    tracks = write_result(tmp_path / "r", movie({1: 1}, {}, {1: 1}, {2: 2}), {2: 1}, split_gaps=True)
    assert tracks == [Track(1, 0, 0), Track(2, 3, 3, 3), Track(3, 2, 2, 1)]


@pytest.mark.parametrize(
    ("labels", "parents", "sentence"),
    [
        (np.ones((4, 4), int), {}, "has the axes TYX or TZYX"),
        (movie({1: 70_000}), {}, "Track 70000: ids lie between 1 and 65535"),
        (movie({1: -2}), {}, "Track -2: ids lie between"),
        (DIVISION, {2: 9}, "Track 2 names the parent 9, but there is no such track"),
        (DIVISION, {2: 3}, "Track 2 begins at 2, but its parent 3 is there until 3"),
    ],
)
def test_what_the_challenge_does_not_allow_is_refused_and_leaves_nothing(
    tmp_path: Path, labels: np.ndarray, parents: dict[int, int], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        write_result(tmp_path / "r", labels, parents)
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="occur once"):
        check_tracks([Track(1, 0, 1), Track(1, 2, 3)])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("res_track.txt", b"1 0 1 0\n2 2 3 1\n", "do not agree on the objects 3"),
        ("res_track.txt", b"1 0 1 0\n2 2 3 1\n3 x 3 1\n", "cannot be read as a result folder"),
        ("mask002.tif", b"no tiff", "cannot be read as a result folder"),
    ],
)
def test_a_damaged_folder_is_told_in_a_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    write_result(tmp_path, DIVISION, {2: 1, 3: 1})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read_result(tmp_path)


@pytest.mark.parametrize("name", ["mask001.tif", "MASK001.TIF", "mask1.tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float32])
def test_results_of_other_programs_are_read_however_they_store_ids(tmp_path: Path, name: str, dtype: type) -> None:
    for file, number in (("mask000.tif", 1), (name, 2)):
        tifffile.imwrite(tmp_path / file, np.full((2, 3), number, dtype))
    (tmp_path / "res_track.txt").write_bytes("\ufeff1\t0\t0\t0\r\n2 1 1 1\r\n\r\n".encode())
    labels, tracks = read_result(tmp_path)
    assert labels[:, 0, 0].tolist() == [1, 2]
    assert tracks == [Track(1, 0, 0), Track(2, 1, 1, 1)]


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.zeros((4, 4), np.uint16), "mask001.tif has the shape"),
        (np.full((2, 3), 70_000), "ids of a result folder end"),
    ],
)
def test_masks_that_belong_to_no_result_are_named(tmp_path: Path, mask: np.ndarray, sentence: str) -> None:
    tifffile.imwrite(tmp_path / "mask000.tif", np.ones((2, 3), np.uint16))
    tifffile.imwrite(tmp_path / "mask001.tif", mask)
    (tmp_path / "res_track.txt").write_text("1 0 0 0\n")
    with pytest.raises(ValueError, match=sentence):
        read_result(tmp_path)


def test_a_folder_without_masks_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no result folder"):
        read_result(tmp_path)


@pytest.mark.skipif(not HELA.is_dir(), reason="needs the annotated data")
def test_the_hela_movie_comes_back_with_its_lineage(tmp_path: Path) -> None:
    labels = tifffile.imread(HELA / "labels" / "hela01.tif")
    with open(HELA / "tracks.csv", newline="") as handle:
        rows = [{name: int(value) for name, value in row.items()} for row in csv.DictReader(handle)]
    there = set(np.unique(labels).tolist()) - {0}
    parents = {row["label"]: row["parent"] for row in rows if row["label"] in there and row["parent"] in there}
    tracks = write_result(tmp_path / "01_RES", labels, parents, split_gaps=True)
    back, again = read_result(tmp_path / "01_RES")
    assert again == tracks
    assert len(tracks) >= len(there)
    assert {
        track.label: track.parent for track in tracks if track.parent and track.label in there
    }.keys() == parents.keys()
    np.testing.assert_array_equal(back > 0, labels > 0)


def test_an_earlier_result_is_replaced_but_no_other_folder(tmp_path: Path) -> None:
    write_result(tmp_path / "01_RES", DIVISION, {2: 1, 3: 1})
    write_result(tmp_path / "01_RES", DIVISION[:2])
    assert read_result(tmp_path / "01_RES")[1] == [Track(1, 0, 1)]
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="no result folder, so it is not replaced"):
        write_result(tmp_path / "precious", DIVISION)
    assert (tmp_path / "precious" / "notes.txt").read_text() == "mine"
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        write_result(tmp_path / "nowhere" / "01_RES", DIVISION)
