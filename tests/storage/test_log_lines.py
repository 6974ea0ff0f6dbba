"""Log lines: whatever a file was cut down to, its whole lines are read; whatever the disk does, no line is lost."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_clickseg.storage import log_lines as module
from napari_clickseg.storage.log_lines import LogWriter, line_of, read_lines

VALUES = [{"act": "undo"}, [1, 2.5, None], "é\n", {}]


def fail(error: Exception) -> None:
    raise AssertionError(error)


class Listener:
    """What a writer said, in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def failed(self, error: Exception) -> None:
        self.heard.append(module.reason(error))

    def resumed(self) -> None:
        self.heard.append("resumed")


class Disk:
    """Stands in for `os.write`: takes so many bytes more, and then is full."""

    def __init__(self, space: int) -> None:
        self.space, self.write = space, os.write

    def __call__(self, handle: int, content: Any) -> int:
        if not self.space:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(content)[: self.space]
        self.space -= len(part)
        return self.write(handle, part)


def test_values_come_back_in_the_order_they_were_given(tmp_path: Path) -> None:
    lines = LogWriter(tmp_path / "new" / "a.jsonl", fail)
    for k in range(500):
        lines.write(lambda k=k: k)
    lines.close()
    assert list(read_lines(lines.path)) == list(range(500))


def test_after_waiting_all_is_in_the_file(tmp_path: Path) -> None:
    lines = LogWriter(tmp_path / "a.jsonl", fail)
    for value in VALUES:
        lines.write(lambda value=value: value)
        lines.wait()
        assert list(read_lines(lines.path))[-1] == value
    lines.close()


def test_a_file_cut_at_any_byte_gives_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [line_of(value) for value in VALUES]
    content = b"".join(lines)
    ends = [sum(map(len, lines[: k + 1])) for k in range(len(lines))]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        assert list(read_lines(path)) == VALUES[: sum(end <= cut for end in ends)]


def test_nothing_is_read_beyond_a_damaged_line(tmp_path: Path) -> None:
    content = bytearray(b"".join(map(line_of, VALUES)))
    content[len(line_of(VALUES[0])) + 12] ^= 1
    (tmp_path / "a.jsonl").write_bytes(content)
    assert list(read_lines(tmp_path / "a.jsonl")) == VALUES[:1]


@pytest.mark.parametrize("content", [b"", b"\n", b"29b8c2c6", b"no checksum at all\n"])
def test_what_holds_no_line_gives_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    assert list(read_lines(tmp_path / "a.jsonl")) == []


def test_a_line_nested_too_deeply_ends_the_reading(tmp_path: Path) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    (tmp_path / "a.jsonl").write_bytes(line_of(1) + b"%08x %s\n" % (module.zlib.crc32(deep), deep) + line_of(2))
    assert list(read_lines(tmp_path / "a.jsonl")) == [1]


@pytest.mark.parametrize("space", range(0, 40, 3))
def test_a_disk_that_is_full_for_a_moment_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: int
) -> None:
    listener = Listener()
    lines = LogWriter(tmp_path / "a.jsonl", listener.failed, listener.resumed)
    lines.write(lambda: "first")
    lines.wait()
    disk = Disk(space)
    monkeypatch.setattr(os, "write", disk)
    for k in range(4):
        lines.write(lambda k=k: f"later {k}")
    lines.wait()
    whole = list(read_lines(lines.path))
    assert whole == ["first", "later 0", "later 1", "later 2", "later 3"][: len(whole)]
    assert lines.path.read_bytes().endswith(b"\n")
    with pytest.raises(OSError, match="No space left"):
        lines.sync()
    disk.space = 1 << 20
    lines.sync()
    assert list(read_lines(lines.path)) == ["first", "later 0", "later 1", "later 2", "later 3"]
    assert listener.heard == ["No space left on device", "resumed"]
    lines.close()


def test_a_line_that_cannot_be_made_for_want_of_space_is_made_later(tmp_path: Path) -> None:
    listener, full = Listener(), threading.Event()
    lines = LogWriter(tmp_path / "a.jsonl", listener.failed, listener.resumed)
    full.set()

    def value() -> str:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return "made"

    lines.write(value)
    lines.wait()
    full.clear()
    lines.wait()
    lines.close()
    assert listener.heard == ["No space left on device", "resumed"]
    assert list(read_lines(lines.path)) == ["made"]


def test_a_value_that_is_no_json_is_told_and_those_after_it_are_written(tmp_path: Path) -> None:
    listener = Listener()
    lines = LogWriter(tmp_path / "a.jsonl", listener.failed, listener.resumed)
    for value in (1, object(), 2):
        lines.write(lambda value=value: value)
    with pytest.raises(OSError, match="not JSON serializable"):
        lines.sync()
    lines.close()
    assert list(read_lines(lines.path)) == [1, 2]
    assert len(listener.heard) == 1


def test_a_limit_on_the_size_of_files_is_told_and_the_whole_lines_stay(tmp_path: Path) -> None:
    listener = Listener()
    lines = LogWriter(tmp_path / "a.jsonl", listener.failed, listener.resumed)
    lines.write(lambda: "x" * 100)
    lines.wait()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, limits[1]))
    try:
        lines.write(lambda: "y" * 100)
        lines.wait()
        assert [len(value) for value in read_lines(lines.path)] == [100]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    lines.close()
    assert [value[0] for value in read_lines(lines.path)] == ["x", "y"]
    assert listener.heard == ["File too large", "resumed"]


def taken_away(path: Path) -> None:
    shutil.rmtree(path.parent)


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("harm", [taken_away, deleted, moved])
@pytest.mark.parametrize("idle", [True, False])
def test_a_file_that_disappears_is_written_again_with_all_its_lines(
    tmp_path: Path, harm: Callable[[Path], None], idle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATROL", 0.01)
    listener, resumed = Listener(), threading.Event()
    lines = LogWriter(tmp_path / "folder" / "a.jsonl", listener.failed, resumed.set)
    lines.write(lambda: 1)
    lines.wait()
    harm(lines.path)
    if not idle:
        lines.write(lambda: 2)
    assert resumed.wait(10)
    lines.write(lambda: 3)
    lines.close()
    assert list(read_lines(lines.path)) == ([1, 3] if idle else [1, 2, 3])
    assert len(listener.heard) == 1


def test_a_folder_that_cannot_be_written_gives_way_to_another_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    listener = Listener()
    lines = LogWriter(tmp_path / "file" / "a.jsonl", listener.failed, listener.resumed, [tmp_path / "other"])
    lines.write(lambda: 1)
    lines.close()
    assert lines.path == tmp_path / "other" / "a.jsonl"
    assert list(read_lines(lines.path)) == [1]
    assert listener.heard[1:] == ["resumed"]


def test_a_folder_that_disappears_for_good_gives_way_to_another_one(tmp_path: Path) -> None:
    listener = Listener()
    lines = LogWriter(tmp_path / "a" / "a.jsonl", listener.failed, listener.resumed, [tmp_path / "other"])
    lines.write(lambda: 1)
    lines.wait()
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "a").write_text("in the way")
    lines.write(lambda: 2)
    lines.close()
    assert lines.path == tmp_path / "other" / "a.jsonl"
    assert list(read_lines(lines.path)) == [1, 2]


def test_a_folder_that_cannot_be_made_is_told_and_waiting_ends(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    listener = Listener()
    lines = LogWriter(tmp_path / "file" / "a.jsonl", listener.failed)
    lines.write(lambda: 1)
    lines.wait()
    with pytest.raises(OSError, match="cannot be written"):
        lines.sync()
    lines.close()
    assert len(listener.heard) == 1
