"""Locks: one holder at a time, and nobody holds one after its process ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_clickseg.storage.event_log import Lock, held

HOLDER = """
import sys
from pathlib import Path
from napari_clickseg.storage.event_log import Lock
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
