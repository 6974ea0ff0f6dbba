"""Journal: what is done is in the file at once; what cannot be written is told once, and the session goes on."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from doubles import Disks
from napari_clickseg.session.session import Session
from napari_clickseg.storage import event_log as lines_module
from napari_clickseg.storage import event_log as module
from napari_clickseg.storage.event_log import Journal, read_lines
from napari_clickseg.storage.paths import journals_folder
from napari_clickseg.storage.recovery import recover


def a_session(shape: tuple[int, ...] = (20, 30), labels: np.ndarray | None = None) -> Session:
    return Session(np.zeros(shape, np.float32), Disks(), labels=labels)


def acts(journal: Journal) -> list[str]:
    return [line["act"] for line in read_lines(journal.path) if "act" in line]


def test_each_act_is_a_line_of_its_own(tmp_path: Path) -> None:
    session = a_session()
    journal = Journal.start(session, tmp_path / "cells.tif", tmp_path)
    session.click((5, 5))
    session.threshold = 0.4
    session.commit()
    session.undo()
    journal.wait()
    assert acts(journal) == ["set_clicks", "apply", "threshold", "commit", "undo"]
    journal.close()


def test_the_first_line_tells_the_image_but_not_where_it_lies(tmp_path: Path) -> None:
    session = a_session((3, 20, 30))
    journal = Journal.start(session, tmp_path / "cells.tif", tmp_path)
    journal.wait()
    head = next(read_lines(journal.path))
    assert (head["image"]["name"], head["image"]["shape"], head["image"]["axes"]) == ("cells.tif", [3, 20, 30], "ZYX")
    assert str(tmp_path) not in json.dumps(head)
    journal.close()


def test_nothing_unsaved_leaves_nothing_behind(tmp_path: Path) -> None:
    for click in (False, True):
        session = a_session(labels=np.eye(20, 30, dtype=np.int32))
        journal = Journal.start(session, folder=tmp_path)
        if click:
            session.click((5, 5))
            journal.saved()
        journal.close()
        assert list(tmp_path.iterdir()) == []


def test_what_was_done_after_saving_stays(tmp_path: Path) -> None:
    session = a_session()
    journal = Journal.start(session, folder=tmp_path)
    journal.saved()
    session.click((5, 5))
    journal.close()
    assert acts(journal) == ["set_clicks", "apply"]


def test_a_closed_journal_hears_nothing_more(tmp_path: Path) -> None:
    session = a_session()
    journal = Journal.start(session, folder=tmp_path)
    session.click((5, 5))
    journal.close()
    session.click((9, 9))
    assert len(acts(journal)) == 2


def test_a_session_that_did_something_already_is_refused(tmp_path: Path) -> None:
    session = a_session()
    session.click((5, 5))
    with pytest.raises(ValueError, match="listen to it from its beginning"):
        Journal.start(session, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_journals_of_one_image_have_files_of_their_own(tmp_path: Path) -> None:
    sessions = [a_session(), a_session()]
    journals = [Journal.start(session, folder=tmp_path) for session in sessions]
    for session in sessions:
        session.click((5, 5))
    for journal in journals:
        journal.close()
        assert len(acts(journal)) == 2


def test_an_unwritable_folder_is_told_once_and_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    session = a_session(labels=np.eye(20, 30, dtype=np.int32))
    journal, told = Journal.start(session, folder=tmp_path / "file"), []
    journal.failed.connect(told.append)
    session.click((5, 5))
    assert session.commit() == 2
    journal.close()
    assert journal.problem.startswith("From here on a crash would lose your work")
    assert told in ([], [journal.problem])  # it may have failed before anybody listened
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_is_told_once_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, told = a_session(), []
    journal = Journal.start(session, folder=tmp_path)
    journal.failed.connect(told.append)
    session.click((5, 5))
    journal.wait()

    def full(value: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lines_module, "line_of", full)
    session.click((9, 9))
    session.commit()
    journal.wait()
    monkeypatch.undo()
    session.click((2, 20))
    journal.close()
    assert told == [
        "From here on a crash would lose your work: the journal cannot be written (No space left on device). "
        "Save the labels."
    ]
    assert [entry.act.name for entry in recover(journal.path).entries] == ["set_clicks", "apply"]
    assert session.labels[2, 20] == 2


def test_a_copy_of_the_labels_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_save_npz", full)
    monkeypatch.setattr(Journal, "_tell", lambda journal, error: told.append(str(error)))
    journal = Journal.start(a_session(labels=np.eye(20, 30, dtype=np.int32)), folder=tmp_path)
    journal.wait()
    assert len(told) == 1
    assert "No space left" in told[0]
    journal.close()


def test_labels_that_are_too_large_to_copy_are_kept_tile_by_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COPIED_BYTES", 10)
    monkeypatch.setattr(module, "TILE", 8)
    labels = np.arange(600, dtype=np.int32).reshape(20, 30) // 590
    before = labels.copy()
    session = a_session(labels=labels)
    journal = Journal.start(session, folder=tmp_path)
    session.click((7, 7))
    session.click((19, 29))
    journal.wait()
    assert not journal.path.with_suffix(".npz").exists()
    tiles = [line["before"] for line in read_lines(journal.path) if "before" in line]
    assert [[0, 0], [8, 8]] in tiles
    assert [[16, 24], [20, 30]] in tiles
    assert len(tiles) == len({str(tile) for tile in tiles})
    np.testing.assert_array_equal(recover(journal.path).labels(labels), before)
    journal.close()


def test_the_journals_lie_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(module.JOURNALS_VARIABLE, str(tmp_path))
    assert journals_folder() == tmp_path
    monkeypatch.delenv(module.JOURNALS_VARIABLE)
    assert journals_folder().name == "journals"
