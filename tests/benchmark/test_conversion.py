"""Corrections: one click per object in two orders, and failures by themselves, through a real session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from doubles import Disks
from napari_clickseg.benchmark import conversion
from napari_clickseg.benchmark.annotation_formats import Item
from napari_clickseg.benchmark.conversion import (
    Corrected,
    Corrector,
    click_around,
    correct_alone,
    correct_image,
    correctors,
    read_corrections,
    run_corrections,
    sample_images,
)
from napari_clickseg.benchmark.datasets import Plane, read_items
from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.metrics import DEBRIS, MISSED, Failure, find_failures


@dataclass(frozen=True)
class Bright(Disks):
    """Finds what is bright; answers clicks with disks as large as the objects."""

    radius: float = 7.55
    name: str = "bright"

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        found, _ = ndimage.label(np.asarray(image.array) > 110)
        return found.astype(np.int32)


def labels_of(*places: tuple[int, int]) -> npt.NDArray[np.int32]:
    rows, columns = np.indices((56, 56))
    labels = np.zeros((56, 56), np.int32)
    for number, (row, column) in enumerate(places, start=1):
        labels[np.hypot(rows - row, columns - column) <= 8] = number
    return labels


TRUTH = labels_of((12, 12), (12, 40), (40, 12), (40, 40))


def corrected(labels: npt.NDArray[np.int32]) -> Corrected:
    plane = Plane(Image.of(100.0 * (TRUTH > 0), "YX"), TRUTH)
    item = Item("cells", "a", Path("a.png"), Path("a.png"))
    return Corrected(item, plane, Corrector("bright", "bright"), labels, Bright(), 17.0)


def test_a_missed_object_is_there_after_one_click_and_no_other_changes():
    image = corrected(labels_of((12, 12), (12, 40), (40, 12)))
    (failure,) = find_failures(TRUTH, image.labels)
    assert failure.kind == MISSED
    rows = correct_alone(image, failure)
    assert [(row["click"], row["iou"], row["harmed"]) for row in rows] == [("1", "1.00000", "0")]


def test_debris_is_clicked_away():
    image = corrected(np.where(TRUTH == 4, 0, TRUTH) + 9 * labels_of((26, 26)) * (TRUTH == 0))
    debris = next(f for f in find_failures(TRUTH, image.labels) if f.kind == DEBRIS)
    rows = correct_alone(image, debris)
    assert (rows[0]["object"], rows[0]["positive"]) == ("-9", "0")
    assert rows[-1]["iou"] == "1.00000"


def test_the_worst_object_is_clicked_first_and_the_mean_follows():
    labels = labels_of((12, 12), (12, 40), (40, 12))
    labels[40:50, 4:20] = 0
    rows = click_around(corrected(labels), "worst", clicks=2)
    assert [row["object"] for row in rows] == ["", "4", "3"]
    means = [float(row["mean"]) for row in rows]
    assert means[1] == pytest.approx(means[0] + 0.25, abs=1e-4)
    assert means[2] > means[1]


def test_objects_that_are_right_get_no_click():
    assert [row["click"] for row in click_around(corrected(TRUTH.copy()), "random")] == ["0"]


def test_the_labels_that_the_model_made_stay_as_they_were():
    labels = labels_of((12, 12), (12, 40))
    before = labels.copy()
    correct_image(corrected(labels), most=5)
    np.testing.assert_array_equal(labels, before)


def test_all_failures_are_told_and_only_so_many_corrected():
    rows = correct_image(corrected(labels_of((12, 12))), most=2)
    assert len([row for row in rows if row["protocol"] == "found"]) == 3
    assert len({row["object"] for row in rows if row["protocol"] == "alone"}) == 2


def test_the_same_objects_are_drawn_for_every_model():
    image = corrected(labels_of((12, 12)))
    other = Corrected(image.item, image.plane, Corrector("bright", "disks"), image.labels, Disks(), 17.0)
    one, two = (
        [row["object"] for row in correct_image(each, most=2) if row["protocol"] == "alone"] for each in (image, other)
    )
    assert set(one) == set(two)


def test_harm_is_what_changed_of_other_objects():
    before, after = np.array([1, 1, 2, 0, 0, 3]), np.array([1, 2, 0, 2, 4, 5])
    nothing = np.zeros(6, int)
    assert conversion._harmed(nothing, nothing > 0, before, after, 2) == 3


def test_a_fragment_that_is_joined_is_no_harm():
    truth, before, after = np.ones(6, int), np.repeat([1, 2], 3), np.ones(6, int)
    assert conversion._harmed(truth, truth == 1, before, after, 1) == 0


def test_taking_a_good_object_to_pieces_is_harm_though_its_label_is_the_one_that_was_clicked():
    truth = np.repeat([1, 2], (40, 60))
    before = np.repeat([0, 7], (35, 65))
    after = np.where(np.arange(100) < 40, 7, 0)
    assert conversion._harmed(truth, truth == 1, before, after, 7) == 60


def test_a_missed_object_does_not_take_up_the_good_label_of_its_neighbour():
    truth, found = np.repeat([1, 2], (40, 260)), np.repeat([0, 7], (20, 280))
    assert conversion.label_of(truth, found, 2) == 7
    assert conversion.label_of(truth, found, 1) == 0


def test_a_label_that_merges_two_is_taken_up_for_either():
    truth, found = np.repeat([1, 2], (50, 60)), np.full(110, 7)
    assert [conversion.label_of(truth, found, label) for label in (1, 2)] == [7, 7]


def test_models_that_find_nothing_correct_the_first_finders_labels(monkeypatch: pytest.MonkeyPatch):
    models = {"bright": Bright(), "disks": Disks()}
    monkeypatch.setattr(conversion, "load_model", lambda name, device: models[name])
    assert correctors(["disks", "bright"], "cpu") == [Corrector("bright", "disks"), Corrector("bright", "bright")]
    with pytest.raises(ValueError, match="disks cannot; name a converted model first"):
        correctors(["disks"], "cpu")


def test_a_run_goes_on_where_it_was(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conversion, "load_model", lambda name, device: Bright())
    items = sample_images(read_items("cells", pack / "cells", "test"), 5, 0)
    assert [item.name for item in items] == ["b", "c"]
    by, path = [Corrector("bright", "bright")], tmp_path / "conversion.csv"
    run_corrections(items[:1], by, path, 3, "cpu")
    first = path.read_text()
    run_corrections(items, by, path, 3, "cpu")
    assert path.read_text().startswith(first)
    assert {row["image"] for row in read_corrections(path)} == {"b", "c"}


def test_a_sample_has_so_many_images_of_each_source(pack: Path):
    items = read_items("cells", pack / "cells", "test")
    assert len(sample_images(items, 1, 0)) == 1
    assert sample_images(items, 1, 0) == sample_images(items, 1, 0)


def test_another_table_is_refused(tmp_path: Path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="holds no corrections: wanted are the columns source, image"):
        read_corrections(tmp_path / "other.csv")


def test_a_failure_without_a_label_begins_a_new_object():
    rows = correct_alone(corrected(np.zeros_like(TRUTH)), Failure(MISSED, 2, 0, 0.0, 197))
    assert rows[0]["positive"] == "1"
