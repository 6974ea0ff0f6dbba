"""Damaged and hostile files: each reader ends in one sentence, soon, and takes little memory; neighbours stay."""

from __future__ import annotations

import base64
import csv
import json
import shutil
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laboratory import Hand, a_predictor, an_image, some_labels
from napari_clickseg.core.requests import Nobody
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.journal_files import find
from napari_clickseg.storage.log_lines import line_of
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.recovery import recover
from napari_clickseg.storage.serialization import pack_array, unpack_array
from napari_clickseg.storage.session_file import Record, Replay, load_session, save_session
from napari_clickseg.storage.tables import read_table
from napari_clickseg.storage.write_labels import write_labels

pytestmark = pytest.mark.crash
MEMORY = 512 << 20
DAMAGE = st.lists(
    st.tuples(st.floats(0, 0.999), st.sampled_from(["flip", "cut", "double", "insert"]), st.integers(0, 255)),
    min_size=1,
    max_size=6,
)


def damaged(content: bytes, damage: list[tuple[float, str, int]]) -> bytes:
    for share, kind, value in damage:
        at = int(share * len(content))
        if kind == "flip":
            content = content[:at] + bytes([value]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "double":
            content = content[:at] + content[at // 2 :]
        else:
            content = content[:at] + bytes([value]) * 3 + content[at:]
    return content


def read_or_refused(read: Callable[[], Any]) -> None:
    """It reads something, or says in a sentence why not."""
    sentence = "read"
    tracemalloc.start()
    try:
        read()
    except (ValueError, OSError) as error:
        sentence = str(error)
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert sentence
    assert most < MEMORY


def read_pixels(path: Path) -> None:
    """The image, and if it says what it holds, its pixels, which are read when they are wanted."""
    image = read_image(path)
    if np.prod(image.array.shape, dtype=float) < 1e6:
        np.asarray(image.array[...])


def read_rows(path: Path) -> None:
    list(read_table(path).rows)


def a_session_file(path: Path) -> None:
    session = Session(an_image("movie"), a_predictor("movie"))
    record = Record(session)
    Hand(session, 5).act(40)
    save_session(path, record)


def a_table(path: Path) -> None:
    with open(path, "w", newline="") as handle:
        csv.writer(handle).writerows([["label", "y", "x"], [1, 2.5, 3], [2, 4, 5]])


def labels_file(path: Path) -> None:
    write_labels(path, some_labels("movie") if path.suffix != ".png" else some_labels("plane"))


FILES: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "session.json": (a_session_file, load_session),
    "table.csv": (a_table, read_rows),
    **dict.fromkeys(("labels.tif", "labels.npy", "labels.png"), (labels_file, read_pixels)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_read_or_refused_in_a_sentence(tmp_path: Path, kills: int, name: str) -> None:
    write, read = FILES[name]
    write(tmp_path / name)
    content = (tmp_path / name).read_bytes()

    @settings(max_examples=5 * kills, database=None)
    @given(DAMAGE)
    def damage(how: list[tuple[float, str, int]]) -> None:
        path = tmp_path / "damaged" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damaged(content, how))
        read_or_refused(lambda: read(path))

    damage()


def test_a_damaged_journal_gives_what_can_be_read_and_hides_none_beside_it(tmp_path: Path, kills: int) -> None:
    session = Session(an_image("movie"), a_predictor("movie"), labels=some_labels("movie"))
    journal = Journal.start(session, folder=tmp_path)
    Hand(session, 1).act(30)
    journal.close()
    content = journal.path.read_bytes()
    shutil.copy(journal.path, tmp_path / "zz-good.jsonl")

    @settings(max_examples=5 * kills, database=None)
    @given(DAMAGE, st.booleans())
    def damage(how: list[tuple[float, str, int]], sealed: bool) -> None:
        lines = damaged(content, how).split(b"\n")
        if sealed:  # the checksums fit whatever the lines say
            lines = [b"%08x %s" % (zlib.crc32(line[9:]), line[9:]) for line in lines]
        journal.path.write_bytes(b"\n".join(lines) + b"\n")
        assert "zz-good" in [found.path.stem for found in find(session.image, tmp_path)]
        read_or_refused(lambda: recover(journal.path).restored(session.image, Nobody(2), some_labels("movie")))

    damage()


BOMB = base64.b64encode(zlib.compress(b"\0" * (1 << 20))).decode()


@pytest.mark.parametrize(
    "value",
    [
        {"dtype": "<i4", "as": "|u1", "shape": [80_000, 80_000], "data": BOMB},
        {"dtype": "<f8", "as": "<f8", "shape": [2, 2], "data": BOMB},
        {"dtype": "|b1", "shape": [1 << 40], "data": BOMB},
        {"dtype": "|O", "as": "|O", "shape": [2], "data": BOMB},
        {"dtype": "<i4", "as": "|u1", "shape": [-1, 4], "data": BOMB},
        {"dtype": "<i4", "as": "|u1", "shape": [4], "data": "no base64"},
        {"dtype": "<i4", "as": "|u1", "shape": "12", "data": BOMB},
        {},
        [],
        None,
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused_before_it_is_unpacked(value: Any) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"\w"):
        unpack_array(value)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 25


def test_a_session_file_with_bombs_is_refused_as_a_whole(tmp_path: Path) -> None:
    a_session_file(tmp_path / "s.json")
    value = json.loads((tmp_path / "s.json").read_text())
    array = pack_array(np.zeros((8000, 8000), np.uint8))
    paint = {"region": {"$region": [[0, 0, 0], [1, 8000, 8000]]}, "values": {"$array": array}}
    entry = {"act": "paint", "with": paint, "step": 0, "kept": 0, "label": 1}
    value["entries"] += [entry] * 100
    (tmp_path / "s.json").write_text(json.dumps(value))
    tracemalloc.start()
    with pytest.raises(ValueError, match="unpack"):
        load_session(tmp_path / "s.json")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MEMORY


def test_acts_that_no_session_has_end_in_a_sentence(tmp_path: Path) -> None:
    session = Session(an_image("movie"), a_predictor("movie"))
    record = Record(session)
    Hand(session, 5).act(20)
    save_session(tmp_path / "s.json", record)
    value = json.loads((tmp_path / "s.json").read_text())
    hostile = [("__init__", {}), ("set_clicks", {"clicks": 3}), ("edit", {"edits": 3}), ("undo", {"x": 1})]
    value["entries"] += [{"act": name, "with": w, "step": 0, "kept": 0, "label": 1} for name, w in hostile]
    (tmp_path / "s.json").write_text(json.dumps(value))
    saved = load_session(tmp_path / "s.json")
    replay = Replay(saved, Session(an_image("movie"), a_predictor("movie")), lambda name: a_predictor("movie"))
    assert len(list(replay.steps())) == len(saved.entries)
    assert len(replay.problems) >= len(hostile)
    (tmp_path / "j.jsonl").write_bytes(line_of({"journal": 2}) + line_of({"act": "undo"}))
    with pytest.raises(ValueError, match="no journal"):
        recover(tmp_path / "j.jsonl")
