"""Memory: measured in a process of its own, once per model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_clickseg.benchmark import costs as memory
from napari_clickseg.benchmark.costs import measure_peak, peak_bytes, read_peaks, record_peaks


def test_the_peak_of_a_process_only_grows_and_holds_what_was_once_used() -> None:
    before = peak_bytes()
    size = np.ones(1 << 23).nbytes
    assert peak_bytes() >= max(before, size)


def test_a_model_is_weighed_alone_whatever_this_process_holds() -> None:
    ballast = np.ones(1 << 25)
    assert 0 < measure_peak("geodesic") < ballast.nbytes / memory.MEGABYTE


def test_each_model_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(memory, "measure_peak", lambda model, device: asked.append(model) or 1.25)
    path = tmp_path / "memory.csv"
    begun: list[str] = []
    record_peaks(["a"], path)
    record_peaks(["a", "b"], path, begun=begun.append)
    assert asked == ["a", "b"]
    assert begun == ["b"]
    assert path.read_text() == "model,peak_mb\na,1.2\nb,1.2\n"


def test_a_foreign_csv_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "memory.csv"
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="no table of memory"):
        record_peaks(["geodesic"], path)
    assert path.read_text() == "a,b\n"


def test_peaks_of_several_runs_are_the_largest(tmp_path: Path) -> None:
    for name, peak in (("one", 300), ("two", 500)):
        (tmp_path / name).write_text(f"model,peak_mb\ndefault,{peak}\n{name},100\n")
    assert read_peaks([tmp_path / "one", tmp_path / "two"]) == {"default": 500, "one": 100, "two": 100}


def test_other_tables_are_no_peaks(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("source,image\n")
    with pytest.raises(ValueError, match="wanted are the columns model, peak_mb"):
        read_peaks([tmp_path / "clicks.csv"])
