"""Session files: what was done is told in a file that can be read, and the same labels come out again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from doubles import Disks
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.session.session import Session
from napari_clickseg.storage.atomic import checksum, written_whole
from napari_clickseg.storage.image_identity import Identity
from napari_clickseg.storage.session_file import Record, Replay, Summary, load_session, save_session
from random_acts import User

SHAPE = (3, 12, 11)
MODELS = {"disks": Disks(), **{f"disks of {k} axes": Disks(k, 1.5, f"disks of {k} axes") for k in (2, 3)}}


def an_image() -> Image:
    return Image.of(np.random.default_rng(5).random(SHAPE).astype(np.float32), "TYX", (2.0, 0.5, 0.5))


def some_labels() -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    labels[:, :3, :3] = 4
    return labels


def saved_session(path: Path) -> Session:
    """Two objects, the second corrected; a third one thought better of."""
    session = Session(an_image(), Disks(), labels=some_labels())
    record = Record(session)
    session.click((0, 7, 7))
    session.commit()
    session.click((1, 7, 7))
    session.click((1, 7, 8), positive=False)
    session.threshold = 0.4
    session.commit()
    session.click((2, 3, 3))
    session.cancel()
    save_session(path, record, "folder/cells.tif")
    return session


def replayed(path: Path, labels: np.ndarray | None) -> Replay:
    saved = load_session(path)
    session = Session(an_image(), MODELS[saved.began.model], labels, highest=saved.highest)
    replay = Replay(saved, session, lambda name: MODELS[name])
    assert list(replay.steps()) == list(range(1, len(saved.entries) + 1))
    return replay


def test_a_session_comes_back_from_its_file_with_the_same_labels(tmp_path: Path) -> None:
    session = saved_session(tmp_path / "a.json")
    replay = replayed(tmp_path / "a.json", some_labels())
    np.testing.assert_array_equal(replay.session.labels, session.labels)
    assert replay.problems == []
    assert Summary.of(replay.session.labels) == replay.saved.labels
    assert replay.saved.image == Identity.of(an_image(), "cells.tif")
    assert (replay.saved.highest, replay.session.threshold, replay.session.label) == (4, 0.4, session.label)


@pytest.mark.parametrize("seed", range(40))
def test_random_sessions_come_back_with_the_same_labels(tmp_path: Path, seed: int) -> None:
    session = Session(an_image(), Disks(), some_labels())
    record = Record(session)
    User(session, seed).act(40)
    save_session(tmp_path / "a.json", record)
    replay = replayed(tmp_path / "a.json", some_labels())
    np.testing.assert_array_equal(replay.session.labels, session.labels)
    assert replay.session.clicks == session.clicks
    assert replay.session.classes == session.classes


def test_undo_and_redo_of_a_replay_bring_each_objects_own_threshold(tmp_path: Path) -> None:
    session = Session(an_image(), Disks())
    record = Record(session)
    session.click((0, 7, 7))
    session.commit()
    session.click((1, 7, 7))
    session.threshold = 0.8
    for travel in (session.undo, session.undo, session.redo, session.redo):
        travel()
    save_session(tmp_path / "a.json", record)
    replay = replayed(tmp_path / "a.json", None)
    np.testing.assert_array_equal(replay.session.labels, session.labels)
    assert replay.session.threshold == 0.8


def test_the_file_can_be_read_by_eye_and_holds_no_path(tmp_path: Path) -> None:
    saved_session(tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text("utf-8")
    value = json.loads(text)
    assert '"name": "cells.tif"' in text
    assert "folder" not in text
    assert sum('"act": "set_clicks"' in line for line in text.splitlines()) == 4
    assert (value["kind"], value["format"], value["models"]) == ("napari-clickseg session", 1, {"disks": ""})
    assert len(text) < 6000


def test_clicks_of_each_object_can_be_taken_out_as_a_table(tmp_path: Path) -> None:
    saved_session(tmp_path / "a.json")
    clicks = load_session(tmp_path / "a.json").clicks()
    assert clicks[5] == [Click((0.0, 7.0, 7.0))]
    assert clicks[6] == [Click((1.0, 7.0, 7.0)), Click((1.0, 7.0, 8.0), False)]


def test_the_weights_of_a_model_are_told_by_their_checksum(tmp_path: Path) -> None:
    (tmp_path / "disks.safetensors").write_bytes(b"weights")
    session = Session(an_image(), Disks())
    save_session(tmp_path / "a.json", Record(session), weights={"disks": tmp_path / "disks.safetensors"})
    assert load_session(tmp_path / "a.json").models == {"disks": checksum(tmp_path / "disks.safetensors")}


def test_what_another_model_cannot_do_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    saved_session(tmp_path / "a.json")
    saved = load_session(tmp_path / "a.json")
    session = Session(an_image(), Disks(radius=0.0), labels=some_labels(), highest=4)
    session.labels[0, 6:9, 6:9] = 4  # so that the first object finds no room
    replay = Replay(saved, session, lambda name: Disks())
    list(replay.steps())
    assert [problem.split(":")[0] for problem in replay.problems] == ["Act 3 (commit, object 5)"]
    assert session.labels[1, 7, 7] == 6


def test_summaries_know_neither_dtype_nor_memory_order() -> None:
    labels = some_labels()
    assert Summary.of(labels) == Summary.of(np.asfortranarray(labels.astype(np.uint8)))
    assert Summary.of(labels).areas == {4: 27}
    assert Summary.of(labels) != Summary.of(labels[:2])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "napari-clickseg session", "format": 2}', "\x00"])
def test_what_is_no_session_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json is no session file that can be read"):
        load_session(tmp_path / "a.json")


def test_a_damaged_entry_is_refused_in_a_sentence(tmp_path: Path) -> None:
    saved_session(tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text("utf-8").replace('"$click"', '"$clack"')
    with written_whole(tmp_path / "a.json") as unfinished:
        unfinished.write_text(text)
    with pytest.raises(ValueError, match=r"'\$clack' is none of the kinds of values"):
        load_session(tmp_path / "a.json")
