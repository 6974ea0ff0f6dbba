"""Learning runs: what is learned from and what is clicked on are told apart, rows come back, the command resumes."""

import csv

import numpy as np
import pytest
from imageio import v3
from scipy import ndimage

from doubles import disk
from napari_clickseg.batch import learning_runs
from napari_clickseg.batch.learning_runs import LearningRow, drawn, learning_table, only
from napari_clickseg.benchmark.row_tables import append_rows, read_rows
from napari_clickseg.cli import main
from napari_clickseg.core.exemplars import exemplars_on
from napari_clickseg.core.images import Image
from napari_clickseg.training.few_objects import Effort

SHAPE = (112, 112)


def scene():
    labels = np.zeros(SHAPE, np.uint16)
    places = [(16 + 26 * row, 16 + 26 * column) for row in range(4) for column in range(4)]
    for number, place in enumerate(places[:13], start=1):
        labels[disk(SHAPE, place, 8)] = number
    return ndimage.gaussian_filter((labels > 0) * 200.0, 1).astype(np.uint8), labels


@pytest.fixture
def pack(tmp_path):
    image, labels = scene()
    for name, array in (("images", image), ("labels", labels)):
        (tmp_path / "pack" / "cells" / name).mkdir(parents=True)
        v3.imwrite(tmp_path / "pack" / "cells" / name / "one.png", array)
    return tmp_path / "pack"


def test_ten_are_learned_from_and_others_clicked_on():
    objects = list(exemplars_on(Image.of(scene()[0]), scene()[1], ()))
    known, new = drawn(objects, "a/b/()", 0)
    assert (len(known), len(new)) == (10, 3)
    assert not {one.label for one in known} & {one.label for one in new}
    assert [one.label for one in drawn(objects, "a/b/()", 0)[0]] == [one.label for one in known]
    alone = only(new[0], [new[0].label])
    assert alone.area == new[0].area
    assert not alone.others.any()


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [LearningRow("a", "one", "3", 7, 10, 4, 2, 51.5), LearningRow("b", "two", "", 8, 10, 1, 1, 40.0)]
    for row in rows:
        append_rows(tmp_path / "t.csv", [row])
    assert read_rows(tmp_path / "t.csv", LearningRow) == rows
    assert read_rows(tmp_path / "none.csv", LearningRow) == []
    assert "-50 %" in learning_table(rows)


def test_the_command_measures_a_plane_once(pack, tmp_path, monkeypatch, capsys):
    little = Effort(seconds=600, steps=1, batch=1)
    whole = learning_runs.run_plane
    monkeypatch.setattr(learning_runs, "run_plane", lambda *given: whole(*given, effort=little))
    command = ["bench", "--learn", "1", "--data", str(pack), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(command) == 0
    table = tmp_path / "out" / "learning.csv"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["source"] for row in rows] == ["cells"] * 3
    assert all(1 <= int(row["before"]) <= 10 for row in rows)
    monkeypatch.setattr(learning_runs, "run_plane", None)
    assert main(command) == 0
    assert "| cells | 1 | 3 |" in capsys.readouterr().out
