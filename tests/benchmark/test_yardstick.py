"""Yardstick: a network to compare clicks with."""

from __future__ import annotations

from napari_clickseg.benchmark.yardstick import measure_yardstick


def test_the_yardstick_says_what_was_measured_and_how() -> None:
    row = measure_yardstick(side=64, device="cpu")
    assert (row.network, row.side, row.device) == ("hrnet18s", 64, "cpu")
    assert row.precision in ("float32", "bfloat16")
    assert row.forward > 0
