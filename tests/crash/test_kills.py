"""Processes that are killed at a random moment: what was done up to then is there again, and nothing else is lost."""

from __future__ import annotations

import os
import resource
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr

from doubles import Disks
from laboratory import KINDS, POSIX, Hand, a_predictor, an_image, journal_in, killed, seen, some_labels
from napari_clickseg.core.images import Image
from napari_clickseg.core.requests import Nobody
from napari_clickseg.session.session import Session
from napari_clickseg.storage import atomic
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.journal_files import discard, find
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.recovery import recover
from napari_clickseg.storage.session_file import Record, load_session, save_session
from napari_clickseg.storage.write_labels import write_labels

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not POSIX, reason="kill -9 and fork are a matter of POSIX"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # the threads of this process hold nothing
]
LONGEST = 0.25
"""Seconds that a process lives at most."""
DISK = (2, 300, 280)


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(atomic.NOTES_VARIABLE, str(tmp_path / "notes"))


def moments(kills: int) -> list[float]:
    return np.random.default_rng(kills).uniform(0, LONGEST, kills).tolist()


def act_for_long(kind: str, seed: int, folder: Path) -> None:
    session = Session(an_image(kind), a_predictor(kind), labels=some_labels(kind))
    journal = Journal.start(session, folder=folder)
    user = Hand(session, seed)
    while True:
        user.act(1)
        journal._lines.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_session_is_there_again_act_by_act(tmp_path: Path, kills: int, kind: str) -> None:
    for seed, moment in enumerate(moments(kills)):
        folder = tmp_path / str(seed)
        killed(partial(act_for_long, kind, seed, folder), moment)
        for path in journal_in(folder):
            try:
                recovered = recover(path)
            except ValueError:
                assert path.stat().st_size < 2000, f"{kind}, seed {seed}: nothing can be read"
                continue
            other = recovered.restored(an_image(kind), Nobody(KINDS[kind][1]), some_labels(kind))
            assert not any("cannot be" in problem for problem in recovered.problems), f"{kind}, seed {seed}"
            same = Session(an_image(kind), a_predictor(kind), labels=some_labels(kind))
            done: list[object] = []
            same.acted.connect(done.append)
            user = Hand(same, seed)
            pictures = {0: seen(same)}
            while len(done) < len(recovered.entries):
                user.act(1)
                pictures[len(done)] = seen(same)
            if len(recovered.entries) in pictures:  # else it was killed in the middle of a user's two acts
                assert seen(other) == pictures[len(recovered.entries)], f"{kind}, seed {seed}"


# -- labels on disk ----------------------------------------------------------------------------------------------------


def on_disk(folder: Path) -> zarr.Array:
    if (folder / "labels.zarr").exists():
        return zarr.open_array(folder / "labels.zarr", mode="r+")
    labels = zarr.create_array(folder / "labels.zarr", shape=DISK, chunks=(1, 64, 64), dtype="uint16")
    labels[:] = 0
    return labels


def a_movie() -> Image:
    return Image.of(np.random.default_rng(0).random(DISK).astype(np.float32), "TYX")


def draw_on_disk(folder: Path) -> None:
    session = Session(a_movie(), Disks(radius=6), labels=on_disk(folder), highest=0)
    Journal.start(session, folder=folder / "journals")
    rng = np.random.default_rng(os.getpid())
    while True:
        session.click((float(rng.integers(2)), *map(float, rng.integers(20, 260, 2))))
        if session.area():
            session.commit()


def restore(folder: Path) -> None:
    """As the panel does it."""
    (found, *_) = find(a_movie(), folder / "journals")
    recovered = recover(found.path)
    journals: list[Journal] = []
    recovered.restored(
        a_movie(),
        Disks(radius=6),
        on_disk(folder),
        lambda session: journals.append(Journal.start(session, folder=folder / "journals")),
    )
    journals[0].secure()
    discard(found.path)
    os._exit(0)


def test_labels_on_disk_survive_killed_sessions_and_killed_restores(tmp_path: Path, kills: int) -> None:
    for number, moment in enumerate(moments(kills)):
        folder = tmp_path / str(number)
        folder.mkdir()
        on_disk(folder)
        killed(partial(draw_on_disk, folder), 0.1 + moment)
        found = find(a_movie(), folder / "journals")
        if not found:
            continue
        before, acts = on_disk(folder)[:], len(recover(found[0].path).entries)
        killed(partial(restore, folder), moment)
        after = on_disk(folder)[:]
        assert np.all((after == before) | (before == 0)), f"kill {number}: drawn objects are gone"
        left = [len(recover(found.path).entries) for found in find(a_movie(), folder / "journals")]
        assert max(left) >= acts, f"kill {number}: {acts} acts became {left}"
        recovered = recover(max(find(a_movie(), folder / "journals"), key=lambda found: found.acts).path)
        session = recovered.restored(a_movie(), Disks(radius=6), on_disk(folder))
        assert recovered.complete
        shown = np.asarray(session.labels[...])
        assert np.all((shown == before) | (before == 0)), f"kill {number}"


# -- saving ------------------------------------------------------------------------------------------------------------


def save_for_long(path: Path) -> None:
    value = 1
    while True:
        value = value % 50 + 1
        write_labels(path, np.full((2, 40, 50), value, np.uint16), "TYX")


@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.npy"])
def test_labels_that_are_saved_again_and_again_are_always_whole(tmp_path: Path, kills: int, name: str) -> None:
    path = tmp_path / "saved" / name
    path.parent.mkdir()
    write_labels(path, np.full((2, 40, 50), 1, np.uint16), "TYX")
    for number, moment in enumerate(moments(kills)):
        killed(partial(save_for_long, path), moment)
        pixels = np.asarray(read_image(path).array[...])
        assert len(np.unique(pixels)) == 1, f"kill {number}"
        write_labels(path, pixels, "TYX")
        assert [p.name for p in path.parent.iterdir()] == [name], f"kill {number}"


def save_session_for_long(path: Path) -> None:
    session = Session(an_image("movie"), a_predictor("movie"))
    record, user = Record(session), Hand(session, 0)
    while True:
        user.act(3)
        save_session(path, record)


def test_a_session_file_that_is_saved_again_and_again_is_always_whole(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "session.json"
    for moment in moments(kills):
        killed(partial(save_session_for_long, path), moment)
        if path.exists():
            load_session(path)


# -- commands ----------------------------------------------------------------------------------------------------------


def run_command(line: list[str]) -> None:
    from napari_clickseg.cli import main

    os._exit(main(line))


def test_a_killed_command_leaves_the_old_output_or_the_new_one(tmp_path: Path, kills: int) -> None:
    from napari_clickseg.cli import main

    image = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    session = Session(image, Disks(radius=6))
    record = Record(session)
    for position in ((20, 20), (40, 40)):
        session.click(position)
        session.commit()
    session.predictor = Disks(radius=6, name="geodesic")
    save_session(tmp_path / "s.json", record)
    text = (tmp_path / "s.json").read_text().replace('"disks"', '"geodesic"')
    (tmp_path / "s.json").write_text(text)
    np.save(tmp_path / "image.npy", image)
    output = tmp_path / "out" / "out.tif"
    output.parent.mkdir()
    line = ["replay", str(tmp_path / "s.json"), str(tmp_path / "image.npy"), "--output", str(output)]
    assert main(line) in (0, 1)
    whole = np.asarray(read_image(output).array[...])
    for number, moment in enumerate(moments(kills)):
        killed(partial(run_command, line), 2 * moment)
        np.testing.assert_array_equal(np.asarray(read_image(output).array[...]), whole, err_msg=f"kill {number}")
    write_labels(output, whole)
    assert [path.name for path in output.parent.iterdir()] == ["out.tif"]


# -- full disks --------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_for_a_while_costs_no_act(tmp_path: Path, kills: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for seed in range(kills):
        rng = np.random.default_rng(seed)
        session = Session(an_image("movie"), a_predictor("movie"), labels=some_labels("movie"))
        journal = Journal.start(session, folder=tmp_path / str(seed))
        journal.wait()
        user = Hand(session, seed)
        for _ in range(5):
            user.act(int(rng.integers(1, 8)))
            size = journal.path.stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(rng.integers(0, 3000)), limits[1]))
            user.act(int(rng.integers(1, 8)))
            journal.wait()
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        journal.secure()
        recovered = recover(journal.path)
        assert seen(recovered.restored(session.image, Nobody(2), None)) == seen(session), f"seed {seed}"
        assert recovered.problems == []
        journal.close()
