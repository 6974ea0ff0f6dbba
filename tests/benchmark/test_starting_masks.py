"""Starts: bad masks are bad, fixed for their object, and the automatic method finds plain objects."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import Disks, Finding
from napari_clickseg.benchmark import starting_masks as starts
from napari_clickseg.benchmark.datasets import Plane
from napari_clickseg.benchmark.starting_masks import BAD_IOU, STARTS, automatic_labels, protocol_of, start_of
from napari_clickseg.core.images import Image
from napari_clickseg.core.metrics import iou
from napari_clickseg.core.simulated_errors import KINDS

DIAMETER = 16.0


def discs(
    shape: tuple[int, int] = (56, 56), places: tuple[tuple[int, int], ...] = ((14, 14), (14, 40), (40, 14))
) -> np.ndarray:
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.uint16)
    for number, (row, column) in enumerate(places, start=1):
        labels[np.hypot(rows - row, columns - column) <= DIAMETER / 2] = number
    return labels


def plane(labels: np.ndarray, inside: float = 160, outside: float = 60, ramp: float = 0) -> Plane:
    noise = np.random.default_rng(0).normal(0, 4, labels.shape)
    shade = np.linspace(0, ramp, labels.shape[1])
    return Plane(Image.of(np.where(labels > 0, inside, outside) + noise + shade), labels)


def test_scratch_begins_with_nothing() -> None:
    start = start_of(plane(discs()), 1, DIAMETER, "scratch", "a|1")
    assert start.kind == "scratch"
    assert not start.mask.any()


@pytest.mark.parametrize("target", [f"cells|a||{k}" for k in range(12)])
def test_a_damaged_mask_is_bad_and_bears_the_name_of_its_error(target: str) -> None:
    labels = discs()
    start = start_of(plane(labels), 2, DIAMETER, "damaged", target)
    assert start.kind in KINDS
    assert start.mask.shape == labels.shape
    assert 0 < iou(start.mask, labels == 2) <= BAD_IOU


def test_damage_follows_from_the_object_alone() -> None:
    first, again = (start_of(plane(discs()), 1, DIAMETER, "damaged", "cells|a||1") for _ in range(2))
    assert first.kind == again.kind
    np.testing.assert_array_equal(first.mask, again.mask)
    kinds = {start_of(plane(discs()), 1, DIAMETER, "damaged", f"cells|a||{k}").kind for k in range(30)}
    assert len(kinds) >= 4


def test_only_objects_with_neighbours_are_merged() -> None:
    alone = {start_of(plane(discs()), 1, DIAMETER, "damaged", str(k)).kind for k in range(30)}
    close = discs(places=((20, 14), (20, 32)))
    starts = [start_of(plane(close), 1, DIAMETER, "damaged", str(k)) for k in range(30)]
    merged = [start.mask for start in starts if start.kind == "merged"]
    assert "merged" not in alone
    assert merged
    assert all(mask[close == 2].all() for mask in merged)


def test_an_object_that_is_not_there_is_told() -> None:
    labels = np.zeros((20, 20), np.uint8)
    with pytest.raises(ValueError, match="no object 1"):
        start_of(plane(labels), 1, DIAMETER, "damaged", "a")


@pytest.mark.parametrize(("inside", "outside"), [(160, 60), (60, 160)])
def test_the_automatic_method_finds_bright_and_dark_objects(inside: float, outside: float) -> None:
    labels = discs()
    start = start_of(plane(labels, inside, outside), 3, DIAMETER, "automatic", "a")
    assert start.kind == "automatic"
    assert iou(start.mask, labels == 3) > 0.8


def test_the_automatic_method_parts_touching_objects() -> None:
    labels = discs(places=((28, 20), (28, 35)))
    assert len(np.unique(automatic_labels(plane(labels), DIAMETER))) == 3


def test_an_uneven_background_is_met_by_a_local_threshold() -> None:
    places = ((14, 20), (30, 100), (40, 180))
    found = automatic_labels(plane(discs((56, 200), places), ramp=300), DIAMETER)
    assert 0 not in [found[place] for place in places]
    assert len({found[place] for place in places}) == 3


def test_an_object_that_the_automatic_method_missed_starts_from_nothing() -> None:
    labels = discs()
    empty = Plane(Image.of(np.full(labels.shape, 7.0)), labels)
    start = start_of(empty, 1, DIAMETER, "automatic", "a")
    assert start.kind == "automatic"
    assert not start.mask.any()


def test_the_network_begins_with_its_object_that_overlaps_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "_finder", lambda: Finding(step=16))
    labels = discs()
    start = start_of(plane(labels), 2, DIAMETER, "network", "a")
    assert start.kind == "network"
    assert 0 < iou(start.mask, labels == 2) < 1


def test_a_network_that_only_answers_clicks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "_finder", Disks)
    with pytest.raises(TypeError, match="answers clicks, but does not find objects by itself"):
        start_of(plane(discs()), 2, DIAMETER, "network", "a")


def test_every_start_of_a_row_leads_back_to_its_protocol() -> None:
    assert {protocol_of(kind) for kind in KINDS} == {"damaged"}
    assert {protocol_of(name) for name in STARTS} == set(STARTS)
