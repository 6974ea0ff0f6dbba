"""What is exported: labels with their axes, classes and image, and their objects plane by plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.object_classes import NO_CLASSES, colour_of
from napari_clickseg.core.polygons import Polygon, polygons_of

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

NO_PARENTS: Mapping[int, int] = MappingProxyType({})
UNCLASSED = "object"
"""The class of objects that have none, where a format wants one."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaneObject:
    """One object on one plane.

    Attributes
    ----------
    label : int
        Its id.
    frame : tuple of int
        The plane, by its index along each axis before the last two.
    offset : (int, int)
        Where `mask` begins in the plane.
    mask : bool array (y, x)
        Its pixels, within its bounding box.
    """

    label: int
    frame: Frame
    offset: tuple[int, int]
    mask: npt.NDArray[np.bool_]

    def polygons(self) -> list[Polygon]:
        """Return its parts as polygons of the plane."""
        return [
            Polygon(part.outer + self.offset, tuple(hole + self.offset for hole in part.holes))
            for part in polygons_of(self.mask)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """Labels to be exported.

    Attributes
    ----------
    labels : array-like
        (.., y, x); read plane by plane.
    axes : str
        A letter per axis, as "TYX".
    name : str
        Of the image, without a folder.
    image : array-like or None
        The image's planes, for formats that hold pairs: the labels' shape, with a last axis of channels or without.
    classes : mapping of int to str
        The class of each object that has one.
    parents : mapping of int to int
        Who came from whom by division.
    spacing : sequence of float
        Along the labels' axes; 1 where unknown.
    frames : tuple of Frame or None
        The planes to export; all where absent.
    """

    labels: Any
    axes: str
    name: str = "image"
    image: Any = None
    classes: Mapping[int, str] = field(default_factory=lambda: NO_CLASSES)
    parents: Mapping[int, int] = field(default_factory=lambda: NO_PARENTS)
    spacing: tuple[float, ...] = ()
    frames: tuple[Frame, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.labels.shape)

    def planes(self) -> Iterator[tuple[Frame, npt.NDArray[Any]]]:
        """Give each plane that is exported, with its place."""
        chosen = np.ndindex(*self.shape[:-2]) if self.frames is None else self.frames
        for frame in chosen:
            yield frame, np.asarray(self.labels[frame])

    def objects(self) -> Iterator[PlaneObject]:
        """Give each object of each plane, by id."""
        for frame, plane in self.planes():
            yield from objects_of(plane, frame)

    def absent(self, ids: Set[int]) -> Set[int]:
        """Return those of these ids that are on no plane that is exported."""
        left = set(ids)
        for _, plane in self.planes() if left else ():
            left -= set(np.unique(plane).tolist())
        return left

    def plane_name(self, frame: Frame) -> str:
        """Return a name for a plane, as "cells_t0003"."""
        places = (f"{axis}{k:04d}" for axis, k in zip(self.axes.lower(), frame, strict=False))
        return "_".join([self.name, *places])

    def class_names(self) -> list[str]:
        """Return the names of classes by number, the one of objects without a class last."""
        return [*sorted(set(self.classes.values()) - {UNCLASSED}), UNCLASSED]

    def colours(self) -> dict[str, tuple[int, int, int]]:
        """Return the colour (RGB) of each class, by its number."""
        names = self.class_names()
        return {name: colour_of(name, names) for name in names}

    def class_of(self, label: int) -> str:
        """Return the class of an object; UNCLASSED where it has none."""
        return self.classes.get(label, UNCLASSED)


def objects_of(plane: npt.NDArray[Any], frame: Frame = ()) -> Iterator[PlaneObject]:
    """Give the objects of a plane, by id."""
    ids, compact = np.unique(plane, return_inverse=True)
    compact = compact.reshape(plane.shape)
    if ids.size and ids[0] != 0:
        compact, ids = compact + 1, np.concatenate(([0], ids))
    for index, box in enumerate(ndimage.find_objects(compact), 1):
        if box is not None:
            yield PlaneObject(int(ids[index]), frame, (box[0].start, box[1].start), compact[box] == index)


def draw(labels: npt.NDArray[Any], frame: Frame, label: int, mask: npt.NDArray[np.bool_]) -> None:
    """Write an object that is read into the background of a plane: what came first stays.

    Raises
    ------
    ValueError
        Where the labels do not hold the id.
    """
    highest = int(np.iinfo(labels.dtype).max)
    if not 1 <= label <= highest:
        raise ValueError(f"an object has the id {label}, but ids lie between 1 and {highest}")
    plane = labels[frame]
    plane[mask & (plane == 0)] = label


def common_shape(extents: Iterator[tuple[Frame, int, int]]) -> tuple[int, ...]:
    """Return the smallest shape that holds all planes and corners (frame, y, x)."""
    found = [(*frame, y, x) for frame, y, x in extents]
    if not found:
        raise ValueError("There are no objects in the file, and nothing says how large their image is.")
    sizes = np.array(found).max(axis=0)
    return (*(int(n) + 1 for n in sizes[:-2]), int(sizes[-2]), int(sizes[-1]))


def check_new(paths: Iterable[Path]) -> None:
    """Raise FileExistsError where a file is there already that an export would write beside others.

    The one file that a user names is replaced; those that follow from it are somebody's work.
    """
    there = next((path for path in paths if path.exists()), None)
    if there is not None:
        raise FileExistsError(f"{there} is there already and would be overwritten; name another folder.")
