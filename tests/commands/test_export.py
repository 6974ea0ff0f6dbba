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
    ],
)
def test_what_cannot_work_ends_in_a_sentence(
    cells: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
):
    arguments = [str(cells / a) if k == 1 else a for k, a in enumerate(arguments)]
    assert main(["export", str(cells / "labels.tif"), *arguments]) == 2
    assert sentence in capsys.readouterr().err
