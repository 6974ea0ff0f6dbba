"""clickseg segment: what it writes, and what it says of bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3

from command_lines import discs, refused, segment, write_clicks
from napari_clickseg.batch import segment as batch
from napari_clickseg.cli import main
from napari_clickseg.storage.cell_tracking import Track, read_result


def test_segment_writes_labels_with_the_ids_of_the_table_and_the_images_spacing() -> None:
    assert segment() == 0
    with tifffile.TiffFile("out.tif") as tiff:
        labels, metadata = tiff.asarray(), tiff.ome_metadata
    assert labels[20, 20] == 1
    assert labels[20, 60] == 2
    assert labels[20, 40] == 0
    assert 'PhysicalSizeX="0.5"' in metadata


def test_segment_takes_up_objects_of_given_labels_and_leaves_the_others_alone() -> None:
    prior = np.zeros((40, 80), np.uint8)
    prior[10:31, 10:16] = 1
    prior[0:5, 70:80] = 9
    tifffile.imwrite("prior.tif", prior)
    assert segment("--labels", "prior.tif") == 0
    labels = tifffile.imread("out.tif")
    np.testing.assert_array_equal(labels == 9, prior == 9)
    assert labels[20, 20] == 1
    assert labels[20, 12] == 1
    assert (labels == 1).sum() > (prior == 1).sum()


def test_segment_counts_the_objects_that_were_clicked(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment() == 0
    assert "(2 objects clicked," in capsys.readouterr().out
    write_clicks("clicks.csv", [(1, 1, 20, 20)])
    assert segment() == 0
    assert "(1 object clicked," in capsys.readouterr().out


def test_segment_works_on_a_stack_with_a_column_per_axis() -> None:
    tifffile.imwrite("image.tif", np.stack([discs()] * 3), metadata={"axes": "TYX"}, photometric="minisblack")
    write_clicks("clicks.csv", [(5, 1, 1, 20, 20), (5, 1, 2, 20, 20)], ("t", "y", "x"))
    assert segment() == 0
    labels = tifffile.imread("out.tif")
    assert labels[:, 20, 20].tolist() == [0, 5, 5]


def test_segment_writes_a_movie_as_a_result_of_the_challenge_too(capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("image.tif", np.stack([discs()] * 3), ome=True, metadata={"axes": "TYX"}, photometric="minisblack")
    write_clicks("clicks.csv", [(5, 1, 0, 20, 20), (5, 1, 2, 20, 20), (2, 1, 1, 20, 60)], ("t", "y", "x"))
    assert segment("--ctc", "01_RES") == 0
    labels, tracks = read_result("01_RES")
    assert tracks == [Track(2, 1, 1), Track(5, 0, 0), Track(6, 2, 2, 5)]
    np.testing.assert_array_equal(labels > 0, tifffile.imread("out.tif") > 0)
    assert "written: 01_RES" in capsys.readouterr().out


def test_a_single_plane_is_no_result_of_the_challenge(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("--ctc", "01_RES") == 2
    assert "holds a movie of the axes TYX or TZYX, but this image has YX" in capsys.readouterr().err
    assert not Path("out.tif").exists()


def test_an_object_without_pixels_is_left_out_and_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    write_clicks("clicks.csv", [(1, 0, 20, 20), (2, 1, 20, 60)])
    assert segment() == 0
    assert "object 1 is left out" in capsys.readouterr().err
    assert set(np.unique(tifffile.imread("out.tif"))) == {0, 2}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--labels", "none.tif"], "There is no file none.tif"),
        (["--model", "resnet"], "There is no model 'resnet'; there are"),
        (["--model", "none.safetensors"], "There is no weights file none.safetensors"),
        (["--channel", "3"], "There is no channel 3"),
        (["--axes", "ZYX"], "must name each of the 2 axes"),
        (["--labels", "clicks.csv"], "clicks.csv cannot be read as an image"),
        (["--output", "out.jpg"], "must end in .tif"),
        (["--output", "nowhere/out.tif"], "There is no folder nowhere"),
    ],
)
def test_bad_options_of_segment_end_with_one_sentence(
    capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    assert sentence in refused(capsys, segment(*more))


def test_a_recipe_is_no_model_yet(no_weights: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert "ritm is a recipe: `clickseg train ritm` makes it." in refused(capsys, segment("--model", "ritm"))


@pytest.mark.parametrize(
    ("rows", "axes", "sentence"),
    [
        ([(3, 1, 20, 80)], ("y", "x"), "Object 3: the click (20, 80) lies outside the image of shape (40, 80)"),
        ([(3, 1, 20, "nan")], ("y", "x"), "line 2: y, x must be finite numbers"),
        ([(3, "maybe", 20, 20)], ("y", "x"), "line 2: 'positive' is 'maybe'"),
        ([(0, 1, 20, 20)], ("y", "x"), "object ids are whole numbers from 1 on"),
        ([(1, 1, 20, 20)], ("row", "column"), "has no column y, x"),
        ([], ("y", "x"), "holds no clicks"),
    ],
)
def test_bad_clicks_end_with_one_sentence(
    capsys: pytest.CaptureFixture[str], rows: list[tuple], axes: tuple[str, str], sentence: str
) -> None:
    write_clicks("clicks.csv", rows, axes)
    assert sentence in refused(capsys, segment())


def test_missing_files_end_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("clicks.csv").unlink()
    assert "There is no file clicks.csv" in refused(capsys, segment())
    Path("image.tif").unlink()
    assert "There is no file image.tif" in refused(capsys, segment())


def test_corrupt_weights_end_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.safetensors").write_bytes(b"\x00" * 64)
    assert "mine.safetensors" in refused(capsys, segment("--model", "mine.safetensors"))


def test_labels_of_another_shape_or_kind_end_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    v3.imwrite("prior.png", np.zeros((8, 8), np.uint8))
    assert "(8, 8)" in refused(capsys, segment("--labels", "prior.png"))
    tifffile.imwrite("prior.tif", np.full((40, 80), 0.5, np.float32))
    assert "labels must be whole numbers" in refused(capsys, segment("--labels", "prior.tif"))


def test_ctrl_c_ends_with_130_and_no_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "click_all", interrupted)
    assert segment() == 130
    assert not Path("out.tif").exists()
    assert "stopped" in capsys.readouterr().err


# -- folders -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def plate(here: Path) -> Path:
    """A tree of images with tables of clicks beside it: one broken, one without a table."""
    for name in ("A1/a", "A1/b", "B2/a", "B2/broken"):
        path = here / "plate" / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, discs())
        (here / "clicks" / name).parent.mkdir(parents=True, exist_ok=True)
        write_clicks(str(here / "clicks" / f"{name}.csv"), [(1, 1, 20, 20), (3, 1, 20, 60)])
    (here / "clicks" / "A1" / "b.csv").unlink()
    (here / "plate" / "B2" / "broken.tif").write_bytes(b"no image")
    return here / "plate"


def on_plate(*more: str) -> int:
    return main(["segment", "plate", "--clicks", "clicks", "--output", "out", "--model", "geodesic", *more])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_folder_is_segmented_image_by_image_and_what_fails_is_listed(
    plate: Path, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    assert on_plate("--jobs", jobs) == 1
    out, err = capsys.readouterr()
    assert sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.tif")) == ["A1/a.tif", "B2/a.tif"]
    assert np.unique(tifffile.imread("out/B2/a.tif")).tolist() == [0, 1, 3]
    assert "1 images have no table in clicks and are left out" in err
    assert "broken.tif cannot be read as an image" in err
    assert err.splitlines()[-1] == "clickseg segment: 1 of 3 images could not be segmented."
    assert "written: 2 files of labels below out" in out


def test_a_folder_goes_on_where_it_was_stopped(plate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (plate / "B2" / "broken.tif").unlink()
    assert on_plate() == 0
    Path("out/A1/a.tif").write_bytes(b"as it was")
    tifffile.imwrite("plate/B2/broken.tif", discs())
    assert on_plate() == 0
    assert "2 of 3 images are done already" in capsys.readouterr().out
    assert Path("out/A1/a.tif").read_bytes() == b"as it was"
    assert on_plate("--force") == 0
    assert tifffile.imread("out/A1/a.tif").max() == 3


def test_a_folder_is_segmented_on_a_cluster(plate: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        assert on_plate("--scheduler", cluster.scheduler_address) == 1
    assert tifffile.imread("out/B2/a.tif").max() == 3


def test_a_folder_can_begin_with_labels_and_end_in_another_format(plate: Path) -> None:
    Path("prior/A1").mkdir(parents=True)
    v3.imwrite("prior/A1/a.png", np.pad(np.full((3, 3), 9, np.uint8), ((0, 37), (77, 0))))
    assert on_plate("--labels", "prior", "--format", ".png") == 1
    assert np.unique(v3.imread("out/A1/a.png")).tolist() == [0, 1, 3, 9]
    assert np.unique(v3.imread("out/B2/a.png")).tolist() == [0, 1, 3]


def test_images_that_would_share_a_file_of_labels_are_refused(plate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    v3.imwrite("plate/A1/a.png", discs())
    assert "would both become" in refused(capsys, on_plate())


def test_a_folder_is_no_movie(plate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_plate("--ctc", "01_RES") == 2
    assert "--ctc takes one movie" in capsys.readouterr().err


def test_a_folder_without_tables_is_refused(plate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no file or folder none (--clicks)" in refused(capsys, on_plate("--clicks", "none"))


def test_a_model_that_only_answers_clicks_asks_for_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert "answers clicks" in refused(
        capsys, main(["segment", "image.tif", "--output", "out.tif", "--model", "geodesic"])
    )


def test_a_least_quality_is_a_share(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        segment("--min-quality", "1.5")
    assert "1.5 must lie between 0 and 1" in capsys.readouterr().err


def test_a_least_quality_is_about_found_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert "with --clicks, leave it out" in refused(capsys, segment("--min-quality", "0.7"))


def test_a_folder_without_clicks_is_refused_once_for_such_a_model(
    plate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["segment", "plate", "--output", "out", "--model", "geodesic"])
    assert "geodesic answers clicks" in refused(capsys, code)
    assert not Path("out").exists()
