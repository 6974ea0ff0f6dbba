"""Suggestion runs: crops, kept objects and scores, on a small data pack and with a model told by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doubles import Finding, Seeing, disk
from napari_clickseg.benchmark.datasets import Plane, read_items
from napari_clickseg.benchmark.row_tables import append_rows, read_rows
from napari_clickseg.benchmark.suggestion_runs import (
    BLOBS,
    CLICKED,
    NETWORK,
    SUGGESTED,
    SuggestionRow,
    blobs,
    crop,
    run_item,
    sample_planes,
    suggestion_table,
)
from napari_clickseg.commands import bench_suggestions
from napari_clickseg.core.images import Image


class Darker(Seeing):
    """Sees what is brighter than the noise around 60."""

    def _plane(self, image: Image, frame: tuple[int, ...]) -> np.ndarray:
        return np.where(Seeing._plane(image, frame) > 110, np.float32(0.9), np.float32(0))


def test_a_crop_is_the_middle_with_its_labels_and_colours() -> None:
    labels = np.arange(30 * 40).reshape(30, 40)
    colour = np.stack([labels] * 3, axis=-1).astype(np.float32)
    image, truth = crop(Plane(Image.of(colour, "YXC"), labels), 20)
    assert image.shape == truth.shape == (20, 20)
    assert truth[0, 0] == labels[5, 10]
    assert (image.array[..., 0] == truth).all()


def test_each_number_of_kept_objects_is_a_row_and_kept_ones_do_not_count(pack: Path) -> None:
    item = read_items("cells", pack / "cells", "test")[0]
    rows = list(run_item(Darker(), item, (), 56, (0, 3, 9)))
    assert [(row.method, row.kept, row.objects, row.suggested, row.hits_50, row.hits_75) for row in rows] == [
        (SUGGESTED, 0, 4, 4, 4, 4),
        (SUGGESTED, 3, 1, 1, 1, 1),
        (CLICKED, 3, 1, 1, 1, 1),
        (BLOBS, 3, 1, 1, 1, 1),
    ]


def test_a_network_is_compared_with_where_nothing_is_kept(pack: Path) -> None:
    item = read_items("cells", pack / "cells", "test")[0]
    rows = list(run_item(Darker(), item, (), 56, (0, 1), network=Finding(step=9)))
    assert [(row.method, row.kept) for row in rows] == [(SUGGESTED, 0), (NETWORK, 0), (SUGGESTED, 1)]
    assert rows[1].suggested > 9


def test_blobs_lie_in_the_middles_of_bright_and_dark_disks() -> None:
    plane = np.full((60, 60), 5, np.float32)
    plane[disk((60, 60), (15, 15), 5)] = 9
    plane[disk((60, 60), (40, 42), 5)] = 2
    assert blobs(Image.of(plane), 11.0)[:2] == [(15.0, 15.0), (40.0, 42.0)]


def test_a_sample_is_the_same_again_and_as_large_as_asked_for(pack: Path) -> None:
    items = [*read_items("cells", pack / "cells", "test"), *read_items("stack", pack / "stack", "test")]
    planes = sample_planes(items, 1, 0)
    assert [item.source for item, _ in planes] == ["cells", "stack"]
    assert planes == sample_planes(items, 1, 0)


def test_rows_come_back_and_make_a_table(tmp_path: Path) -> None:
    rows = [
        SuggestionRow("a", "x", "", 256, 0, 10, 10, 8, 5, 20.0, 1.5),
        SuggestionRow("a", "x", "", 256, 3, 7, 7, 7, 7, 20.0, 0.5),
        SuggestionRow("a", "x", "", 256, 3, 7, 7, 4, 0, 20.0, 0.5, BLOBS),
        SuggestionRow("b", "y", "3", 256, 0, 2, 0, 0, 0, 20.0, 1.0),
    ]
    append_rows(tmp_path / "rows.csv", rows[:1])
    append_rows(tmp_path / "rows.csv", rows[1:])
    assert read_rows(tmp_path / "rows.csv", SuggestionRow) == rows
    assert suggestion_table(rows).splitlines()[2:] == [
        "| a | suggestions | 1 | 10 | 0.80 | 0.50 | 1.00 | 1.00 | 15 |",
        "| a | a click on each blob | 1 | 7 | - | - | 0.57 | 0.00 | 8 |",
        "| b | suggestions | 1 | 2 | 0.00 | 0.00 | - | - | 15 |",
    ]


def test_the_command_measures_once_and_prints_the_table(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_clickseg.cli import main

    models = {"default": Darker(), bench_suggestions.NETWORK: Finding()}
    monkeypatch.setattr("napari_clickseg.models.load.load_model", lambda name, device: models[name])
    command = ["bench", "--suggest", "1", "--data", str(pack), "--sources", "cells", "--out", str(tmp_path / "out")]
    for _ in range(2):
        assert main([*command, "--models", "default"]) == 0
        assert "| cells | suggestions | 1 | 4 |" in capsys.readouterr().out
    assert len(read_rows(tmp_path / "out" / bench_suggestions.TABLE, SuggestionRow)) == 6
    assert main([*command, "--models", "default,geodesic"]) == 2
    assert "one model, but got 2" in capsys.readouterr().err
