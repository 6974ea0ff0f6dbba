"""Lines: whatever a file was cut down to, the whole lines are read and nothing else."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from napari_clickseg.storage.event_log import LineWriter, line_of, read_lines

VALUES = [{"act": "undo"}, [1, 2.5, None], "é\n", {}]


def fail(error: Exception) -> None:
    raise AssertionError(error)


def test_values_come_back_in_the_order_they_were_given(tmp_path: Path) -> None:
    lines = LineWriter(tmp_path / "new" / "a.jsonl", fail)
    for k in range(500):
        lines.write(lambda k=k: k)
    lines.close()
    assert list(read_lines(lines.path)) == list(range(500))


def test_after_waiting_all_is_in_the_file(tmp_path: Path) -> None:
    lines = LineWriter(tmp_path / "a.jsonl", fail)
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


def test_a_full_disk_is_told_once_and_never_waits(tmp_path: Path) -> None:
    told: list[Exception] = []
    lines = LineWriter(tmp_path / "a.jsonl", told.append)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    lines.write(lambda: 1)
    for _ in range(3):
        lines.write(full)
        lines.wait()
    lines.close()
    assert [getattr(error, "errno", None) for error in told] == [errno.ENOSPC]
    assert list(read_lines(lines.path)) == [1]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told: list[Exception] = []
    LineWriter(tmp_path / "file" / "a.jsonl", told.append).close()
    assert isinstance(told[0], OSError)


@pytest.mark.parametrize("content", [b"", b"\n", b"29b8c2c6", b"no checksum at all\n"])
def test_what_holds_no_line_gives_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    assert list(read_lines(tmp_path / "a.jsonl")) == []
