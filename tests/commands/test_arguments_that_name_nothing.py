"""Whatever is given and cannot be used is refused before the work, with what there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from command_lines import discs, write_clicks
from napari_clickseg.cli import main

PROPAGATE = ("propagate", "movie.tif", "--labels", "first.tif", "--output", "out.tif", "--model", "geodesic")
FOLDER = ("segment", "images", "--clicks", "tables", "--output", "out", "--model", "geodesic")


@pytest.fixture(autouse=True)
def movie(here: Path) -> None:
    """A movie of five frames, labels 1 and 2 of its first one, and a folder of images with tables."""
    tifffile.imwrite("movie.tif", np.stack([discs()] * 5), ome=True, metadata={"axes": "TYX"}, photometric="minisblack")
    tifffile.imwrite("first.tif", (discs() > 100) * (1 + (np.arange(80) > 40)).astype(np.uint16))
    for folder in ("images", "tables", "prior"):
        Path(folder).mkdir()
    for name in "ab":
        tifffile.imwrite(f"images/{name}.tif", discs())
        write_clicks(f"tables/{name}.csv", [(1, 1, 20, 20)])


def refuses(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The sentence of a command that is refused with nothing written; argparse's own refusals count."""
    try:
        code = main(list(arguments))
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert not Path("out.tif").exists()
    assert not Path("out").exists()
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--objects", "1,99"], "no object 99"),
        (["--objects", "98,99"], "no object 98, 99"),
        (["--objects", "1,99"], "there are 1, 2"),
        (["--objects", "0"], "no object 0"),
        (["--objects", ""], "--objects"),
        (["--objects", "one"], "--objects"),
        (["--frames", "2-"], "2-"),
        (["--frames", "2-9"], "0 to 4"),
        (["--frames", "7"], "0 to 4"),
        (["--frames", "3-2"], "lower frame first"),
        (["--frames", "1-2-3"], "1-2-3"),
        (["--frames=-2"], "-2"),
        (["--frames", "all"], "all"),
        (["--confirmed", "9"], "0 to 4"),
        (["--confirmed", "2,9"], "0 to 4"),
        (["--confirmed=-1"], "0 to 4"),
        (["--from", "7"], "There is no frame 7"),
        (["--from", "x"], "is no index along T (0 to 4); name one as in 0"),
        (["--along", "z"], "is no axis of frames"),
        (["--along", ""], "is no axis of frames"),
        (["--between", "0", "4", "--backwards"], "leave out --backwards"),
        (["--between", "0", "4", "--from", "2", "--frames", "1-2"], "leave out --from, --frames"),
        (["--events", "events.xlsx"], "would hold a table; let its name end in .csv or"),
        (["--device", "nonsense"], "There is no device 'nonsense' here; choose one of auto"),
        (["--device", "meta"], "There is no device 'meta'"),
        (["--background", "x"], "'x' is no whole number"),
        (["--axes", "XYT"], "XYT"),
        (["--axes", "TXY"], "TXY"),
        (["--axes", "TYY"], "TYY"),
        (["--axes", "T1X"], "T1X"),
        (["--axes", "YX"], "YX"),
        (["--channel", "1"], "There is no channel 1"),
        (["--labels", "none.tif"], "There is no file none.tif"),
        (["--model", "none"], "There is no model 'none'"),
    ],
)
def test_propagate_refuses_what_names_nothing(
    capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    assert sentence in refuses(capsys, *PROPAGATE, *more)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--labels", "typo/"], "There is no file or folder typo"),
        (["--labels", "typo"], "There is no file or folder typo"),
        (["--labels", "first.tif"], "first.tif is a file"),
        (["--labels", "prior"], "prior holds no labels"),
        (["--clicks", "clicks.csv"], "clicks.csv is a file"),
        (["--clicks", "typo"], "There is no file or folder typo"),
        (["--clicks", "prior"], "There is no table of clicks for any image"),
        (["--axes", "XY"], "XY"),
    ],
)
def test_segment_of_a_folder_refuses_what_names_nothing(
    capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    assert sentence in refuses(capsys, *FOLDER, *more)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--axes", "XY"], "XY"),
        (["--axes", "YY"], "YY"),
        (["--axes", "Y"], "Y"),
        (["--axes", "Y X"], "Y X"),
        (["--labels", "prior"], "prior is a folder"),
        (["--clicks", "tables"], "tables is a folder"),
        (["--format", ".png"], "--format"),
        (["--jobs", "2"], "--jobs"),
        (["--scheduler", "tcp://localhost:1"], "--scheduler"),
    ],
)
def test_segment_of_one_image_refuses_what_it_cannot_use(
    capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    command = ("segment", "image.tif", "--clicks", "clicks.csv", "--output", "out.tif", "--model", "geodesic")
    assert sentence in refuses(capsys, *command, *more)


def test_priors_of_some_images_only_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("prior/a.tif", np.pad(np.full((3, 3), 9, np.uint8), ((0, 37), (77, 0))))
    assert main([*FOLDER, "--labels", "prior"]) == 0
    assert "1 of 2 images have no labels in prior" in capsys.readouterr().err
    assert np.unique(tifffile.imread("out/a.tif")).tolist() == [0, 1, 9]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["bench", "--data", "pack", "--images", "3"], "--images needs --correct"),
        (["bench", "--data", "pack", "--failures", "3"], "--failures needs --correct"),
        (["bench", "--data", "pack", "--frames", "3"], "--frames needs --sequences"),
        (["bench", "--data", "pack", "--side", "64"], "--side needs --sequences"),
        (["bench", "--data", "pack", "--correct", "--sequences", "effort"], "--correct"),
        (["bench", "--data", "typo"], "typo"),
        (["bench", "--data", "pack", "--sources", "typo"], "no source typo"),
        (["bench", "--data", "pack", "--models", "typo"], "There is no model 'typo'"),
        (["bench", "--data", "pack", "--models", ""], "--models"),
        (["bench", "--data", "pack", "--split", "typo"], "There is no split 'typo'"),
        (["bench", "--data", "pack", "--seed", "-1"], "from 0 on"),
        (["bench", "--data", "pack", "--scheduler", "typo"], "'typo' is no address of a scheduler"),
        (["bench", "--data", "pack", "--device", "typo"], "There is no device 'typo'"),
        (["bench", "--data", "pack", "--models", "geodesic", "--background", "9"], "holds no 9"),
        (["bench", "--data", "pack", "--worst", "--start", "damaged"], "no movies and stacks with objects"),
        (["bench", "--report", "typo"], "typo"),
        (["convert", "typo.pt"], "typo.pt"),
        (["convert", "first.tif", "--preview", "p.png"], "--image"),
        (["convert", "first.tif", "--title", "Mine"], "--title needs --name"),
        (["convert", "first.tif", "--licence", "MIT"], "--licence needs --name"),
        (["convert", "first.tif", "--force"], "--force needs --name"),
        (["convert", "first.tif", "--kwargs", '{"a": 1}'], "--kwargs needs --class"),
        (["models", "typo"], "There is no model 'typo'"),
        (["train", "typo", "--data", "pack"], "typo"),
        (["train", "--data", "typo"], "typo"),
        (["train", "--data", "pack", "--from", "typo"], "typo"),
        (["train", "--data", "pack", "--set", "typo=1"], "typo"),
        (["train", "--data", "pack", "--from", "default:flip=off"], "leave out what switches refinements"),
        (["train", "--data", "pack", "--steps", "1", "--minutes", "1"], "name one of them"),
        (["train", "--data", "pack", "--device", "typo", "--out", "out"], "There is no device 'typo'"),
        (["train", "first.tif", "--data", "pack"], "first.tif is no recipe"),
        (["train", "--list", "--from", "default"], "--from would be ignored with --list"),
        (["train", "--list", "ritm"], "RECIPE would be ignored with --list"),
        (["train", "--list", "--data", "pack"], "--data"),
        (["demo", "--gui", "--output", "out"], "--output"),
        (["demo", "--model", "typo"], "There is no model 'typo'"),
        (["demo", "--device", "typo"], "There is no device 'typo'"),
        (["convert", "first.tif", "--objects", "1,x"], "'x' is no whole number"),
        (["measure", "image.tif", "image.tif", "--output", "out.tif"], "would hold a table"),
        (["export", "first.tif", "--output", "r.zip", "--format", "yolo"], "named as ImageJ ROIs"),
        (["export", "first.tif", "--output", "a_seg.npy", "--classes", "clicks.csv"], "holds no classes"),
        (["import", "first.tif", "--output", "out.tif"], "no suffix of a file to import: .zip"),
        (["import", "first.tif", "--output", "out.tif", "--format", "coco"], "no COCO file: it is a TIFF"),
        (["replay", "clicks.csv", "image.tif", "--output", "out.tif"], "it holds no JSON"),
        (["segment", "", "--output", "out.tif"], "it names nothing"),
        (["segment", "image.tif", "--output", ""], "it names nothing"),
        (["replay", "typo.json", "image.tif", "--output", "out.tif"], "typo.json"),
    ],
)
@pytest.mark.usefixtures("pack")
def test_other_commands_refuse_what_names_nothing(
    capsys: pytest.CaptureFixture[str], command: list[str], sentence: str
) -> None:
    assert sentence in refuses(capsys, *command)


# -- ids that do not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "output", "sentence"),
    [
        ((5, 2**32 + 5), "out.tif", "to 4294967301 fit no image file"),
        ((5, 2**32), "out.zarr", "fit no image file"),
        ((5, 2**63 + 5), "out.tif", "fit no image file"),
        ((-7, 5), "out.tif", "-7"),
        ((5, 70_000), "out.npy --ctc 01_RES", "A result folder holds ids from 1 to 65535"),
    ],
)
@pytest.mark.parametrize("frames", ["first", "all"])
def test_ids_that_do_not_fit_are_refused_before_the_work_and_never_wrapped(
    capsys: pytest.CaptureFixture[str], ids: tuple[int, int], output: str, sentence: str, frames: str
) -> None:
    kind = np.uint64 if max(ids) >= 2**63 else np.int64
    labels = np.select([tifffile.imread("first.tif") == k for k in (1, 2)], [np.array(k, kind) for k in ids], 0)
    np.save("ids.npy", labels.astype(kind) if frames == "first" else np.stack([labels.astype(kind)] * 5))
    command = ("propagate", "movie.tif", "--labels", "ids.npy", "--model", "geodesic", "--output", *output.split())
    assert sentence in refuses(capsys, *command)
    assert not Path("01_RES").exists()


def test_the_highest_ids_that_fit_are_carried_as_they_are() -> None:
    labels = np.select([tifffile.imread("first.tif") == k for k in (1, 2)], [5, 2**32 - 1], 0).astype(np.int64)
    np.save("ids.npy", labels)
    assert main(["propagate", "movie.tif", "--labels", "ids.npy", "--model", "geodesic", "--output", "out.tif"]) == 0
    assert [np.unique(plane).tolist() for plane in tifffile.imread("out.tif")] == [[0, 5, 2**32 - 1]] * 5


@pytest.mark.parametrize(
    ("label", "output", "sentence"),
    [
        (2**32, "out.tif", "fit no image file"),
        (2**40, "out.zarr", "fit no image file"),
        (65_536, "out.png", "out.png holds ids up to 65535"),
    ],
)
def test_ids_of_clicks_that_do_not_fit_are_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], label: int, output: str, sentence: str
) -> None:
    write_clicks("clicks.csv", [(label, 1, 20, 20)])
    command = ("segment", "image.tif", "--clicks", "clicks.csv", "--model", "geodesic", "--output", output)
    assert sentence in refuses(capsys, *command)
    assert not Path(output).exists()


@pytest.mark.parametrize(("label", "output"), [(2**32 - 1, "out.tif"), (2**31, "out.npy"), (65_535, "out.png")])
def test_the_highest_ids_of_clicks_that_fit_are_written_as_they_are(label: int, output: str) -> None:
    from napari_clickseg.storage.read_images import read_image

    write_clicks("clicks.csv", [(label, 1, 20, 20), (1, 1, 20, 60)])
    assert main(["segment", "image.tif", "--clicks", "clicks.csv", "--model", "geodesic", "--output", output]) == 0
    assert np.unique(np.asarray(read_image(Path(output)).array)).tolist() == [0, 1, label]
