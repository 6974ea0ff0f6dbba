"""Classes of objects by id: names that can be, and where classes go when objects change."""

from __future__ import annotations

import pytest

from napari_clickseg.core.object_classes import LONGEST_NAME, checked_names, divided, merged, renamed, swapped


@pytest.mark.parametrize("names", [[""], ["  "], ["a\nb"], ["a\tb"], ["x" * (LONGEST_NAME + 1)], ["a", " a "]])
def test_names_that_would_break_a_table_are_refused(names) -> None:
    with pytest.raises(ValueError, match=r"class|classes"):
        checked_names(names)


def test_spaces_around_a_name_are_left_out() -> None:
    assert checked_names([" alive", "dead "]) == ("alive", "dead")


def test_the_first_class_among_merged_objects_stays() -> None:
    assert merged({2: "dead", 3: "alive"}, (1, 3, 2), gone=(3, 2)) == {1: "alive"}
    assert merged({1: "dead", 2: "alive"}, (1, 2), gone=()) == {1: "dead", 2: "alive"}


def test_parts_of_an_object_are_of_its_class() -> None:
    assert divided({4: "dead"}, (7, 8), parent=4) == {4: "dead", 7: "dead", 8: "dead"}
    assert divided({4: "dead"}, (7, 8), parent=5) == {4: "dead"}


def test_a_class_goes_along_with_the_id_unless_the_new_one_has_a_class() -> None:
    assert renamed({4: "dead"}, 4, 9, gone=(4,)) == {9: "dead"}
    assert renamed({4: "dead"}, 4, 9, gone=()) == {4: "dead", 9: "dead"}
    assert renamed({4: "dead", 9: "alive"}, 4, 9, gone=(4,)) == {9: "alive"}


def test_swapped_objects_keep_their_classes() -> None:
    assert swapped({1: "dead"}, 1, 2) == {2: "dead"}
