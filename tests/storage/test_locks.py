"""Locks: one holder at a time, and nobody holds one after its process ended."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_clickseg.storage.locks import Lock, held

HOLDER = """
import sys
from pathlib import Path
from napari_clickseg.storage.locks import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_has_one_holder_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not held(path)
    lock = Lock(path)
    assert held(path)
    with pytest.raises(OSError, match=r"unavailable|denied|locked"):
        Lock(path)
    lock.release()
    assert not held(path)
    Lock(path).release()


def test_another_process_holds_a_lock_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert held(path)
        process.kill()
        process.wait()
        assert not held(path)


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def lockless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no locks, as on some network drives."""
    fcntl = pytest.importorskip("fcntl")

    def flock(*_: object) -> None:
        raise OSError(request.param, "there are no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("lockless")
def test_without_locks_the_file_names_its_holder_until_it_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = Lock(path)
    assert held(path)
    with pytest.raises(OSError, match="locked"):
        Lock(path)
    lock.release()
    assert not held(path)


@pytest.mark.usefixtures("lockless")
@pytest.mark.parametrize(
    ("host", "process", "age", "wanted"),
    [
        (socket.gethostname(), None, 0, False),  # it ran here and does not any more
        (socket.gethostname(), None, 10_000, False),
        ("another-host", 1, 5, True),
        ("another-host", 1, 10_000, False),  # nothing was heard of it for long
        ("another-host", 1, -10_000, False),  # a clock jumped
    ],
)
def test_without_locks_a_holder_that_is_gone_holds_nothing(
    tmp_path: Path, host: str, process: int | None, age: float, wanted: bool
) -> None:
    path = tmp_path / "a.lock"
    if process is None:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        process = ended.pid
    path.write_text(json.dumps({"host": host, "process": process, "time": time.time() - age}))
    assert held(path) is wanted


@pytest.mark.parametrize(
    "content", ["", "null", "[]", "{}", '{"host": 1}', "\x00", '{"host":"a","process":1,"time":"x"}']
)
def test_a_file_that_names_nobody_holds_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.lock").write_text(content)
    assert not held(tmp_path / "a.lock")
    Lock(tmp_path / "a.lock").release()
