"""Recovery: however a process ended, the session is there again up to its last whole act."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import zarr

from doubles import Disks
from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Nobody
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.journal_files import KEPT_DAYS, clean, discard, find, supersede
from napari_clickseg.storage.label_tiles import Overlay
from napari_clickseg.storage.locks import Lock
from napari_clickseg.storage.log_lines import LOCK_SUFFIX, line_of, read_lines
from napari_clickseg.storage.recovery import Recovered, recover
from random_acts import User

KINDS = {"2D": ((12, 14), 2), "2D+t": ((3, 10, 9), 2), "3D+t": ((2, 4, 8, 8), 3)}
HISTORIES = 25
"""Of each kind of data."""


def an_image(shape: tuple[int, ...] = (12, 14)) -> Image:
    return Image.of(np.random.default_rng(sum(shape)).random(shape).astype(np.float32))


def some_labels(shape: tuple[int, ...]) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    labels[..., :3, :3], labels[..., -3:, -3:] = 1, 2
    return labels


def journalled(session: Session, folder: Path) -> Journal:
    journal = Journal.start(session, "cells.tif", folder)
    journal.failed.connect(pytest.fail)
    return journal


def again(recovered: Recovered, image: Image, ndim: int = 2) -> Session:
    session = recovered.session(image, Nobody(ndim))
    recovered.replay(session)
    return session


def left_behind(folder: Path, image: Image | None = None, clicks: int = 2) -> Path:
    """The journal of a session that ended without being saved."""
    session = Session(an_image() if image is None else image, Disks())
    journal = journalled(session, folder)
    for k in range(clicks):
        session.click((3 + 3 * k, 4))
        session.commit()
    journal.close()
    return journal.path


def assert_same(one: Session, other: Session) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (one.clicks, one.label, one.threshold, one.protect) == (
        other.clicks,
        other.label,
        other.threshold,
        other.protect,
    )
    assert (one.step, one.can_undo, one.can_redo, one.confirmed) == (
        other.step,
        other.can_undo,
        other.can_redo,
        other.confirmed,
    )
    assert (one.classes, one.class_names) == (other.classes, other.class_names)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [True, False])
def test_random_histories_are_there_again_with_their_undo(tmp_path: Path, kind: str, given: bool) -> None:
    shape, ndim = KINDS[kind]
    image = an_image(shape)
    for seed in range(HISTORIES):
        session = Session(image, Disks(ndim, radius=1.5), labels=some_labels(shape) if given else None)
        journal = journalled(session, tmp_path)
        User(session, seed).act(30)
        journal.wait()
        other = again(recover(journal.path), image, ndim)
        assert_same(session, other)
        for step in (Session.undo, Session.undo, Session.redo, Session.undo):
            step(session)
            step(other)
            np.testing.assert_array_equal(session.labels, other.labels)
        journal.saved()
        journal.close()


def test_cut_at_any_byte_a_journal_gives_the_session_up_to_its_last_whole_line(tmp_path: Path) -> None:
    image = an_image()
    session = Session(image, Disks(radius=1.5), labels=some_labels(image.shape))
    journal = journalled(session, tmp_path / "a")
    pictures = [session.labels.copy()]
    session.acted.connect(lambda act: pictures.append(session.labels.copy()))
    journal.wait()
    User(session, 3).act(25)
    journal.close()
    content = journal.path.read_bytes()
    lines = content.splitlines(keepends=True)
    ends = np.cumsum([len(line) for line in lines])
    copied = next(k for k, line in enumerate(read_lines(journal.path)) if "labels" in line)
    for cut in np.random.default_rng(0).integers(ends[copied], len(content) + 1, 60):
        journal.path.write_bytes(content[:cut])
        acts = sum(b'{"act"' in line for line, end in zip(lines, ends, strict=True) if end <= cut)
        recovered = recover(journal.path)
        assert len(recovered.entries) == acts
        np.testing.assert_array_equal(again(recovered, image).labels, pictures[acts])


def test_labels_on_disk_are_rolled_back_and_drawn_again(tmp_path: Path) -> None:
    image = an_image((3, 300, 280))
    labels = zarr.create_array(tmp_path / "labels.zarr", shape=image.shape, chunks=(1, 64, 64), dtype="uint16")
    labels[:] = some_labels(image.shape)
    session = Session(image, Disks(radius=5), labels=labels)
    journal = journalled(session, tmp_path)
    session.click((1, 257, 20))
    session.commit()
    session.resume(1)
    session.click((0, 2, 5))
    journal.wait()
    drawn = labels[:]
    recovered = recover(journal.path)
    with pytest.raises(ValueError, match="holds no copy of the labels"):
        recovered.labels()
    np.testing.assert_array_equal(recovered.labels(labels)[:], some_labels(image.shape))
    other = recovered.session(image, Nobody(2), labels)
    recovered.replay(other)
    np.testing.assert_array_equal(labels[:], drawn)
    journal.close()


def test_strokes_where_no_act_drew_before_are_not_there_when_earlier_acts_are_done_again(tmp_path: Path) -> None:
    image = an_image((3, 300, 280))
    labels = zarr.create_array(tmp_path / "labels.zarr", shape=image.shape, chunks=(1, 64, 64), dtype="uint16")
    labels[:] = some_labels(image.shape)
    session = Session(image, Disks(radius=5), labels=labels)
    journal = journalled(session, tmp_path)
    session.click((0, 100, 100))
    session.reserve(3)  # nobody has drawn with it elsewhere: the object keeps its id
    stroke = Region((1, 250, 250), (2, 260, 262))
    before = labels[stroke.slices]
    labels[stroke.slices] = 3
    session.painted_by_hand(stroke, before)
    session.commit()
    session.click((1, 240, 240))
    assert labels[0, 100, 100] == 3
    journal.wait()
    recovered = recover(journal.path)
    np.testing.assert_array_equal(recovered.labels(Overlay(labels))[:], some_labels(image.shape))
    np.testing.assert_array_equal(recovered.restored(image, Nobody(2), labels).labels[:], labels[:])
    assert recovered.problems == []
    journal.close()


def test_a_drawing_that_overtakes_the_copy_of_the_labels_is_taken_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, started = an_image(), []
    monkeypatch.setattr(Journal, "_copy_labels", lambda journal: started.append(journal))
    session = Session(image, Disks(), labels=some_labels(image.shape))
    journal = journalled(session, tmp_path)
    session.click((6, 7))
    monkeypatch.undo()
    started[0]._copy_labels()
    journal.wait()
    np.testing.assert_array_equal(recover(journal.path).labels(), some_labels(image.shape))
    journal.close()


def test_a_stroke_that_overtakes_the_copy_of_the_labels_is_taken_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, started = an_image(), []
    monkeypatch.setattr(Journal, "_copy_labels", lambda journal: started.append(journal))
    session = Session(image, Disks(), labels=some_labels(image.shape))
    journal = journalled(session, tmp_path)
    monkeypatch.undo()
    stroke = Region((8, 9), (10, 12))
    for number, copied in enumerate((True, False), start=7):  # the copy comes before the first report, not the second
        before = np.array(session.labels[stroke.slices])
        session.labels[stroke.slices] = number
        if copied:
            started[0]._copy_labels()
        session.painted_by_hand(stroke, before)
    journal.wait()
    recovered = recover(journal.path)
    np.testing.assert_array_equal(recovered.labels(), some_labels(image.shape))
    np.testing.assert_array_equal(recovered.restored(image, Nobody(2), None).labels, session.labels)
    journal.close()


def test_an_image_opened_again_finds_its_unfinished_sessions_the_newest_first(tmp_path: Path) -> None:
    old, new = left_behind(tmp_path, clicks=1), left_behind(tmp_path, clicks=2)
    os.utime(old, (time.time() - 100,) * 2)
    left_behind(tmp_path, an_image((12, 15)))
    found = find(an_image(), tmp_path)
    assert [f.path for f in found] == [new, old]
    assert [(f.kept, f.image, f.model) for f in found] == [(2, "cells.tif", "disks"), (1, "cells.tif", "disks")]
    today = datetime.now().astimezone()
    assert found[0].sentence == (
        f"A session on cells.tif of {today.day} {today:%B}, {found[0].started:%H:%M}, 6 acts, was not saved."
    )


def test_another_image_of_the_same_shape_finds_nothing(tmp_path: Path) -> None:
    left_behind(tmp_path)
    assert find(Image.of(an_image().array + 1), tmp_path) == []
    assert find(Image.of(an_image().array, channel=None, axes="ZX"), tmp_path) != []


def test_a_session_that_is_open_is_not_offered_and_not_deleted(tmp_path: Path) -> None:
    session = Session(an_image(), Disks())
    journal = journalled(session, tmp_path)
    session.click((5, 5))
    journal.wait()
    assert find(session.image, tmp_path) == []
    with pytest.raises(ValueError, match="still open"):
        discard(journal.path)
    clean(tmp_path, now=time.time() + 1e9)
    assert journal.path.exists()
    journal.close()
    assert [f.acts for f in find(session.image, tmp_path)] == [2]


def test_a_saved_session_is_offered_only_for_what_came_after(tmp_path: Path) -> None:
    session = Session(an_image(), Disks())
    journal = journalled(session, tmp_path)
    session.click((5, 5))
    session.commit()
    journal.saved()
    session.click((1, 1))
    journal.close()
    assert [f.acts for f in find(session.image, tmp_path)] == [2]
    assert len(recover(journal.path).entries) == 5


def test_what_is_discarded_is_gone_with_all_that_lies_beside_it(tmp_path: Path) -> None:
    session = Session(an_image(), Disks(), labels=some_labels((12, 14)))
    journal = journalled(session, tmp_path)
    session.click((5, 5))
    journal.close()
    assert len(list(tmp_path.iterdir())) == 2
    discard(journal.path)
    assert list(tmp_path.iterdir()) == []


def test_learned_weights_are_kept_for_two_months(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSEG_JOURNALS", str(tmp_path))
    weights = tmp_path / "learned" / "learned-0011223344.safetensors"
    weights.parent.mkdir()
    weights.touch()
    clean(now=time.time() + 59 * 86_400)
    assert weights.exists()
    clean(now=time.time() + 61 * 86_400)
    assert not weights.exists()


def test_journals_of_last_month_are_cleaned_away(tmp_path: Path) -> None:
    old, new = left_behind(tmp_path), left_behind(tmp_path)
    os.utime(old, (time.time() - (KEPT_DAYS + 1) * 86_400,) * 2)
    clean(tmp_path)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b'29b8c2c6 {"journal": 99}\n'])
def test_what_is_no_journal_is_passed_over_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    assert find(an_image(), tmp_path) == []
    with pytest.raises(ValueError, match="is no journal of this version, or its first line is damaged"):
        recover(path)


def test_an_act_that_does_not_fit_is_named_and_what_comes_after_it_is_done(tmp_path: Path) -> None:
    recovered = recover(left_behind(tmp_path, clicks=3))
    session = recovered.session(an_image(), Nobody(2))
    steps = recovered.steps(session)
    assert next(steps) == 1
    session.stop_waiting()
    assert list(steps) == list(range(2, 10))
    assert recovered.problems[0].startswith("Act 2 (apply) cannot be done again: No answer is awaited")
    assert set(np.unique(session.labels)) == {0, 2, 3}  # the ids that the objects had


def test_undo_and_redo_lead_where_they_led_though_an_act_is_missing(tmp_path: Path) -> None:
    session = Session(an_image(), Disks(radius=1))
    journal = journalled(session, tmp_path)
    for column in (2, 6, 10):
        session.click((6, column))
        session.commit()
    session.undo()
    session.undo()  # the third object is gone
    session.click((2, 2))
    session.undo()
    session.redo()
    journal.close()
    lines = journal.path.read_bytes().splitlines(keepends=True)
    gone = next(k for k, line in enumerate(lines) if b'"set_clicks"' in line and b"[6.0,6.0]" in line)
    journal.path.write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
    recovered = recover(journal.path)
    other = recovered.restored(session.image, Nobody(2), None)
    assert recovered.problems
    for label in (1, 3):
        np.testing.assert_array_equal(other.labels == label, session.labels == label)


def test_a_folder_that_is_not_there_holds_no_journals(tmp_path: Path) -> None:
    assert find(an_image(), tmp_path / "none") == []
    clean(tmp_path / "none")


KILLED = """
import sys, time
import numpy as np
from pathlib import Path
from doubles import Disks
from test_recovery import an_image, some_labels
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal

session = Session(an_image((40, 400)), Disks(), labels=some_labels((40, 400)))
journal = Journal.start(session, "cells.tif", Path(sys.argv[1]))
journal.wait()
column = 6
while True:
    session.click((20, column))
    session.commit()
    print(column, session.labels.max(), flush=True)
    column = column + 8 if column < 390 else 6
    time.sleep(0.01)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a matter of POSIX")
def test_a_killed_process_loses_at_most_the_act_under_way(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    with process.stdout:
        told = [process.stdout.readline() for _ in range(20)]
        process.kill()
        told += process.stdout.readlines()
    process.wait()
    kept = [int(line.split()[1]) for line in told if line.endswith("\n")][-1]
    (found,) = find(an_image((40, 400)), tmp_path)
    session = again(recover(found.path), an_image((40, 400)))
    assert int(session.labels.max()) in (kept - 1, kept, kept + 1)
    assert session.labels[20, 6] == 3
    assert (session.labels[:3, :3] == 1).all()
    Lock(found.path.with_suffix(LOCK_SUFFIX)).release()


# -- labels on disk, and what became of them since ---------------------------------------------------------------------


def labels_on_disk(folder: Path) -> zarr.Array:
    labels = zarr.create_array(folder / "labels.zarr", shape=(300, 280), chunks=(64, 64), dtype="uint16")
    labels[:] = 0
    return labels


def worked(image: Image, labels: zarr.Array, folder: Path, rows: range, column: int) -> Journal:
    session = Session(image, Disks(radius=4), labels=labels)
    journal = journalled(session, folder)
    for row in rows:
        session.click((row, column))
        session.commit()
    return journal


def test_labels_on_disk_that_stand_as_the_session_left_them_are_gone_on_with(tmp_path: Path) -> None:
    image, labels = an_image((300, 280)), labels_on_disk(tmp_path)
    journal = worked(image, labels, tmp_path, range(20, 60, 20), 20)
    journal.close()
    left = labels[:]
    session = recover(journal.path).restored(image, Disks(radius=4), labels)
    assert session.labels is labels
    np.testing.assert_array_equal(labels[:], left)
    session.undo()
    session.undo()
    assert np.unique(labels[:]).tolist() == [0, 1]


def test_what_was_drawn_later_beside_a_session_stays_when_it_is_restored(tmp_path: Path) -> None:
    image, labels = an_image((300, 280)), labels_on_disk(tmp_path)
    journal = worked(image, labels, tmp_path / "1", range(20, 60, 20), 20)
    journal.close()
    worked(image, labels, tmp_path / "2", range(20, 260, 20), 100).close()
    left = labels[:]
    recovered = recover(journal.path)
    session = recovered.restored(image, Disks(radius=4), labels)
    np.testing.assert_array_equal(labels[:], left)
    assert session.labels is labels
    assert recovered.complete
    session.click((200, 200))
    assert session.commit() == 15
    assert len(np.unique(labels[:])) == 1 + 2 + 12 + 1


def test_what_was_drawn_later_into_objects_of_a_session_stays_and_it_goes_on_in_a_copy(tmp_path: Path) -> None:
    image, labels = an_image((300, 280)), labels_on_disk(tmp_path)
    journal = worked(image, labels, tmp_path / "1", range(20, 60, 20), 20)
    journal.close()
    later = Session(image, Disks(radius=9), labels=labels)
    later.resume(1)
    later.click((30, 20))
    later.merge((1, 2))
    left = labels[:]
    for restore in ("restored", "session"):  # as the panel does it, and step by step
        recovered = recover(journal.path)
        session = getattr(recovered, restore)(image, Disks(radius=4), labels)
        if restore == "session":
            recovered.replay(session)
        np.testing.assert_array_equal(labels[:], left)
        assert session.labels is not labels
        assert np.unique(session.labels).tolist() == [0, 1, 2]
        assert "go on in a copy" in recovered.problems[0].replace("goes", "go")


def test_other_labels_on_disk_are_neither_offered_nor_written_into(tmp_path: Path) -> None:
    image, labels = an_image((300, 280)), labels_on_disk(tmp_path)
    journal = worked(image, labels, tmp_path, range(20, 60, 20), 20)
    journal.close()
    (tmp_path / "other").mkdir()
    others = labels_on_disk(tmp_path / "other")
    assert [found.path for found in find(image, tmp_path, labels)] == [journal.path]
    assert find(image, tmp_path, others) == []
    with pytest.raises(ValueError, match="drew into other labels"):
        recover(journal.path).restored(image, Disks(), others)


def test_labels_on_disk_are_not_written_into_by_a_session_that_drew_in_memory(tmp_path: Path) -> None:
    path, labels = left_behind(tmp_path, an_image((300, 280))), labels_on_disk(tmp_path)
    labels[5:9, 5:9] = 3
    session = recover(path).restored(an_image((300, 280)), Disks(), labels)
    assert session.labels is not labels
    assert np.unique(labels[:]).tolist() == [0, 3]


def test_a_session_older_than_one_that_was_saved_is_not_offered(tmp_path: Path) -> None:
    image = an_image()
    first = left_behind(tmp_path, image)
    session = Session(image, Disks())
    journal = journalled(session, tmp_path)
    session.click((3, 3))
    journal.saved()
    supersede(image, session.labels, journal.began, tmp_path)
    assert find(image, tmp_path) == []
    session.click((9, 9))
    journal.close()
    assert [found.path for found in find(image, tmp_path)] == [journal.path]
    assert len(recover(first).entries) == 6  # it is kept
    discard(first)
    assert sorted(path.stem for path in tmp_path.iterdir()) == [journal.path.stem] * 2


@pytest.mark.parametrize(
    "fault", [b"[]", b"null", b'{"journal":2}', b'{"journal":2,"image":{"name":1}}', b"[" * 99_999]
)
def test_a_malformed_journal_hides_none_beside_it(tmp_path: Path, fault: bytes) -> None:
    good = left_behind(tmp_path)
    head = good.read_bytes().splitlines(keepends=True)[0]
    (tmp_path / "0.jsonl").write_bytes(b"%08x %s\n" % (zlib.crc32(fault), fault))
    (tmp_path / "1.jsonl").write_bytes(head + line_of({"act": "commit"}) + line_of([1, 2]) + line_of({"act": 3}))
    (tmp_path / "2.jsonl").mkdir()
    (tmp_path / "3.jsonl").symlink_to(tmp_path / "nowhere")
    assert [found.path for found in find(an_image(), tmp_path)] == [good]


def test_a_clock_that_jumps_cleans_nothing_away(tmp_path: Path) -> None:
    yesterday = left_behind(tmp_path)
    os.utime(yesterday, (time.time() - 86_400,) * 2)
    later = time.time() + 400 * 86_400
    clean(tmp_path, now=later)
    clean(tmp_path, now=later + 86_400)
    assert yesterday.exists()
    clean(tmp_path, now=later + (KEPT_DAYS + 1) * 86_400)
    assert not yesterday.exists()
