"""Geometry: where the pixels of an image lie, in the words of the file or layer that it comes from.

Sessions and models need no more than the ratio of pixel sizes, which is `Image.spacing`. What is written beside an
image has to lie where the image lies and to name its units, so this goes along.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Geometry:
    """Size, place and units of pixels, along each axis but the channel's.

    Attributes
    ----------
    axes : str
        One letter per axis.
    scale : tuple of float
        Size of a pixel along each axis, in the unit of that axis.
    origin : tuple of float
        Where the centre of the first pixel lies, in the same units.
    units : tuple of str
        As the file or the layer names them; empty where the axis has none, and `scale` is then no size.

    Raises
    ------
    ValueError
        Where the parts differ in length.
    """

    axes: str
    scale: tuple[float, ...]
    origin: tuple[float, ...]
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.axes) == len(self.scale) == len(self.origin) == len(self.units):
            raise ValueError(f"scale={self.scale}, origin={self.origin} and units={self.units} must fit {self.axes}.")

    def along(self, axes: str) -> Geometry:
        """Return the geometry along these axes, in this order; an axis that is not known has size 1 and no unit.

        >>> Geometry("ZYX", (2.0, 0.5, 0.5), (0.0, 7.0, 9.0), ("µm", "µm", "µm")).along("TYX")
        Geometry(axes='TYX', scale=(1.0, 0.5, 0.5), origin=(0.0, 7.0, 9.0), units=('', 'µm', 'µm'))
        """
        places = [self.axes.find(axis) for axis in axes]
        return Geometry(
            axes,
            tuple(1.0 if k < 0 else self.scale[k] for k in places),
            tuple(0.0 if k < 0 else self.origin[k] for k in places),
            tuple("" if k < 0 else self.units[k] for k in places),
        )
