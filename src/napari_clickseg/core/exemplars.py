"""Exemplar: an object that somebody drew, and where it lies: what a model learns from, and is checked on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.labels import read_block
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image

AROUND = 1.5
"""So many diameters of its surroundings are kept with an object."""


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """An object on one frame, with a copy of the labels around it. The pixels are read when they are needed.

    Attributes
    ----------
    image : Image
    frame : tuple of int
    label : int
        Its id in `labels`.
    region : Region
        What surrounds it, within the frame.
    labels : ndarray of int32
        The ids there, shape of `region`; 0 where nothing was drawn.
    """

    image: Image
    frame: Frame
    label: int
    region: Region
    labels: npt.NDArray[np.int32]

    @classmethod
    def of(cls, image: Image, labels: Any, frame: Frame, label: int, box: Region) -> Self | None:
        """Return the exemplar of an object of a label array, None where it has no pixel in `box`.

        Parameters
        ----------
        box : Region
            Around the object, within the frame.

        Examples
        --------
        >>> from napari_clickseg.core.images import Image
        >>> labels = np.zeros((9, 9), int); labels[3:6, 3:6] = 7
        >>> one = Exemplar.of(Image.of(np.eye(9)), labels, (), 7, Region((2, 2), (7, 7)))
        >>> one.area, round(one.diameter, 1), one.region.shape
        (9, 3.4, (9, 9))
        """
        own = np.asarray(read_block(labels, frame, box) == label)
        tight = Region.of_mask(own)
        if tight is None:
            return None
        reach = round(AROUND * max(*tight.shape, equivalent_diameter(int(own.sum()), 2)))
        whole = Region.whole(image.frame_shape(box.ndim))
        region = tight.placed_in(box).grow(reach).intersection(whole)
        return cls(image, frame, label, region, np.array(read_block(labels, frame, region), np.int32))

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """The object, shape of `region`."""
        return np.asarray(self.labels == self.label)

    @property
    def others(self) -> npt.NDArray[np.bool_]:
        """The other objects, shape of `region`."""
        return np.asarray((self.labels != 0) & (self.labels != self.label))

    @property
    def area(self) -> int:
        return int(self.mask.sum())

    @property
    def diameter(self) -> float:
        """Of the disk of this area, pixels."""
        return equivalent_diameter(self.area, 2)


def exemplars_on(image: Image, labels: Any, frame: Frame) -> Iterator[Exemplar]:
    """Yield every object of one frame of a label array.

    >>> from napari_clickseg.core.images import Image
    >>> [one.label for one in exemplars_on(Image.of(np.eye(4)), np.diag([0, 9, 9, 4]), ())]
    [4, 9]
    """
    block = read_block(labels, frame, Region.whole(image.frame_shape(2)))
    ids, numbered = np.unique(block, return_inverse=True)
    places = ndimage.find_objects(numbered.reshape(block.shape).astype(np.int32) + 1)
    for label, place in zip(ids.tolist(), places, strict=True):
        box = Region(tuple(side.start for side in place), tuple(side.stop for side in place))
        one = Exemplar.of(image, labels, frame, label, box) if label > 0 else None
        if one is not None:
            yield one
