"""Journal: what is done is in the file at once; what cannot be written is told once, and the session goes on."""

from __future__ import annotations

import errno
import json
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from doubles import Disks
from napari_clickseg.core.clicks import Click
from napari_clickseg.session.session import Session
from napari_clickseg.storage import event_log as module
from napari_clickseg.storage import label_tiles, log_lines
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.image_identity import Identity
from napari_clickseg.storage.journal_files import find, journals_folders
from napari_clickseg.storage.label_tiles import TileSums
from napari_clickseg.storage.log_lines import read_lines
from napari_clickseg.storage.paths import JOURNALS_VARIABLE, journals_folder
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


def test_a_click_and_its_answer_are_one_change_and_an_answer_after_saving_is_one(tmp_path: Path) -> None:
    session = a_session()
    journal = Journal.start(session, folder=tmp_path)
    session.click((10, 12))
    assert journal.unsaved == 1
    session.commit()
    assert journal.unsaved == 2
    request = session.set_clicks((Click((5, 25)),))
    journal.saved()
    session.apply(request, session.run(request))
    assert journal.unsaved == 1
    journal.close()


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


def test_the_users_folder_that_cannot_be_written_gives_way_to_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    session = a_session()
    journal = Journal.start(session)
    session.click((5, 5))
    journal.secure()
    assert journal.problem == ""
    assert journal.path.parent == journals_folders()[1]
    assert [found.acts for found in find(session.image)] == []  # it is still open
    journal.close()
    assert [found.acts for found in find(session.image)] == [2]


def test_a_full_disk_is_told_once_and_when_there_is_space_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, told, again = a_session(), [], []
    journal = Journal.start(session, folder=tmp_path)
    journal.failed.connect(told.append)
    journal.resumed.connect(again.append)
    session.click((5, 5))
    journal.wait()

    def full(value: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(log_lines, "line_of", full)
    session.click((9, 9))
    session.commit()
    journal.wait()
    assert journal.problem == told[0]
    with pytest.raises(OSError, match="No space left"):
        journal.secure()
    assert [entry.act.name for entry in recover(journal.path).entries] == ["set_clicks", "apply"]
    monkeypatch.undo()
    session.click((2, 20))
    journal.secure()
    assert told == [
        "From here on a crash would lose your work: the journal cannot be written (No space left on device). "
        "Save the labels."
    ]
    assert again == ["The journal is written again: a crash would lose nothing."]
    assert journal.problem == ""
    names = [entry.act.name for entry in recover(journal.path).entries]
    assert names == ["set_clicks", "apply"] * 2 + ["commit"] + ["set_clicks", "apply"]
    journal.close()


def test_acts_are_in_the_file_while_image_and_labels_are_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    sample, first = Identity.of, TileSums.first
    monkeypatch.setattr(Identity, "of", lambda *what: (gate.wait(), sample(*what))[1])
    monkeypatch.setattr(
        TileSums,
        "first",
        lambda sums, *what: (threading.current_thread().name == "clickseg-labels" and gate.wait(), first(sums, *what))[
            1
        ],
    )
    labels = np.zeros((20, 30), np.int32)
    labels[15, 25] = 3
    session = a_session(labels=labels)
    journal = Journal.start(session, folder=tmp_path)
    session.click((5, 5))
    journal._lines.wait()
    killed = tmp_path / "killed.jsonl"
    killed.write_bytes(journal.path.read_bytes())
    gate.set()
    journal.close()
    recovered = recover(killed)
    assert len(recovered.entries) == 2
    other = recovered.restored(session.image, Disks(), labels=None)
    np.testing.assert_array_equal(other.labels == 4, session.labels == 4)
    assert [found.path for found in find(session.image, tmp_path)] == [journal.path, killed]


def test_what_another_plugin_wrote_is_done_again_too(tmp_path: Path) -> None:
    session = a_session((300, 280))
    journal = Journal.start(session, folder=tmp_path)
    journal.wait()
    session.click((20, 20))
    session.commit()
    session.labels[18:22, 10:60] = 9
    session.click((40, 40))
    session.commit()
    session.labels[250:260, 200:210] = 7
    session.resume(7)
    session.delete(9)
    journal.wait()
    recovered = recover(journal.path)
    other = recovered.restored(session.image, Disks(), None)
    np.testing.assert_array_equal(other.labels, session.labels)
    assert recovered.problems == []
    journal.close()


def test_labels_that_another_array_took_the_place_of_are_done_again(tmp_path: Path) -> None:
    session = a_session((300, 280), np.zeros((300, 280), np.uint8))
    journal = Journal.start(session, folder=tmp_path)
    journal.wait()
    session.click((20, 20))
    session.commit()
    other = np.zeros((300, 280), np.int32)
    other[200:220, 200:220] = 900
    session.labels = other
    session.reserve(900)
    session.click((40, 40))
    assert session.commit() == 901
    session.resume(900)
    session.click((205, 205))
    journal.wait()
    recovered = recover(journal.path)
    np.testing.assert_array_equal(recovered.restored(session.image, Disks(), None).labels, session.labels)
    assert recovered.problems == []
    journal.close()


def test_labels_that_are_too_large_to_copy_are_kept_tile_by_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COPIED_BYTES", 10)
    monkeypatch.setattr(label_tiles, "TILE", 8)
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
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path))
    assert journals_folder() == tmp_path
    monkeypatch.delenv(JOURNALS_VARIABLE)
    assert journals_folder().name == "journals"
