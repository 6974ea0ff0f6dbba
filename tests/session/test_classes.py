"""Classes: given and taken by undo steps, they follow the objects through every operation on labels."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import Disks
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.regions import Region
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.recovery import recover
from napari_clickseg.storage.session_file import Record, Replay, load_session, save_session


def labels(frames: int = 1) -> np.ndarray:
    """Objects 1, 2 and 3 side by side on each frame."""
    plane = np.zeros((8, 24), np.int32)
    for label in (1, 2, 3):
        plane[2:6, 8 * label - 7 : 8 * label - 2] = label
    return plane if frames == 1 else np.stack([plane] * frames)


def session(frames: int = 1, **options) -> Session:
    drawn = labels(frames)
    axes = "TYX" if frames > 1 else "YX"
    return Session(np.zeros(drawn.shape), Disks(2), labels=drawn, axes=axes, **options)


def test_a_class_is_one_step_of_undo_and_names_are_listed_as_they_come() -> None:
    one = session()
    one.classify({2: "mitotic", 1: "dead"})
    one.classify({2: None})
    assert dict(one.classes) == {1: "dead"}
    assert one.class_names == ("mitotic", "dead")
    one.undo()
    assert dict(one.classes) == {1: "dead", 2: "mitotic"}
    one.undo()
    assert not one.classes
    assert one.class_names == ()
    one.redo()
    assert one.classes[2] == "mitotic"


def test_what_changes_nothing_is_no_step() -> None:
    one = session(classes={1: "dead"})
    one.classify({1: "dead", 2: None})
    one.name_classes(["dead"])
    one.rename_class("dead", "dead")
    assert not one.can_undo


def test_absent_objects_and_bad_names_are_refused_and_nothing_is_changed() -> None:
    one = session()
    with pytest.raises(ValueError, match="no object 9"):
        one.classify({1: "dead", 9: "dead"})
    with pytest.raises(ValueError, match="start at 1"):
        one.classify({0: "dead"})
    with pytest.raises(ValueError, match="named by"):
        one.classify({1: ""})
    assert not one.can_undo


def test_classes_that_came_with_the_labels_are_there_from_the_beginning() -> None:
    one = session(classes={1: "dead", 3: "alive"})
    assert dict(one.classes) == {1: "dead", 3: "alive"}
    assert one.class_names == ("alive", "dead")
    assert not one.can_undo


def test_the_list_may_be_ordered_and_renamed_but_keeps_classes_in_use() -> None:
    one = session(classes={1: "dead", 2: "dead"})
    one.name_classes(["alive", "dead"])
    assert one.class_names == ("alive", "dead")
    with pytest.raises(ValueError, match="2 objects are of the class 'dead'"):
        one.name_classes(["alive"])
    one.rename_class("dead", "apoptotic")
    assert one.class_names == ("alive", "apoptotic")
    assert set(one.classes.values()) == {"apoptotic"}
    with pytest.raises(ValueError, match="two classes 'alive'"):
        one.rename_class("apoptotic", "alive")
    one.undo()
    assert set(one.classes.values()) == {"dead"}


def test_the_object_being_drawn_is_kept_before_it_gets_a_class() -> None:
    one = Session(np.zeros((16, 16)), Disks(2))
    one.click((8, 8))
    one.classify({1: "dead"})
    assert one.label == 2
    assert one.classes[1] == "dead"
    one.undo()
    assert not one.classes
    assert one.label == 2
    one.undo()
    assert (one.label, len(one.clicks)) == (1, 1)


def test_others_get_a_class_while_an_object_is_drawn() -> None:
    one = session(protect="anything")
    one.click((4, 12))
    one.classify({1: "dead"})
    assert one.clicks
    assert one.classes[1] == "dead"
    one.commit()
    assert one.classes[1] == "dead"


@pytest.mark.parametrize(
    ("act", "after"),
    [
        (lambda one: one.merge((1, 2)), {1: "dead", 3: "alive"}),
        (lambda one: one.merge((2, 3)), {1: "dead", 2: "alive"}),
        (lambda one: one.split((3, 2), (3, 5)), {1: "dead", 3: "alive", 4: "dead"}),
        (lambda one: one.delete(1), {3: "alive"}),
        (lambda one: one.delete(2), {1: "dead", 3: "alive"}),
        (lambda one: one.relabel(1, 9), {9: "dead", 3: "alive"}),
        (lambda one: one.swap(1, 3), {3: "dead", 1: "alive"}),
        (lambda one: one.swap(1, 2), {2: "dead", 3: "alive"}),
    ],
)
def test_classes_follow_objects_and_undo_restores_them(act, after) -> None:
    one = session(classes={1: "dead", 3: "alive"})
    act(one)
    assert dict(one.classes) == after
    one.undo()
    assert dict(one.classes) == {1: "dead", 3: "alive"}
    one.redo()
    assert dict(one.classes) == after


def test_on_one_frame_of_a_movie_an_object_keeps_its_class_on_the_others() -> None:
    one = session(frames=3, classes={1: "dead", 3: "alive"})
    one.delete(1, frame=(0,))
    one.relabel(1, 9, frames=[(1,)])
    one.merge((2, 3), frames=[(2,)])
    one.swap(1, 9, frames=[(2,)]) if (one.labels[2] == 9).any() else None
    assert dict(one.classes) == {1: "dead", 2: "alive", 3: "alive", 9: "dead"}
    one.delete(1, frame=(2,))
    assert dict(one.classes) == {2: "alive", 3: "alive", 9: "dead"}


def test_from_a_frame_on_classes_are_swapped_where_neither_object_lies_before_it() -> None:
    one = session(frames=3, classes={1: "dead"})
    one.labels[0] = 0
    one.swap(1, 2, frames=[(1,), (2,)])
    assert dict(one.classes) == {2: "dead"}
    one.swap(2, 3, frames=[(2,)])
    assert dict(one.classes) == {2: "dead"}


def test_an_object_that_is_clicked_away_has_no_class_any_more() -> None:
    one = Session(np.zeros((16, 16)), Disks(2))
    one.click((8, 8))
    one.commit()
    one.classify({1: "dead"})
    one.resume(1)
    while one.area():
        y, x = np.argwhere(one.labels == 1)[0]
        one.click((y, x), positive=False)
    one.commit()
    assert not one.classes
    one.undo()
    assert one.classes[1] == "dead"


def test_an_undone_object_takes_its_class_along_when_somebody_else_takes_its_id() -> None:
    one = session()
    one.edit({(): Edit(Region((0, 0), (1, 2)), np.ones((1, 2), bool), np.full((1, 2), 4))})
    one.classify({4: "dead"})
    one.undo()
    one.undo()
    one.labels[7, :3] = 4
    one.reserve(4)
    one.redo()
    one.redo()
    assert dict(one.classes) == {int(one.labels[0, 0]): "dead"}
    assert one.labels[0, 0] != 4


def test_classes_stay_when_the_model_sees_other_axes() -> None:
    one = session(frames=3, classes={1: "dead"})
    one.predictor = Disks(3)
    assert dict(one.classes) == {1: "dead"}


def test_journal_and_session_file_bring_classes_back(tmp_path) -> None:
    one = session(classes={3: "alive"})
    record, journal = Record(one), Journal.start(one, folder=tmp_path)
    one.classify({1: "dead"})
    one.click((1, 20))
    one.classify({4: "odd", 2: "dead"})
    one.merge((1, 2))
    one.rename_class("dead", "apoptotic")
    one.name_classes(["odd", "apoptotic", "alive"])
    one.classify({3: None})
    one.undo()
    expected, names = dict(one.classes), one.class_names
    assert expected == {1: "apoptotic", 3: "alive", 4: "odd"}
    save_session(tmp_path / "session.json", record)
    journal.secure()
    restored = recover(journal.path).restored(one.image, Disks(2), None)
    assert (dict(restored.classes), restored.class_names) == (expected, names)
    saved = load_session(tmp_path / "session.json")
    again = Session(one.image, Disks(2), labels(), highest=saved.highest, classes=saved.classes)
    replay = Replay(saved, again, lambda name: Disks(2))
    list(replay.steps())
    assert replay.problems == []
    assert (dict(again.classes), again.class_names) == (expected, names)
    journal.saved()
    journal.close()
