"""Sequences: the middle of movies and stacks, and of each object the frame that was segmented worst."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imageio import v3

from napari_clickseg.benchmark.datasets import list_targets, read_items, read_plane
from napari_clickseg.benchmark.sequences import read_movie, worst_frames
from napari_clickseg.benchmark.starting_masks import start_of
from napari_clickseg.core.metrics import iou


def test_the_middle_of_a_stack_is_read(pack: Path) -> None:
    (item,) = read_items("stack", pack / "stack", "train")
    movie = read_movie(item, 2, 32)
    assert movie.truth.shape == movie.image.shape == (2, 32, 32)
    np.testing.assert_array_equal(movie.truth[0], np.asarray(read_plane(item, (0,)).labels)[12:44, 12:44])


def test_a_split_limits_the_frames(pack: Path) -> None:
    (item,) = read_items("stack", pack / "stack", "test")
    assert read_movie(item, 12, 56).frames == [(0,), (1,)]


def test_a_plane_is_no_movie(pack: Path) -> None:
    item = read_items("cells", pack / "cells", "test")[0]
    with pytest.raises(ValueError, match="is no movie or stack with labels of its shape; leave its source out"):
        read_movie(item, 12, 56)


def test_a_split_of_one_frame_is_no_movie(pack: Path) -> None:
    (item,) = read_items("stack", pack / "stack", "val")
    with pytest.raises(ValueError, match="one frame in this split"):
        read_movie(item, 12, 56)


def test_automatic_labels_find_the_objects_and_no_id_twice(pack: Path) -> None:
    (item,) = read_items("stack", pack / "stack", "train")
    movie = read_movie(item, 3, 56)
    labels = movie.automatic()
    ids = [set(np.unique(plane)) - {0} for plane in labels]
    assert all(len(one) >= 4 for one in ids)
    assert not ids[0] & ids[1]


def quality(target, start: str) -> float:
    plane = read_plane(target.item, target.frame)
    mask = start_of(plane, target.label, 17.0, start, "|".join(target.key)).mask
    return iou(mask, plane.labels == target.label)


def test_the_worst_frame_of_each_object_is_chosen(pack: Path) -> None:
    targets = list_targets(read_items("stack", pack / "stack", "train"))
    chosen = worst_frames(targets, "damaged", 4, 0)
    assert [target.label for target in chosen] == [1, 2, 3, 4]
    for one in chosen:
        same = [target for target in targets if target.label == one.label]
        assert quality(one, "damaged") == min(quality(target, "damaged") for target in same)


def test_images_numbered_by_frame_are_one_sequence(pack: Path) -> None:
    photos = pack / "natural_photos"
    for kind, name in (("images", "p"), ("masks", "p")):
        for number in ("00000", "00020"):
            v3.imwrite(photos / kind / f"swan_{number}.png", v3.imread(photos / kind / f"{name}.png"))
    (photos / "index.csv").write_text("name,split\nswan_00000,eval\nswan_00020,eval\np,eval\n")
    chosen = worst_frames(list_targets(read_items("photos", photos, "test")), "damaged", 9, 0)
    assert [target.item.name[:5] for target in chosen] == ["swan_"]


def test_a_sample_has_so_many_objects_and_stays_the_same(pack: Path) -> None:
    targets = list_targets(read_items("stack", pack / "stack", "train"))
    assert len(worst_frames(targets, "damaged", 2, 0)) == 2
    assert worst_frames(targets, "damaged", 2, 0) == worst_frames(targets, "damaged", 2, 0)
