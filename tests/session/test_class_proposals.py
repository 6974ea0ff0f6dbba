"""Class proposals: learned from the objects that have a class, for those that have none; nothing is changed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from doubles import Disks, disk
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.models.load import load_model
from napari_clickseg.session.session import Session

SHAPE = (64, 160)
LARGE, SMALL = (1, 2, 3, 4), (5, 6, 7, 8)


def cells(frames: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Bright large disks (ids 1 to 4) above dim small ones (5 to 8)."""
    image, labels = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.int32)
    for k in range(4):
        for label, row, radius, value in ((k + 1, 18, 9, 0.9), (k + 5, 46, 4, 0.4)):
            where = disk(SHAPE, (row, 20 + 40 * k), radius)
            image[where], labels[where] = value, label
    if frames > 1:
        return np.stack([image] * frames), np.stack([labels] * frames)
    return image, labels


def session(frames: int = 1, predictor=None) -> Session:
    image, labels = cells(frames)
    axes = "TYX" if frames > 1 else "YX"
    return Session(image, predictor or Disks(2), labels=labels, axes=axes, classes={1: "large", 5: "small"})


@pytest.mark.parametrize("model", [None, "default"])
def test_others_are_proposed_what_they_resemble(model) -> None:
    one = session(predictor=model and load_model(model))
    proposed = one.propose_classes()
    assert {label: each.name for label, each in proposed.items()} == {
        **dict.fromkeys(LARGE[1:], "large"),
        **dict.fromkeys(SMALL[1:], "small"),
    }
    assert all(0.5 < each.probability <= 1 for each in proposed.values())
    assert not one.can_undo
    one.classify({label: each.name for label, each in proposed.items()})
    assert one.propose_classes() == {}
    one.undo()
    assert dict(one.classes) == {1: "large", 5: "small"}


def test_a_frame_is_asked_and_objects_of_others_are_learned_from() -> None:
    one = session(frames=2)
    one.labels[0, one.labels[0] > 5] = 0
    one.labels[1] = np.where(one.labels[1] > 5, one.labels[1] + 10, 0)
    proposed = one.propose_classes((1,))
    assert {label: each.name for label, each in proposed.items()} == dict.fromkeys((16, 17, 18), "small")
    assert set(one.propose_classes()) == {2, 3, 4, 16, 17, 18}


def test_an_object_on_several_frames_gets_one_proposal() -> None:
    assert set(session(frames=3).propose_classes()) == {2, 3, 4, 6, 7, 8}


def test_two_classes_are_wanted_and_a_sentence_says_so() -> None:
    one = session()
    one.classify({5: None})
    with pytest.raises(ValueError, match="only 'large' has objects"):
        one.propose_classes()
    one.classify({1: None})
    with pytest.raises(ValueError, match="no object has a class"):
        one.propose_classes()


def test_without_scikit_learn_a_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ValueError, match=r"napari-clickseg\[classes\]"):
        session().propose_classes()


def test_it_ends_where_that_is_asked() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        session().propose_classes(stop=stop)
