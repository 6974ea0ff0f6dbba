"""Placement: how the axes of an image layer become those of a session, and where our layers lie in the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.core.images import CHANNEL, Image
from napari_clickseg.gui.view.protocol import Channel

Matrix = npt.NDArray[np.float64]
Units = Sequence[Any]
"""Units of pint, one per axis."""
CHANNEL_NAMES = {"c", "ch", "channel", "channels"}
KNOWN_AXES = "TZYX"
SPARE_AXES = "ABDEFGHIJKLMNOPQRSUVW"
MOST_CHANNELS = 12
"""Longer axes are not offered as channels."""
FEW = 4
"""An axis without a name and without a spacing of its own that has no more entries holds channels, not frames."""
TRANSFORMS = ("scale", "translate", "rotate", "shear", "affine")


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where the layers of one image lie.

    Attributes
    ----------
    image : Image
        The image layer's finest data with its axes named.
    matrix : ndarray of float64
        From the data coordinates of our layers to the world in units of the image layer, homogeneous.
    options : dict
        What makes a layer of napari lie there: scale, translate, rotate, shear, affine, units, axis labels.
    thin : int or None
        The axis of our layers that stands for the image's channels: one pixel thick and as wide as all of them, so that
        clicks and labels are seen on every channel. None where the labels have no such axis.
    view_units : callable
        Returns the units in which the viewer gives places now, as `units_of_view`; None for those of the image layer.
    """

    image: Image
    matrix: Matrix
    options: dict[str, Any]
    thin: int | None = None
    view_units: Callable[[], Units | None] = lambda: None

    @classmethod
    def of(
        cls, layer: Any, channel: Channel | None = None, view_units: Callable[[], Units | None] = lambda: None
    ) -> Placement:
        """Return the placement of an image layer.

        Raises
        ------
        ValueError, TypeError
            Where the pixels cannot be worked on; the sentence is meant for the user.
        """
        array = layer.data[0] if layer.multiscale else layer.data
        axis = None if channel is None else channel.axis
        names = _axis_names(layer, axis)
        if layer.rgb:
            image = _image(array, names + CHANNEL, layer.scale, None)
            return cls(image, world_matrix(layer), _options(layer, None), None, view_units)
        if channel is None or axis is None:
            image = _image(array, names, layer.scale, None)
            return cls(image, world_matrix(layer), _options(layer, None), None, view_units)
        count = array.shape[axis]
        spacing = [s for k, s in enumerate(layer.scale) if k != axis]
        image = _image(array, names, spacing, channel.index)
        if axis == 0:
            return cls(image, world_matrix(layer)[1:, 1:], _options(layer, 0), None, view_units)
        thick = np.eye(layer.ndim + 1)
        thick[axis, axis], thick[axis, -1] = count, (count - 1) / 2
        options = _options(layer, None)
        middle = np.array([*layer.data_to_world(tuple(thick[:-1, -1])), 1.0])
        options["translate"] = (np.linalg.inv(options["affine"]) @ middle)[:-1]
        options["scale"] = np.where(np.arange(layer.ndim) == axis, count, 1) * np.asarray(layer.scale)
        return cls(image, world_matrix(layer) @ thick, options, axis, view_units)

    @property
    def ndim(self) -> int:
        """The number of axes of our layers."""
        return len(self.matrix) - 1

    @property
    def pixel_size(self) -> float:
        """The size of a pixel of the plane in the world: the mean of its two sides."""
        sides = self.matrix[:-1, -3:-1] * self.ratios()[:, np.newaxis]
        return float(np.linalg.norm(sides, axis=0).mean())

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """The shape of a Labels layer of this image, thin axis included."""
        shape = list(self.image.shape)
        if self.thin is not None:
            shape.insert(self.thin, 1)
        return tuple(shape)

    @property
    def geometry(self) -> Geometry:
        """Sizes, place and units of the image's pixels, for files of labels; rotations and shears are not in it."""
        kept = [k for k in range(self.ndim) if k != self.thin]
        units = [str(unit) for unit in self.options.get("units", ("",) * self.ndim)]
        origin = [float(place) for place in self.options["translate"]]
        return Geometry(
            self.image.label_axes,
            self.image.spacing,
            tuple(origin[k] for k in kept),
            tuple(units[k] for k in kept),
        )

    def labels_view(self, labels: Any) -> Any:
        """Return the labels with the thin axis put in, sharing memory."""
        return labels if self.thin is None else np.expand_dims(labels, self.thin)

    def labels_array(self, data: Any) -> Any:
        """Return a layer's data without the thin axis, sharing memory."""
        return data if self.thin is None else data[(slice(None),) * self.thin + (0,)]

    def ratios(self, units: Units | None = None) -> npt.NDArray[np.float64]:
        """Return how many units of the view one unit is, of the image layer or of another one, along our axes."""
        return unit_ratios(units or self.options.get("units"), self.view_units(), self.ndim)

    def for_layer(self, layer: Any, world: Sequence[float]) -> tuple[float, ...]:
        """Return a point in the world, as the viewer gives it, in the units of another layer."""
        ratios = self.ratios(getattr(layer, "units", None))
        return (*world[: len(world) - self.ndim], *(np.asarray(world[len(world) - self.ndim :]) / ratios))

    def position(self, world: Sequence[float]) -> tuple[float, ...]:
        """Return the position in the image, in array order, of a point in the world as the viewer gives it."""
        own = np.asarray(world[len(world) - self.ndim :], float) / self.ratios()
        inside = (np.linalg.inv(self.matrix) @ [*own, 1.0])[:-1]
        kept = np.delete(inside, self.thin) if self.thin is not None else inside
        return tuple(float(p) for p in np.round(kept, 6))

    def world(self, position: Sequence[float]) -> tuple[float, ...]:
        """Return the point in the world, as the viewer gives it, of a position in the image."""
        inside = list(position)
        if self.thin is not None:
            inside.insert(self.thin, 0.0)
        return tuple(float(p) for p in (self.matrix @ [*inside, 1.0])[:-1] * self.ratios())

    def shifted(self, origin: Sequence[float]) -> Matrix:
        """Return the matrix of a layer whose first pixel lies at `origin` in the image."""
        shift = np.eye(self.ndim + 1)
        start = list(origin)
        if self.thin is not None:
            start.insert(self.thin, 0.0)
        shift[:-1, -1] = start
        moved: Matrix = self.matrix @ shift
        return moved


def world_matrix(layer: Any) -> Matrix:
    """Return the affine map from a layer's data to the world, read off at the corners of the unit cube."""
    matrix = np.eye(layer.ndim + 1)
    origin = np.array(layer.data_to_world((0.0,) * layer.ndim))
    for axis, corner in enumerate(np.eye(layer.ndim)):
        matrix[:-1, axis] = np.array(layer.data_to_world(tuple(corner))) - origin
    matrix[:-1, -1] = origin
    return matrix


def options_of(layer: Any) -> dict[str, Any]:
    """Return what makes another layer of napari lie where this one does."""
    return {name: getattr(layer, name) for name in (*TRANSFORMS, "units", "axis_labels") if hasattr(layer, name)}


def units_of_view(viewer: Any) -> Units | None:
    """Return the units in which a viewer gives places, along its axes; None where it leaves each layer its own.

    From napari 0.7 on, layers in different units are shown in a common one.
    """
    units = getattr(viewer.dims, "units", None)
    return None if units is None else tuple(units)


def unit_ratios(units: Units | None, others: Units | None, count: int) -> Matrix:
    """Return how many of the other unit one unit is, along the last `count` axes; 1 where either is not known.

    As napari does it, units of different kinds (pixels and micrometres) are compared by their base units.
    """
    if units is None or others is None:
        return np.ones(count)
    pairs = list(zip(reversed(units), reversed(others), strict=False))[:count]
    return np.array([1.0] * (count - len(pairs)) + [_ratio(*pair) for pair in reversed(pairs)])


def _ratio(unit: Any, other: Any) -> float:
    if str(unit) == str(other):
        return 1.0
    import pint

    base = pint.get_application_registry().get_base_units
    return float(base(str(unit))[0] / base(str(other))[0])


def offered_channels(layer: Any) -> list[Channel | None]:
    """Return the choices of a channel for an image layer, the best first; [None] where there is nothing to choose.

    An axis that is named as channels is one. So is, where no axis has a name, one of a few entries that has no spacing
    of its own: a movie or a stack of four frames is rarer than an image of four stains. It can be called frames, too.
    """
    if layer.rgb:
        return [None]
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    labels = [str(name).lower() for name in getattr(layer, "axis_labels", ())]
    named = [k for k, name in enumerate(labels) if name in CHANNEL_NAMES and k < len(shape) - 2]
    short = [k for k in range(len(shape) - 2) if 1 < shape[k] <= MOST_CHANNELS and _nameless(labels, k)]
    likely = [k for k in short if shape[k] <= FEW and np.isclose(layer.scale[k], 1)]
    frames = [] if named else [None]
    if named or likely:
        axis = (named or likely)[-1]
        rest = [k for k in short if k != axis] if not named else named[:-1]
        return [*_channels_of(layer, axis, shape[axis]), *frames, *_of_axes(layer, rest, shape)]
    return [*frames, *_of_axes(layer, short, shape)]


def _of_axes(layer: Any, axes: Sequence[int], shape: Sequence[int]) -> list[Channel | None]:
    return [Channel(axis, k, f"channel {k} of axis {axis}") for axis in axes for k in range(shape[axis])]


def _channels_of(layer: Any, axis: int, count: int) -> list[Channel | None]:
    """The channels of the axis that is taken for theirs, by the names that the file gives them."""
    names = layer.metadata.get("channel_names", ())
    fitting = len(names) == count and all(isinstance(name, str) for name in names)
    texts = [f"{k}: {names[k]}" if fitting else f"channel {k}" for k in range(count)]
    several = [Channel(axis, None, "all channels")] if count <= 3 else []
    return [*(Channel(axis, k, text) for k, text in enumerate(texts)), *several]


def _nameless(labels: Sequence[str], axis: int) -> bool:
    """Whether napari named an axis itself, as "-3" or "axis 0", or nobody did."""
    return axis >= len(labels) or labels[axis].lstrip("-").isdigit() or labels[axis].startswith("axis")


def _image(array: Any, axes: str, scale: Sequence[float], channel: int | None) -> Image:
    spacing = tuple(abs(float(s)) or 1.0 for s in scale)
    return Image(array, axes, spacing, channel)


def _axis_names(layer: Any, channel_axis: int | None) -> str:
    """One letter per axis of the layer: its own label where that is T, Z, Y or X, else the usual order."""
    labels = [str(name)[:1].upper() for name in getattr(layer, "axis_labels", ("",) * layer.ndim)]
    kept = [k for k in range(layer.ndim) if k != channel_axis]
    usual = (SPARE_AXES + KNOWN_AXES)[-len(kept) :]
    named = [labels[k] for k in kept]
    clear = len(set(named)) == len(named) and set(named) <= set(KNOWN_AXES) and named[-2:] == ["Y", "X"]
    letters = list(named if clear else usual)
    if channel_axis is not None:
        letters.insert(channel_axis, CHANNEL)
    return "".join(letters)


def _options(layer: Any, dropped: int | None) -> dict[str, Any]:
    """The layer's own transforms, without the first axis if that is dropped."""
    first = 0 if dropped is None else 1
    shear = np.eye(layer.ndim)
    shear[np.triu_indices(layer.ndim, 1)] = np.ravel(layer.shear)
    options: dict[str, Any] = {
        "scale": np.asarray(layer.scale)[first:],
        "translate": np.asarray(layer.translate)[first:],
        "rotate": np.asarray(layer.rotate)[first:, first:],
        "shear": shear[first:, first:][np.triu_indices(layer.ndim - first, 1)],
        "affine": np.asarray(layer.affine.affine_matrix)[first:, first:],
    }
    for name in ("units", "axis_labels"):
        if hasattr(layer, name):
            options[name] = tuple(getattr(layer, name))[first:]
    return options
