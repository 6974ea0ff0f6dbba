"""clickseg measure, export and import on real files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_clickseg.cli import main


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    labels = np.zeros((20, 30), np.uint16)
    labels[3:9, 4:12] = 2
    labels[12:17, 20:26] = 9
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    tifffile.imwrite(tmp_path / "cells.tif", (labels * 10 + 1).astype(np.uint8))
    return tmp_path


def test_measure_writes_a_row_per_object(cells: Path):
    table = cells / "t.csv"
    assert main(["measure", str(cells / "cells.tif"), str(cells / "labels.tif"), "--output", str(table)]) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["label"], row["pixels"], row["mean"]) for row in rows] == [("2", "48", "21"), ("9", "30", "91")]


@pytest.mark.parametrize("name", ["cells.zip", "cells.geojson", "cells.json"])
def test_what_is_exported_is_imported_again(cells: Path, name: str):
    out, back = cells / name, cells / "back.tif"
    assert main(["export", str(cells / "labels.tif"), "--output", str(out)]) == 0
    assert main(["import", str(out), "--image", str(cells / "cells.tif"), "--output", str(back)]) == 0
    assert np.array_equal(tifffile.imread(back), tifffile.imread(cells / "labels.tif"))


@pytest.mark.parametrize("name", ["cells.zip", "cells.geojson", "cells.json"])
def test_classes_go_from_a_table_through_another_program_to_measurements(cells: Path, name: str):
    classes, back, table = cells / "classes.csv", cells / "back.csv", cells / "t.csv"
    classes.write_text("object,class\n2,round\n")
    out, labels = cells / name, cells / "back.tif"
    assert main(["export", str(cells / "labels.tif"), "--output", str(out), "--classes", str(classes)]) == 0
    assert main(["import", str(out), "--output", str(labels), "--classes", str(back)]) == 0
    assert back.read_text() == classes.read_text()
    arguments = ["measure", str(cells / "cells.tif"), str(cells / "labels.tif"), "--output", str(table)]
    assert main([*arguments, "--classes", str(back)]) == 0
    assert [row["class"] for row in csv.DictReader(table.read_text().splitlines())] == ["round", ""]
    assert main(["export", str(cells / "labels.tif"), "--output", str(cells / "b.json"), "--classes", str(table)]) == 0
    back.write_text("object,class\n77,round\n")
    assert main([*arguments, "--classes", str(back)]) == 2


def test_classes_come_from_a_table(cells: Path):
    (cells / "classes.csv").write_text("object,class\n2,round\n")
    arguments = ["export", str(cells / "labels.tif"), "--output", str(cells / "a.txt")]
    assert main([*arguments, "--classes", str(cells / "classes.csv")]) == 0
    assert (cells / "classes.txt").read_text().split() == ["round", "object"]
    assert [line.split()[0] for line in (cells / "a.txt").read_text().splitlines()] == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--output", "a.docx"], "no suffix of an export"),
        (["--output", "a.zip", "--format", "pdf"], "no export 'pdf'"),
        (["--output", "pairs", "--format", "cellpose-pairs"], "need the image"),
        (["--output", "a.zip", "--frames", "0-3"], "before their planes"),
        (["--output", "a.geff"], "axis of time"),
        (["--output", "a.zip", "--axes", "YX"], "--axes needs --image"),
        (["--output", "classes.txt"], "names of the classes"),
    ],
)
def test_what_cannot_work_ends_in_a_sentence(
    cells: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
):
    arguments = [str(cells / a) if k == 1 else a for k, a in enumerate(arguments)]
    assert main(["export", str(cells / "labels.tif"), *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("text", ["a-b", "3-", "2,,4", "7-3", "", "0-99999999999", "1.5"])
def test_frames_that_are_not_there_are_refused(cells: Path, capsys: pytest.CaptureFixture[str], text: str):
    tifffile.imwrite(cells / "movie.tif", np.ones((3, 20, 30), np.uint8), photometric="minisblack")
    arguments = ["export", str(cells / "movie.tif"), "--output", str(cells / "a.zip")]
    try:
        code = main([*arguments, f"--frames={text}"])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert "--frames" in capsys.readouterr().err
    assert not (cells / "a.zip").exists()


def test_tables_of_classes_are_read_however_a_spreadsheet_saved_them(cells: Path):
    (cells / "classes.csv").write_bytes("sep=;\r\nObject;Class\r\n9;groß\r\n;\r\n2,0;rund\r\n".encode("cp1252"))
    arguments = ["export", str(cells / "labels.tif"), "--output", str(cells / "a.txt")]
    assert main([*arguments, "--classes", str(cells / "classes.csv")]) == 0
    assert (cells / "classes.txt").read_text("utf-8").split() == ["groß", "rund", "object"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("object,class\n77,round\n", "names none of the objects"),
        ("object,class\n2,round\n2,long\n", "another class above"),
        ("object,class\n-1,round\n", "whole numbers from 1 on"),
        ("object,class\nfirst,round\n", "'first'"),
        ("id,kind\n2,round\n", "wanted are object and class"),
    ],
)
def test_tables_of_classes_that_fit_nothing_are_refused(
    cells: Path, capsys: pytest.CaptureFixture[str], table: str, sentence: str
):
    (cells / "classes.csv").write_text(table)
    arguments = ["export", str(cells / "labels.tif"), "--output", str(cells / "a.geojson")]
    assert main([*arguments, "--classes", str(cells / "classes.csv")]) == 2
    assert sentence in capsys.readouterr().err


def test_classes_of_objects_that_are_not_there_are_said(cells: Path, capsys: pytest.CaptureFixture[str]):
    (cells / "classes.csv").write_text("object,class\n2,round\n77,long\n")
    arguments = ["export", str(cells / "labels.tif"), "--output", str(cells / "a.geojson")]
    assert main([*arguments, "--classes", str(cells / "classes.csv")]) == 0
    assert f"names objects that are not in {cells / 'labels.tif'}: 77." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cellpose-pairs", "stardist-pairs", "yolo"])
def test_files_that_follow_from_the_name_replace_nothing(cells: Path, capsys: pytest.CaptureFixture[str], name: str):
    pairs, image = cells / "pairs", cells / "cells.tif"
    arguments = ["export", str(cells / "labels.tif"), "--image", str(image), "--format", name]
    output = pairs / "a.txt" if name == "yolo" else pairs
    pairs.mkdir()
    assert main([*arguments, "--output", str(output)]) == 0
    victim = pairs / "classes.txt" if name == "yolo" else next(pairs.rglob("cells.tif"))
    victim.write_bytes(b"somebody's work")
    assert main([*arguments, "--output", str(output)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert victim.read_bytes() == b"somebody's work"


def test_pairs_of_a_movie_have_the_channels_of_their_own_frame(cells: Path):
    pixels = np.arange(2 * 3 * 20 * 30, dtype=np.uint16).reshape(2, 3, 20, 30)
    tifffile.imwrite(cells / "m.tif", pixels, photometric="minisblack", metadata={"axes": "CTYX"}, ome=True)
    tifffile.imwrite(
        cells / "l.tif", np.ones((3, 20, 30), np.uint8), photometric="minisblack", metadata={"axes": "TYX"}, ome=True
    )
    arguments = ["export", str(cells / "l.tif"), "--image", str(cells / "m.tif"), "--output", str(cells / "pairs")]
    assert main([*arguments, "--format", "cellpose-pairs"]) == 0
    for frame in range(3):
        written = tifffile.imread(cells / "pairs" / f"m_t{frame:04d}.tif")
        assert np.array_equal(written, np.moveaxis(pixels[:, frame], 0, -1))


def test_imported_labels_lie_where_their_image_lies(cells: Path):
    pixels = np.zeros((20, 30), np.uint8)
    tifffile.imwrite(cells / "s.tif", pixels, ome=True, metadata={"PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm"})
    assert main(["export", str(cells / "labels.tif"), "--output", str(cells / "r.zip")]) == 0
    arguments = ["import", str(cells / "r.zip"), "--image", str(cells / "s.tif"), "--output", str(cells / "o.tif")]
    assert main(arguments) == 0
    with tifffile.TiffFile(cells / "o.tif") as written:
        assert 'PhysicalSizeX="0.25"' in written.ome_metadata
