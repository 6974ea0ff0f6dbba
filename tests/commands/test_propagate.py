"""clickseg propagate: what it writes, what it tells, and what it says of bad input."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from command_lines import refused
from movies import first_only, movie
from napari_clickseg.cli import main
from napari_clickseg.commands.propagate import COMMAND
from napari_clickseg.propagation import propagate
from napari_clickseg.storage import write_labels as files
from napari_clickseg.storage.cell_tracking import Track, read_result

FRAMES = [{1: (24, 20 + 3 * t, 7), 2: (24, 60 + 2 * t, 7)} for t in range(4)]


def save(path: str, array: np.ndarray, axes: str) -> None:
    tifffile.imwrite(path, array, ome=True, photometric="minisblack", metadata={"axes": axes, "PhysicalSizeX": 0.5})


@pytest.fixture(autouse=True)
def clip(here: Path) -> np.ndarray:
    """A movie of two disks, labels of its first frame, and of all."""
    image, truth = movie(FRAMES)
    save("movie.tif", image.array, "TYX")
    save("first.tif", truth[0].astype(np.uint8), "YX")
    save("truth.tif", truth.astype(np.uint16), "TYX")
    return truth


def carried(*more: str, labels: str = "first.tif") -> int:
    line = ["propagate", "movie.tif", "--labels", labels, "--output", "out.tif", "--model", "geodesic", "--asked", "0"]
    return main([*line, *more])


def good(truth: np.ndarray, label: int, *frames: int) -> bool:
    labels = tifffile.imread("out.tif")
    both = [(labels[t] == label, truth[t] == label) for t in frames]
    return all((a & b).sum() / (a | b).sum() > 0.9 for a, b in both)


def drawn(*ids: int) -> list[int]:
    """The frames of the output that hold any of these ids."""
    return [t for t, plane in enumerate(tifffile.imread("out.tif")) if np.isin(plane, ids).any()]


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def test_labels_of_one_frame_are_carried_over_all_others(clip: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    assert carried() == 0
    assert good(clip, 1, 0, 1, 2, 3)
    assert good(clip, 2, 0, 1, 2, 3)
    assert "written: out.tif (3 of 3 frames, no events)" in capsys.readouterr().out


def test_spacing_and_axes_of_the_image_are_kept() -> None:
    assert carried() == 0
    with tifffile.TiffFile("out.tif") as tiff:
        assert tiff.series[0].axes == "TYX"
        assert 'PhysicalSizeX="0.5"' in tiff.ome_metadata


def test_a_range_of_frames_some_objects_and_backwards(clip: np.ndarray) -> None:
    assert carried("--from", "3", "--backwards", "--frames", "1-3", "--objects", "2", labels="truth.tif") == 0
    assert good(clip, 2, 1, 2, 3)
    save("last.tif", clip[3].astype(np.uint8), "YX")
    assert carried("--from", "3", "--backwards", "--frames", "1-3", "--objects", "2", labels="last.tif") == 0
    assert drawn(2) == [1, 2, 3]
    assert drawn(1) == [3]


def test_between_two_frames(clip: np.ndarray) -> None:
    save("ends.tif", (first_only(clip) + first_only(clip, 3)).astype(np.uint8), "TYX")
    assert carried("--between", "0", "3", labels="ends.tif") == 0
    assert good(clip, 1, 0, 1, 2, 3)


def test_the_model_is_asked_where_it_should_be(clip: np.ndarray) -> None:
    assert carried("--asked", "all") == 0
    assert drawn(1, 2) == [0, 1, 2, 3]


def test_a_confirmed_frame_ends_it(clip: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    assert carried("--confirmed", "2") == 0
    assert drawn(1, 2) == [0, 1]
    assert "Frame 2 is confirmed" in capsys.readouterr().out


def test_events_and_review_are_written_as_tables(clip: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    gone = np.array(tifffile.imread("movie.tif"))
    gone[2:, :, :40] = 20
    save("movie.tif", gone, "TYX")
    assert carried("--events", "events.csv", "--review", "review.csv") == 0
    (event,) = rows("events.csv")
    assert (event["frame"], event["object"]) == ("2", "1")
    assert f"frame 2: {event['sentence']}" in capsys.readouterr().out
    review = rows("review.csv")
    assert {row["frame"] for row in review} == {"1", "2", "3"}
    assert [float(row["score"]) for row in review] == sorted((float(row["score"]) for row in review), reverse=True)


def test_a_carried_movie_is_a_result_of_the_challenge(capsys: pytest.CaptureFixture[str]) -> None:
    assert carried("--ctc", "01_RES") == 0
    labels, tracks = read_result("01_RES")
    np.testing.assert_array_equal(labels, tifffile.imread("out.tif"))
    assert tracks == [Track(1, 0, 3), Track(2, 0, 3)]
    assert "written: 01_RES (2 tracks, 0 of them from a parent)" in capsys.readouterr().out


def test_daughters_that_are_drawn_where_a_division_was_seen_have_a_parent(
    clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    divides = propagate.Event("division", (1,), 1, "Object 1 divides.", ((24.0, 63.0), (24.0, 62.0)))
    nothing = propagate.nothing(2)

    def divided(*args: object, **more: object) -> Iterator[propagate.Carried]:
        yield propagate.Carried((1,), nothing, events=(divides,))

    monkeypatch.setattr(propagate, "carry", divided)
    truth = np.array(clip, np.uint16)
    truth[0][truth[0] == 2] = 0
    truth[1:][truth[1:] == 1] = 0
    save("truth.tif", truth, "TYX")
    assert carried("--ctc", "01_RES", labels="truth.tif") == 0
    assert read_result("01_RES")[1] == [Track(1, 0, 0), Track(2, 1, 3, 1)]


def test_no_movie_and_no_other_folder_becomes_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    Path("data/notes.txt").write_text("mine", "utf-8")
    assert carried("--ctc", "data") == 2
    assert "data is there already and is no result folder" in capsys.readouterr().err
    assert carried("--ctc", "01_RES", "--axes", "ZYX") == 2
    assert "holds a movie of the axes TYX or TZYX, but this image has ZYX" in capsys.readouterr().err
    assert not Path("out.tif").exists()


def test_ids_that_no_result_can_hold_are_refused_before_the_walk(
    clip: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    save("first.tif", (clip[0] * 40_000).astype(np.uint32), "YX")
    assert carried("--ctc", "01_RES") == 2
    assert "holds ids from 1 to 65535, but here are ids from 0 to 80000" in capsys.readouterr().err
    assert not Path("out.tif").exists()


def test_a_walk_that_cannot_be_written_is_kept_elsewhere_and_said_where(
    clip: np.ndarray, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = files.write_labels
    full: list[bool] = [False]

    def refusing(path: Path, *labels: object) -> None:
        if path == Path("out.tif") or full[0]:
            raise OSError(28, f"{path} cannot be written: No space left on device")
        written(path, *labels)

    monkeypatch.setattr(files, "write_labels", refusing)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert carried() == 2
    said = capsys.readouterr().err
    assert "No space left on device; the labels are kept in " in said
    (kept,) = tmp_path.glob("clickseg-out-*.tif")
    assert str(kept) in said
    assert (tifffile.imread(kept)[3] > 0).any()
    full[0] = True
    assert carried() == 2
    assert "nor could the labels be kept elsewhere" in capsys.readouterr().err


def test_the_frames_counted_are_those_with_objects(clip: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    gone = np.array(tifffile.imread("movie.tif"))
    gone[2:] = 20
    save("movie.tif", gone, "TYX")
    assert carried() == 0
    assert drawn(1, 2) == [0, 1]
    said = capsys.readouterr().out
    assert "written: out.tif (1 of 3 frames, 2 disappearance)" in said
    assert "No object is left to track" in said


def test_the_limits_are_those_of_carrying_where_none_are_named() -> None:
    defaults = {option.names[0]: option.settings.get("default") for option in COMMAND.options}
    assert (defaults["--asked"], defaults["--least"]) == (propagate.ASKED, propagate.LEAST)


def test_without_events_the_table_has_its_columns_only() -> None:
    assert carried("--events", "events.csv") == 0
    assert Path("events.csv").read_text("utf-8") == "frame,kind,object,sentence,where\n"


def test_ctrl_c_leaves_what_was_carried_and_tells_how_to_go_on(
    clip: np.ndarray, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = propagate.carry

    def interrupted(*args: object, **more: object) -> Iterator[propagate.Carried]:
        steps = whole(*args, **more)
        yield next(steps)
        raise KeyboardInterrupt

    monkeypatch.setattr(propagate, "carry", interrupted)
    assert carried() == 130
    assert drawn(1, 2) == [0, 1]
    assert "go on with --labels out.tif --from 1 and another --output" in capsys.readouterr().err
    monkeypatch.setattr(propagate, "carry", whole)
    Path("out.tif").rename("half.tif")
    assert carried("--from", "1", labels="half.tif") == 0
    assert good(clip, 1, 0, 1, 2, 3)


def test_frames_along_two_axes_are_named_by_both(clip: np.ndarray) -> None:
    image, _ = movie(FRAMES)
    save("movie.tif", np.stack([image.array] * 2), "TZYX")
    assert carried("--from", "1,0", "--along", "z") == 0
    labels = tifffile.imread("out.tif")
    assert not labels[0].any()
    assert all((labels[1, z] > 0).any() for z in range(4))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--from", "9"], "There is no frame 9: the last one along T is 3"),
        (["--from", "x"], "Frame 'x' is no index along T"),
        (["--along", "z"], "--along z is no axis of frames; there is T"),
        (["--from", "3"], "There is no frame to carry to from frame 3"),
        (
            ["--frames", "0-3", "--from", "2"],
            "frames 0-1 lie before it: carry to them with --backwards",
        ),
        (["--frames", "0-3", "--from", "2", "--backwards"], "frame 3 lies after it: carry to them without"),
        (["--between", "0", "3", "--frames", "1-2"], "--between carries to all frames between the two"),
        (["--objects", "8"], "frame 0 has no object 8; there are"),
        (["--labels", "none.tif"], "There is no file none.tif"),
        (["--labels", "image.tif"], "but this image needs labels of the shape (4, 48, 96) or (48, 96)"),
        (["--labels", "movie.tif"], "labels must be whole numbers"),
        (["--model", "resnet"], "There is no model 'resnet'"),
        (["--output", "out.jpg"], "must end in"),
    ],
)
def test_bad_input_ends_with_one_sentence(capsys: pytest.CaptureFixture[str], more: list[str], sentence: str) -> None:
    assert sentence in refused(capsys, carried(*more))


def test_a_single_plane_has_no_frames(capsys: pytest.CaptureFixture[str]) -> None:
    save("movie.tif", np.zeros((48, 96), np.uint8), "YX")
    assert "a single frame" in refused(capsys, carried())


@pytest.mark.parametrize("option", [("--least", "1.5"), ("--asked", "-1"), ("--frames", "5-3")])
def test_values_out_of_range_are_refused_by_name(capsys: pytest.CaptureFixture[str], option: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        carried(*option)
    assert option[0] in capsys.readouterr().err
