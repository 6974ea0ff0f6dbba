"""Units: each spelling that image files have becomes micrometres or seconds; what is no length or time has no size."""

from __future__ import annotations

import pytest

from napari_clickseg.storage.units import factor


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [
        ("µm", 1.0),
        ("μm", 1.0),
        ("um", 1.0),
        (r"\u00B5m", 1.0),
        ("micron", 1.0),
        ("microns", 1.0),
        ("Micrometer", 1.0),
        ("micrometre", 1.0),
        ("nm", 1e-3),
        ("nanometer", 1e-3),
        ("pm", 1e-6),
        ("Å", 1e-4),
        ("angstrom", 1e-4),
        ("Angstrom", 1e-4),
        ("mm", 1e3),
        ("MM", 1e3),
        ("cm", 1e4),
        ("m", 1e6),
        ("km", 1e9),
        ("Mm", 1e12),
        ("inch", 25400.0),
        ("in", 25400.0),
        ("thou", 25.4),
        ("foot", 304800.0),
        ("pt", 352.777777778),
        ("yottameter", 1e30),
    ],
)
def test_lengths_become_micrometres(unit: str, micrometres: float) -> None:
    assert factor(unit, "X") == pytest.approx(micrometres)
    assert factor(unit, "T") is None


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("s", 1.0),
        ("sec", 1.0),
        ("second", 1.0),
        ("ms", 1e-3),
        ("msec", 1e-3),
        ("µs", 1e-6),
        ("min", 60.0),
        ("minutes", 60.0),
        ("h", 3600.0),
        ("hr", 3600.0),
        ("hour", 3600.0),
        ("d", 86400.0),
        ("day", 86400.0),
        ("Day", 86400.0),
        ("week", 604800.0),
    ],
)
def test_times_become_seconds(unit: str, seconds: float) -> None:
    assert factor(unit, "T") == pytest.approx(seconds)
    assert factor(unit, "Z") is None


@pytest.mark.parametrize(
    "unit",
    [None, "", " ", "pixel", "pixels", "px", "frame", "reference frame", "a.u.", "gray value", "%", "5", "kg", "?"],
)
def test_what_is_no_length_and_no_time_has_no_size(unit: str | None) -> None:
    assert factor(unit, "X") is None
    assert factor(unit, "T") is None


@pytest.mark.parametrize(("unit", "axis"), [("nm", "Y"), ("angstrom", "Z"), ("ms", "T"), ("mm", "X")])
def test_factors_are_round(unit: str, axis: str) -> None:
    assert len(repr(factor(unit, axis))) <= 6
