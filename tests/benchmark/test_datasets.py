"""Sources: layouts, splits, planes of stacks, and a sample that stays the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imageio import v3

from napari_clickseg.benchmark.datasets import find_sources, list_targets, read_items, read_plane, sample_targets
from napari_clickseg.storage.image_label_pairs import find_data


def targets_of(pack: Path, source: str, split: str = "test") -> list:
    return list_targets(read_items(source, pack / source, split))


def test_a_pack_holds_its_sources_by_name(pack: Path) -> None:
    assert list(find_sources(pack)) == ["cells", "natural_photos", "stack"]
    assert list(find_sources(pack, ["stack"])) == ["stack"]


def test_a_single_source_is_found_as_well(pack: Path) -> None:
    assert find_sources(pack / "cells") == {"cells": pack / "cells"}


def test_a_source_that_is_not_there_is_answered_with_those_there_are(pack: Path) -> None:
    with pytest.raises(ValueError, match=r"no source moon in .*; there are cells, natural_photos, stack"):
        find_sources(pack, ["moon"])


def test_a_folder_without_data_says_what_data_look_like(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"images/ and labels/"):
        find_sources(tmp_path)


def test_no_data_at_all_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLICKSEG_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="--data"):
        find_data()
    with pytest.raises(FileNotFoundError, match="no folder nowhere"):
        find_data("nowhere")


def test_the_variable_names_the_data(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSEG_DATA", str(pack))
    assert find_data() == pack


@pytest.mark.parametrize(("split", "names"), [("train", ["a"]), ("test", ["b", "c"]), ("val", [])])
def test_splits_come_from_the_index(pack: Path, split: str, names: list[str]) -> None:
    assert [item.name for item in read_items("cells", pack / "cells", split)] == names


@pytest.mark.parametrize(("split", "planes"), [("train", {0, 1, 2}), ("val", {3}), ("test", {4, 5})])
def test_splits_of_a_stack_are_ranges_of_planes(pack: Path, split: str, planes: set[int]) -> None:
    assert {target.frame[0] for target in targets_of(pack, "stack", split)} == planes


def test_evaluation_only_counts_as_test(pack: Path) -> None:
    assert [target.label for target in targets_of(pack, "natural_photos")] == [1]
    assert targets_of(pack, "natural_photos", "train") == []


def test_without_an_index_every_pair_belongs_to_every_split(pack: Path) -> None:
    (pack / "cells" / "index.csv").unlink()
    (pack / "cells" / "labels" / "c.png").unlink()
    assert [item.name for item in read_items("cells", pack / "cells", "val")] == ["a", "b"]


def test_an_index_that_names_a_missing_image_is_told(pack: Path) -> None:
    (pack / "cells" / "images" / "b.png").unlink()
    with pytest.raises(ValueError, match=r"index\.csv names b"):
        read_items("cells", pack / "cells", "test")


def test_small_objects_are_left_out(pack: Path) -> None:
    labels = np.zeros((56, 56), np.uint8)
    labels[:5, :5] = 1
    labels[10:16, 10:16] = 2
    v3.imwrite(pack / "cells" / "labels" / "b.png", labels)
    found = [target for target in targets_of(pack, "cells") if target.item.name == "b"]
    assert [(target.label, target.area) for target in found] == [(2, 36)]


def test_a_plane_of_a_stack_is_two_dimensional(pack: Path) -> None:
    plane = read_plane(read_items("stack", pack / "stack", "test")[0], (4,))
    assert (plane.image.axes, plane.image.shape, plane.labels.shape, plane.ignore) == ("YX", (56, 56), (56, 56), None)


def test_a_mask_has_one_object_and_pixels_to_ignore(pack: Path) -> None:
    plane = read_plane(read_items("natural_photos", pack / "natural_photos", "test")[0], ())
    assert plane.image.axes == "YXC"
    assert set(np.unique(plane.labels)) == {0, 1}
    assert plane.ignore is not None
    assert plane.ignore[0].all()
    assert not plane.ignore[3:].any()


def test_images_and_labels_of_different_shapes_are_told(pack: Path) -> None:
    v3.imwrite(pack / "cells" / "images" / "b.png", np.zeros((10, 10), np.uint8))
    with pytest.raises(ValueError, match="differ in shape"):
        read_plane(read_items("cells", pack / "cells", "test")[0], ())


def test_the_sample_is_fixed_and_no_other_source_changes_it(pack: Path) -> None:
    cells, stack = targets_of(pack, "cells"), targets_of(pack, "stack")
    alone = sample_targets(cells, 3)
    assert alone == sample_targets(cells, 3)
    assert alone == sample_targets([*stack, *cells], 3)[3:]
    assert len({(t.item.name, t.label) for t in alone}) == 3
    assert sample_targets(cells, 3, seed=1) != alone


def test_a_sample_larger_than_the_source_is_the_source(pack: Path) -> None:
    cells = targets_of(pack, "cells")
    assert sample_targets(cells, 1000) == cells
