"""Units: how many micrometres or seconds a unit is, whatever a file calls it. What is no length and no time has no
size.

Image files name units in many ways: by symbols (OME-TIFF), by names (OME-Zarr), by what a user typed (ImageJ). pint,
which comes with napari, knows them; the few that mean something else in images than in pint are in a table here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_clickseg.core.geometry import Geometry

LENGTH, TIME = "micrometer", "second"
"""The units of sizes in this package: along T seconds, along every other axis micrometres."""
MEANT = {
    "px": "pixel",
    "pt": "inch / 72",
    "li": "inch / 12",
    "ua": "astronomical_unit",
    "micra": "micrometer",
    "frame": "pixel",
    "frames": "pixel",
}
"""What image files mean by words that pint takes for CSS pixels, pints, links, microyears, or does not know."""
WORD = re.compile(r"[^\W\d_]+")
"""Units of image files are single words; anything else, as "reference frame" or "a.u.", is none."""


def factor(unit: str | None, axis: str) -> float | None:
    """Return how many micrometres one of a unit is, seconds along T; None where it is no length or time.

    Parameters
    ----------
    unit : str or None
        As a file names it.
    axis : str
        The letter of the axis that is measured.

    Examples
    --------
    >>> factor("nanometer", "X"), factor("Å", "Z"), factor("min", "T"), factor("pixel", "X"), factor(None, "Y")
    (0.001, 0.0001, 60.0, None, None)
    """
    return _factor(unit.strip(), TIME if axis == "T" else LENGTH) if unit else None


@lru_cache(maxsize=256)
def _factor(unit: str, wanted: str) -> float | None:
    unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), unit)  # as ImageJ writes µ
    for name in dict.fromkeys((unescaped, unescaped.lower())):
        size = _size(MEANT.get(name, name), wanted) if WORD.fullmatch(name) else None
        if size is not None:
            return size
    return None


def _size(name: str, wanted: str) -> float | None:
    registry = _registry()
    try:
        # twelve digits: pint multiplies prefixes, and 1e-10 m should be 0.0001 µm, not 0.00009999999999999999
        return float(f"{registry(name).to(wanted).magnitude:.12g}")
    except (AttributeError, ValueError, TypeError):  # pint's own errors are AttributeErrors, ValueErrors, TypeErrors
        return None


def _registry() -> Any:
    import pint

    return pint.get_application_registry()


def spacing_of(geometry: Geometry) -> tuple[float, ...]:
    """Return the size of a pixel along each axis, micrometres and seconds where the units are lengths and times.

    Sizes without a unit stay as they are; beside others that have one, they are taken to be of the unit along X, so
    that the ratio of sizes stays. Along T, a size without a unit is 1.

    Examples
    --------
    >>> from napari_clickseg.core.geometry import Geometry
    >>> spacing_of(Geometry("TZYX", (2.0, 50.0, 5.0, 5.0), (0.0,) * 4, ("min", "", "nm", "nm")))
    (120.0, 0.05, 0.005, 0.005)
    >>> spacing_of(Geometry("ZYX", (4.0, 0.5, 0.5), (0.0,) * 3, ("", "", "pixel")))
    (4.0, 0.5, 0.5)
    """
    factors = [factor(unit, axis) for axis, unit in zip(geometry.axes, geometry.units, strict=True)]
    usual = next(
        (f for axis, f in zip(reversed(geometry.axes), reversed(factors), strict=True) if f and axis != "T"), 1.0
    )
    sizes = []
    for axis, scale, known in zip(geometry.axes, geometry.scale, factors, strict=True):
        declared = known or (axis != "T" and scale != 1)  # a size of 1 without a unit is one that nobody declared
        size = abs(scale) * (known or usual) if declared else 1.0
        sizes.append(size if 0 < size < float("inf") else 1.0)
    return tuple(float(f"{size:.12g}") for size in sizes)
