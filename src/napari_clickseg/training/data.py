"""Training data: annotated planes kept on the device, from which `windows` are cut.

A data folder holds one folder per source, as `storage.image_label_pairs` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.segmentation import expand_labels
from torch import Tensor
from torch.nn import functional

from napari_clickseg.core.labels import compacted
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.simulated_user import first_clicks
from napari_clickseg.inference.window import three_channels
from napari_clickseg.storage.image_label_pairs import (
    Pair,
    Pairs,
    find_pair,
    find_pairs,
    read_annotation,
    read_index,
    split_ranges,
)
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.training.mattes import FADING, compose_mattes
from napari_clickseg.training.recipe import DRAWN, MATTES, SYNTHETIC
from napari_clickseg.training.synthetic import Cutout, draw_plane

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image

SMALLEST_OBJECT = 30
"""Objects below this many pixels are not trained on."""
POINTS_PER_OBJECT = 12
MOST_DRAWN, FEWEST_DRAWN = 400, 40
MOST_COMPOSED = 160
WINDOWS_PER_DRAWN = 8
"""A short run draws one plane for this many of its windows."""
DRAWN_PER_MINUTE = 40
"""How many planes a run by the clock draws for each of its minutes."""
DRAWN_SIDE = 320
"""Height and width of drawn planes, pixels."""
DRAWN_PART = 40
"""Planes that another process draws in one go."""
REAL_FOR_SYNTHETIC = 96
LEVELS = 4
HELD_OUT = 5
"""Of a folder without an index, every fifth image is kept for validation; with fewer images, all serve both ends."""
ISOTROPIC_AXIS = "z"
"""Stacks with annotated ranges along it are cut across the other axes too."""

ImagePlane = npt.NDArray[np.float32]
LabelPlane = npt.NDArray[np.int32]
Tell = Callable[[str], None]
Pick = tuple[str, int, int]
"""One object of a pool: its source, and the numbers of its plane and of itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One object of a plane: its id, diameter in pixels, middle of its box, and first clicks as (y, x) rows."""

    label: int
    diameter: float
    centre: tuple[float, float]
    points: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """The true alpha of a composed plane's objects, and to which object it belongs, (1, 1, y, x) float32 each."""

    alpha: Tensor
    owners: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One annotated plane on the device.

    Attributes
    ----------
    levels : tuple of Tensor
        (1, 3, y, x) in 0..1, half precision on a GPU; each level half the size of the one before.
    labels : Tensor of float32
        (1, 1, y, x).
    matte : Matte or None
        Of a composed plane, where the answer is to be an alpha.
    """

    levels: tuple[Tensor, ...]
    labels: Tensor
    targets: tuple[Target, ...]
    matte: Matte | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Planes of each source, and how often each source is drawn."""

    planes: Mapping[str, Sequence[Plane]]
    weights: Mapping[str, float]

    def drawn(self) -> Pool:
        """Return the composed planes alone, else the drawn ones; all planes where there are none of either kind."""
        for kind in (MATTES, SYNTHETIC):
            if kind in self.planes:
                return Pool({kind: self.planes[kind]}, self.weights)
        return self

    def pick(self, rng: np.random.Generator) -> Pick:
        """Draw a source by its weight, then a plane by the square root of its number of objects, then an object."""
        names = list(self.planes)
        chances = np.array([self.weights[name] for name in names])
        name = names[rng.choice(len(names), p=chances / chances.sum())]
        sizes = np.sqrt([len(plane.targets) for plane in self.planes[name]])
        number = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
        return name, number, int(rng.integers(len(self.planes[name][number].targets)))

    def at(self, pick: Pick) -> tuple[Plane, Target]:
        """Return the plane and the object of a pick."""
        name, number, target = pick
        plane = self.planes[name][number]
        return plane, plane.targets[target]


def load_pool(
    folder: Path,
    sources: Mapping[str, float],
    split: str,
    device: torch.device,
    first_spread: float,
    seed: int = 0,
    executor: Executor | None = None,
    places: Mapping[str, Path] | None = None,
    drawn: int = MOST_DRAWN,
    tell: Tell = lambda doing: None,
    background: int | None = 0,
) -> Pool:
    """Read the sources of a data folder.

    Parameters
    ----------
    sources : mapping of str to float
        "source" or "source:modality" (as in index.csv), and its weight; "synthetic" is drawn from the others' planes.
    split : str
        Only items of this split are read, where the index names one.
    places : mapping of str to Path, optional
        Folders of sources that lie elsewhere than in `folder`.
    drawn : int
        How many planes are drawn, as `planes_to_draw` has it.
    tell : callable
        Called before each plane with what is being done; what it raises ends the reading.
    background : int, optional
        The number that stands for background in labels and masks, as in `read_labels.as_ids`.

    Raises
    ------
    ValueError
        Where a source has no annotated image of the split, or an image that does not fit its labels.
    """
    raw: dict[str, list[tuple[ImagePlane, LabelPlane]]] = {}
    for name in sources:
        if name not in DRAWN:
            source, colon, modality = name.partition(":")
            place = (places or {}).get(source, folder / source)
            tell(f"reading {name}")
            raw[name] = []
            for pair in read_planes(place.parent, f"{place.name}{colon}{modality}", split, background):
                raw[name].append(pair)
                tell(f"reading {name}: {len(raw[name])}")
            if not raw[name]:
                raise ValueError(f"{place} has no annotated image of the split {split!r}.")
    if SYNTHETIC in sources:
        raw[SYNTHETIC] = []
        for pair in draw_planes([pair for pairs in raw.values() for pair in pairs], seed, executor, drawn):
            raw[SYNTHETIC].append(pair)
            tell(f"drawing planes: {len(raw[SYNTHETIC])} of {drawn}")
    rng = np.random.default_rng(seed)
    planes: dict[str, list[Plane]] = {}
    if MATTES in sources:
        planes[MATTES] = []
        textures = [image for pairs in raw.values() for image, _ in pairs]
        for image, labels, alpha in compose_mattes(textures, seed, executor, min(drawn, MOST_COMPOSED)):
            planes[MATTES].append(_with_matte(_to_plane(image, labels, device, first_spread, rng), labels, alpha))
            tell(f"composing planes: {len(planes[MATTES])}")
    for name, pairs in raw.items():
        planes[name] = []
        for number, (image, labels) in enumerate(pairs, start=1):
            tell(f"listing objects of {name}: {number} of {len(pairs)}")
            plane = _to_plane(image, labels, device, first_spread, rng)
            planes[name] += [plane] if plane.targets else []
    return Pool(planes, sources)


def planes_to_draw(windows: int, minutes: float | None = None) -> int:
    """Return how many planes a run draws: MOST_DRAWN, fewer for a short run, never below FEWEST_DRAWN.

    Parameters
    ----------
    windows : int
        How many windows the run sees in all: steps times batch.
    minutes : float, optional
        How long the run takes, where it goes by the clock; then `windows` is of no account.

    Examples
    --------
    >>> planes_to_draw(400 * 16), planes_to_draw(100 * 16), planes_to_draw(2), planes_to_draw(6400, minutes=2)
    (400, 200, 40, 80)
    """
    wanted = windows / WINDOWS_PER_DRAWN if minutes is None else minutes * DRAWN_PER_MINUTE
    return int(min(max(wanted, FEWEST_DRAWN), MOST_DRAWN))


def read_planes(
    folder: Path, name: str, split: str, background: int | None = 0
) -> Iterator[tuple[ImagePlane, LabelPlane]]:
    """Yield image (y, x, 3) in 0..1 and labels (y, x) of a source; of stacks each plane, connected pieces apart."""
    source, _, modality = name.partition(":")
    pairs = find_pairs(folder / source)
    for row in _rows(folder / source, pairs):
        if modality and row.get("modality") != modality:
            continue
        declared = (row.get("split") or "").strip()
        ranges = split_ranges(declared)
        if not ranges and declared not in ("", split):
            continue
        image, labels = _read_pair(find_pair(folder / source, pairs, row["name"]), background)
        if labels.ndim == 2:
            yield _unit_range(_pixels(image, ()), image), labels.astype(np.int32)
            continue
        part = ranges.get(split)
        planes = range(len(labels))[slice(None) if part is None else slice(part.first, part.last + 1)]
        yield from _frames(image, labels, planes)
        if labels.ndim == 3 and any(one.axis == ISOTROPIC_AXIS for one in ranges.values()):
            yield from _cross_sections(image, labels, planes)


def draw_planes(
    real: Sequence[tuple[ImagePlane, LabelPlane]],
    seed: int,
    executor: Executor | None = None,
    count: int = MOST_DRAWN,
) -> Iterator[tuple[ImagePlane, LabelPlane]]:
    """Draw scenes, some with parts of real planes, one by one, or in parts in the executor's processes."""
    rng = np.random.default_rng(seed)
    chosen = [real[k] for k in rng.choice(len(real), min(len(real), REAL_FOR_SYNTHETIC), replace=False)] if real else []
    textures = [image for image, _ in chosen]
    cutouts = [cutout for image, labels in chosen for cutout in _cutouts(image, labels, rng)]
    seeds = [int(s) for s in rng.integers(0, 2**31, count)]
    size = 1 if executor is None else DRAWN_PART
    parts = [(seeds[k : k + size], textures, cutouts) for k in range(0, len(seeds), size)]
    for part in map(_draw_some, parts) if executor is None else executor.map(_draw_some, parts):
        yield from part


def _draw_some(
    part: tuple[Sequence[int], Sequence[ImagePlane], Sequence[Cutout]],
) -> list[tuple[ImagePlane, LabelPlane]]:
    seeds, textures, cutouts = part
    scenes = [draw_plane(np.random.default_rng(seed), textures, cutouts, DRAWN_SIDE) for seed in seeds]
    return [(_colours(scene.image), scene.labels.astype(np.int32)) for scene in scenes]


def _colours(image: npt.NDArray[np.uint8]) -> ImagePlane:
    """Colours (y, x, 3) in 0..1 of 8 bits, grey (y, x) or (y, x, 3)."""
    coloured = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)
    return coloured.astype(np.float32) / np.float32(255)


def connected_pieces(labels: LabelPlane) -> LabelPlane:
    """Give each connected piece of each label an id of its own."""
    edges = np.zeros(labels.shape, bool)
    edges[1:] |= (labels[1:] != labels[:-1]) & (labels[1:] > 0) & (labels[:-1] > 0)
    edges[:, 1:] |= (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
    out = np.zeros_like(labels)
    count = 0
    if not edges.any():
        pieces, _ = ndimage.label(labels > 0)
        whole: LabelPlane = pieces.astype(np.int32)
        return whole
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            pieces, number = ndimage.label(labels[box] == k)
            view = out[box]
            view[pieces > 0] = pieces[pieces > 0] + count
            count += number
    return out


def _rows(folder: Path, pairs: Pairs) -> list[dict[str, str]]:
    """The rows of a folder's index; without one every image, each fifth for validation where there are enough."""
    rows = read_index(folder)
    if rows is not None:
        return rows
    names = sorted([*pairs.by_name, *pairs.unlabelled])
    if len(names) < HELD_OUT:
        return [{"name": name} for name in names]
    return [{"name": name, "split": "val" if k % HELD_OUT == 0 else "train"} for k, name in enumerate(names)]


def _read_pair(pair: Pair, background: int | None) -> tuple[Image, npt.NDArray[np.generic]]:
    """An image and its labels, which have the image's shape without channels."""
    annotation, ignored = read_annotation(pair.labels, pair.mask, background)
    labels = np.asarray(compacted(annotation.array))
    if ignored is not None and ignored.any():
        raise ValueError(f"{pair.labels} leaves pixels open (128): training wants a label for each.")
    image = read_image(pair.image)
    if image.shape != labels.shape:
        raise ValueError(f"{pair.image} and its labels differ in shape: {image.shape} and {labels.shape}.")
    return image, labels


def _frames(image: Image, labels: npt.NDArray[np.generic], planes: range) -> Iterator[tuple[ImagePlane, LabelPlane]]:
    """Every plane (y, x) of a stack or movie whose first index is among `planes`."""
    for frame in np.ndindex(*image.frames_shape(2)):
        if frame[0] in planes:
            plane = np.asarray(labels[frame]).astype(np.int32)
            yield _unit_range(_pixels(image, frame), image), connected_pieces(plane)


def _cross_sections(
    image: Image, labels: npt.NDArray[np.generic], planes: range
) -> Iterator[tuple[ImagePlane, LabelPlane]]:
    """Every fourth plane across the other axes of a volume (z, y, x)."""
    volume, marks = np.stack([_pixels(image, (k,)) for k in planes]), labels[planes.start : planes.stop]
    for axis in (1, 2):
        for k in range(0, labels.shape[axis], 4):
            plane = np.take(marks, k, axis).astype(np.int32)
            yield _unit_range(np.take(volume, k, axis), image), connected_pieces(plane)


def _pixels(image: Image, frame: Frame) -> npt.NDArray[np.float32]:
    """Pixels of a frame as the engine reads them, (y, x, channels), one to three channels."""
    return np.moveaxis(image.intensities(frame, Region.whole(image.frame_shape(2))), 0, -1)


def _unit_range(values: npt.NDArray[np.float32], image: Image) -> ImagePlane:
    """Colours (y, x, 3) in 0..1 of an image's pixels: 8 bits as they are, others between percentiles 0.1 and 99.9."""
    if np.dtype(image.array.dtype) == np.uint8:
        values = values / np.float32(255)
    else:
        low, high = np.percentile(values, (0.1, 99.9))
        values = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    return np.moveaxis(three_channels(np.moveaxis(values, -1, 0)), 0, -1)


def _cutouts(image: ImagePlane, labels: LabelPlane, rng: np.random.Generator) -> list[Cutout]:
    boxes = [(k, box) for k, box in enumerate(ndimage.find_objects(labels), start=1) if box is not None]
    picked = [boxes[k] for k in rng.choice(len(boxes), min(6, len(boxes)), replace=False)] if boxes else []
    cutouts = [Cutout(image[box], labels[box] == k) for k, box in picked]
    return [c for c in cutouts if c.mask.sum() >= SMALLEST_OBJECT and max(c.mask.shape) < 160]


def _to_plane(
    image: ImagePlane, labels: LabelPlane, device: torch.device, spread: float, rng: np.random.Generator
) -> Plane:
    precise = torch.float16 if device.type == "cuda" else torch.float32
    levels = _levels(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(device))
    marks = torch.from_numpy(labels.astype(np.float32))[None, None].to(device)
    return Plane(tuple(level.to(precise) for level in levels), marks, tuple(_targets(labels, spread, rng)))


def _with_matte(plane: Plane, labels: LabelPlane, alpha: npt.NDArray[np.float32]) -> Plane:
    """A plane with the alpha of its objects; what lies near an object, as far as alpha fades, is the object's."""
    device = plane.labels.device
    owners = expand_labels(labels, FADING)
    tensors = (torch.from_numpy(array.astype(np.float32))[None, None].to(device) for array in (alpha, owners))
    return replace(plane, matte=Matte(*tensors))


def _levels(image: Tensor) -> list[Tensor]:
    """The image (1, 3, y, x), then halves of halves."""
    levels = [image]
    while len(levels) < LEVELS and min(levels[-1].shape[-2:]) >= 64:
        levels.append(functional.avg_pool2d(levels[-1], 2))
    return levels


def _targets(labels: LabelPlane, spread: float, rng: np.random.Generator) -> Iterator[Target]:
    """The objects that are large enough, with first clicks up to `spread` off-centre."""
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mask = labels[box] == k
        if mask.sum() >= SMALLEST_OBJECT:
            origin = np.array([s.start for s in box], np.float32)
            middle = origin + (np.array(mask.shape) - 1) / 2
            spreads = rng.uniform(0, spread, POINTS_PER_OBJECT)
            points = np.array([click.position for click in first_clicks(mask, rng, spreads)], np.float32) + origin
            yield Target(k, equivalent_diameter(int(mask.sum()), 2), (float(middle[0]), float(middle[1])), points)
