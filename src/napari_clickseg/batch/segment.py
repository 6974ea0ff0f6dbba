"""Batch: images on disk become labels on disk, from a table of clicks or by a model that finds objects itself.

A job is one image; a folder of them is a list of jobs, for `core.jobs`. Large labels are drawn into a file beside the
output and written plane by plane, so that memory holds no more than the frames at work.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import tifffile

from napari_clickseg.core.images import NothingSeenError
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Proposer, Segmenter
from napari_clickseg.models.load import load_model
from napari_clickseg.session.session import Session
from napari_clickseg.storage import cell_tracking
from napari_clickseg.storage.atomic import hidden_prefix, written_whole
from napari_clickseg.storage.content import UNPACKABLE, failed_to_unpack
from napari_clickseg.storage.formats import suffixes_of_images
from napari_clickseg.storage.image_label_pairs import images_below
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.read_labels import read_labels_for
from napari_clickseg.storage.tables import Position, read_boxes_csv, read_clicks_csv
from napari_clickseg.storage.write_labels import check_ids, check_labels_path, id_range, write_or_keep

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Click, Frame
    from napari_clickseg.core.images import Image

IN_MEMORY = 1 << 30
"""Bytes of labels up to which they are drawn in memory."""
SLAB = 1 << 24
"""Pixels of labels that are looked at together."""
HALF_OF_NARROW = 2**30
"""Above it, 32 bits may be too few for the ids that are still to come."""
T = TypeVar("T")
Watch = Callable[[Sequence[T], str], Iterable[T]]
"""Passes items through and shows progress; the word says what they are."""


@dataclass(frozen=True, slots=True)
class Job:
    """One image to segment.

    Attributes
    ----------
    image, output : Path
        The image and the labels to write.
    clicks, labels : Path or None
        The table of clicks, without which the model must find objects itself; labels to begin with.
    model, device : str
        As in `load_model`.
    axes, channel, diameter
        As in `read_image` and `Session`.
    tracks : Path or None
        A result folder of the Cell Tracking Challenge to write beside the labels.
    least : float or None
        Without clicks: the quality, 0 to 1, from which on objects are taken that a click model suggests.
    background : int or None
        The number that stands for background in the labels to begin with; see `as_ids`.
    alpha : Path or None
        A TIFF to write how much of each pixel belongs to any object that was clicked, 0 to 1 in single precision.
    """

    image: Path
    output: Path
    clicks: Path | None = None
    labels: Path | None = None
    model: str = "default"
    device: str = "auto"
    axes: str | None = None
    channel: int | None = None
    diameter: float | None = None
    tracks: Path | None = None
    least: float | None = None
    background: int | None = None
    alpha: Path | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job.

    Attributes
    ----------
    job : Job
        The job.
    objects : int
        How many objects were clicked or found.
    left_out : tuple of int
        Objects whose clicks gave no pixels.
    model : str
        Who answered, and where.
    fault : str
        Why there are no labels, in a sentence; empty where there are.
    channels : int
        How many channels the image has.
    blank : tuple of Frame
        Frames that hold one value everywhere, or none: nothing was looked for there.
    """

    job: Job
    objects: int = 0
    left_out: tuple[int, ...] = ()
    model: str = ""
    fault: str = ""
    channels: int = 1
    blank: tuple[Frame, ...] = ()


def _unwatched(items: Sequence[T], word: str) -> Iterable[T]:
    return items


def attempt(job: Job) -> Done:
    """Do a job; a failure is returned as a value."""
    try:
        return segment_image(job)
    except Exception as error:  # the worker's boundary: the other images go on
        if failed_to_unpack(error) and not isinstance(error, ValueError | OSError):
            return Done(job, fault=UNPACKABLE.format(job.image))
        return Done(job, fault=" ".join(str(error).split()) or type(error).__name__)


def segment_image(job: Job, watch: Watch[Any] = _unwatched) -> Done:
    """Segment one image and write its labels.

    Raises
    ------
    ValueError, OSError
        With a sentence, where something cannot be read or written; no labels are written then.
    """
    check_labels_path(job.output)
    _check_alpha(job)
    image = read_image(job.image, job.axes, job.channel)
    check_labels_path(job.output, image.label_axes)
    cell_tracking.check_target(job.tracks, image.label_axes)
    prior = None if job.labels is None else open_labels(job.labels, image, job.background)
    predictor = _loaded(job.model, job.device)
    objects = None if job.clicks is None else read_clicks(job.clicks, image, predictor.ndim)
    boxes = {} if job.clicks is None else read_boxes(job.clicks, image)
    _check_content(image, min(predictor.ndim, image.ndim), objects)
    highest = _check_ids(job, prior, objects or ())
    with room_for(prior, image.shape, job.output.parent, highest) as labels:
        session = Session(image, predictor, labels, diameter=job.diameter, highest=None if prior is not None else 0)
        left_out: tuple[int, ...] = ()
        blank: tuple[Frame, ...] = ()
        if objects is None:
            count, blank = find_all(session, watch, job.least)
        else:
            alpha = None if job.alpha is None else np.zeros(image.shape, np.float32)
            count, left_out = len(objects), click_all(session, objects, watch, alpha, boxes)
            if job.alpha is not None and alpha is not None:
                _write_alpha(job.alpha, alpha, image)
        write_or_keep(job.output, labels, image.label_axes, image.spacing, image.geometry)
        if job.tracks is not None:
            _write_tracks(job, labels)
    return Done(job, count, left_out, f"{predictor.name} on {predictor.device}", channels=image.channels, blank=blank)


def _check_alpha(job: Job) -> None:
    if job.alpha is None:
        return
    if job.clicks is None:
        raise ValueError("--alpha writes the alpha of objects that are clicked: name a table of clicks (--clicks).")
    if job.alpha.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"Alpha is written as a TIFF in single precision: name a .tif, not {job.alpha}.")


def _write_alpha(path: Path, alpha: npt.NDArray[np.float32], image: Image) -> None:
    with written_whole(path) as unfinished:
        tifffile.imwrite(unfinished, alpha, compression="zlib", metadata={"axes": image.label_axes.upper()})


def _check_ids(job: Job, prior: Any | None, more: Collection[int]) -> int:
    """Return the highest id that is there or will be clicked; raise ValueError where ids do not fit the outputs."""
    lowest, highest = (0, 0) if prior is None else id_range(prior)
    highest = max(highest, *more, 0)
    check_ids(job.output, lowest, highest)
    cell_tracking.check_ids(job.tracks, prior, more)
    return highest


def _write_tracks(job: Job, labels: Any) -> None:
    assert job.tracks is not None
    try:
        cell_tracking.write_result(job.tracks, labels, split_gaps=True)
    except (OSError, ValueError) as problem:
        raise OSError(f"{problem} The labels are in {job.output}.") from problem


# -- what a session is made to do --------------------------------------------------------------------------------------


def _check_content(image: Image, ndim: int, objects: Mapping[int, Sequence[Click]] | None) -> None:
    """Raise ValueError where a frame that is clicked, or the one frame that there is, has one value or none."""
    clicks = {} if objects is None else {c.frame(ndim): c.point(ndim) for each in objects.values() for c in each}
    if objects is None and math.prod(image.frames_shape(ndim)) == 1:
        clicks[(0,) * (image.ndim - ndim)] = ()
    for frame, point in clicks.items():
        image.check_content(frame, ndim, point)


def click_all(
    session: Session,
    objects: Mapping[int, Sequence[Click]],
    watch: Watch[Any] = _unwatched,
    alpha: npt.NDArray[np.float32] | None = None,
    boxes: Mapping[int, tuple[Position, Position]] = MappingProxyType({}),
) -> tuple[int, ...]:
    """Segment objects in the order of their ids; return those whose clicks give no pixels, which are left out.

    Objects that the labels hold already are taken up and corrected.

    Parameters
    ----------
    alpha : ndarray of float32, optional
        Of the image's shape: takes the alpha of the objects, the largest where several have one.
    boxes : mapping of int to (position, position), optional
        Two corners of a box around the object, by its id: drawn before its clicks.

    Raises
    ------
    ValueError
        Where a box lies outside the image, on several frames, or around an object that is there already.
    """
    there = _ids_among(session.labels, objects)
    left_out = []
    for number in watch(list(objects), "object"):
        if number in there:
            session.resume(number)
        else:
            session.start_new(number)
        if number in boxes:
            if number in there:
                raise ValueError(f"Object {number} is there already; a box begins a new object, clicks correct one.")
            session.box(*boxes[number])
        for click in objects[number]:
            session.click(click.position, click.positive)
        if alpha is not None:
            for frame in {click.frame(session.ndim) for click in session.clicks}:
                alpha[frame] = np.maximum(alpha[frame], session.alpha(frame))
        if number in there or session.area():
            session.commit()
        else:
            session.cancel()
            left_out.append(number)
    return tuple(left_out)


def find_all(
    session: Session, watch: Watch[Any] = _unwatched, least: float | None = None
) -> tuple[int, tuple[Frame, ...]]:
    """Let the model find the objects of every frame; return how many came, and which frames hold nothing to outline.

    Parameters
    ----------
    least : float, optional
        The quality from which on suggestions of a click model are taken; the usual one where absent.

    Raises
    ------
    ValueError
        Where the model only answers clicks, or no frame holds anything to outline.
    """
    check_finds(session.predictor)
    count, blank = 0, []
    frames = list(np.ndindex(*session.image.frames_shape(session.ndim)))
    for frame in watch(frames, "frame"):
        try:
            session.image.check_content(frame, session.ndim)
        except NothingSeenError:
            blank.append(frame)
            continue
        if isinstance(session.predictor, Segmenter):
            edit = session.segmented(frame)
            session.edit({frame: edit})
            count += len(edit.ids())
        else:
            count += len(session.accept(session.suggest(frame, like=()).at_least(least)))
    if len(blank) == len(frames):
        raise NothingSeenError(
            "Each frame of the image has one value everywhere, or none; there is nothing to outline."
        )
    return count, tuple(blank)


def check_finds(predictor: Predictor) -> None:
    """Raise ValueError where a model only answers clicks."""
    if not isinstance(predictor, (Proposer, Segmenter)):
        raise ValueError(
            f"{predictor.name} answers clicks: name a table of them (--clicks), "
            "the default model, or one that finds objects itself, as clickseg convert makes it."
        )


def _ids_among(labels: Any, wanted: Iterable[int]) -> set[int]:
    """Those ids that the labels hold; reads them slab by slab, so that a plane of a slide is never in memory."""
    known = np.array(sorted(wanted))
    found: set[int] = set()
    rows = max(SLAB // max(labels.shape[-1], 1), 1)
    for index in np.ndindex(*labels.shape[:-2]):
        for top in range(0, labels.shape[-2], rows):
            slab = np.asarray(labels[(*index, slice(top, top + rows))])
            if slab.any():
                found |= set(known[np.isin(known, slab)].tolist())
    return found


@lru_cache(maxsize=1)
def _loaded(model: str, device: str) -> Predictor:
    return load_model(model, device)


# -- files -------------------------------------------------------------------------------------------------------------


def read_clicks(path: Path, image: Image, ndim: int) -> dict[int, list[Click]]:
    """Read the clicks of each object, in the order of the ids, for a model that sees the last `ndim` axes.

    Raises
    ------
    FileNotFoundError
        Where there is no such table.
    ValueError
        Where it holds no clicks, or one that lies outside the image or between two frames.
    """
    objects = read_clicks_csv(path, image.label_axes, min(ndim, image.ndim))
    if not objects:
        raise ValueError(f"{path} holds no clicks.")
    whole = Region.whole(image.shape)
    for number, clicks in sorted(objects.items()):
        for click in clicks:
            if not whole.contains(click.position):
                where = ", ".join(f"{p:g}" for p in click.position)
                raise ValueError(f"Object {number}: the click ({where}) lies outside the image of shape {image.shape}.")
    return dict(sorted(objects.items()))


def read_boxes(path: Path, image: Image) -> dict[int, tuple[Position, Position]]:
    """Read the boxes of a table of clicks: two corners of each, by object id.

    Raises
    ------
    ValueError
        Where a corner lies outside the image.
    """
    boxes = read_boxes_csv(path, image.label_axes)
    for number, corners in boxes.items():
        if not all(Region.whole(image.shape).contains(corner) for corner in corners):
            raise ValueError(f"Object {number}: its box reaches out of the image of shape {image.shape}.")
    return boxes


def open_labels(path: Path, image: Image, background: int | None = None) -> Any:
    """Open labels to begin with, lazily where the file allows it.

    Raises
    ------
    ValueError
        Where they are no integers, or have another shape than the image.
    """
    return read_labels_for(path, image.shape, background=background)


@contextmanager
def room_for(prior: Any | None, shape: tuple[int, ...], folder: Path, highest: int = 0) -> Iterator[Any]:
    """Give labels to draw into, zeros or a copy, wide enough for ids above the highest one that is known.

    Large ones lie in a file in the folder, which is gone in the end.
    """
    wide = highest > HALF_OF_NARROW or (prior is not None and np.dtype(prior.dtype).itemsize >= 4)
    dtype = np.dtype(np.int64 if wide else np.int32)
    with ExitStack() as after:
        labels: Any
        if int(np.prod(shape)) * dtype.itemsize <= IN_MEMORY:
            labels = np.zeros(shape, dtype)
        else:
            there = folder if folder.is_dir() else folder.parent  # an image's group of labels may be still to come
            place = after.enter_context(tempfile.TemporaryDirectory(prefix=hidden_prefix(), dir=there))
            labels = np.lib.format.open_memmap(Path(place) / "labels.npy", "w+", dtype, shape)
        if prior is not None:
            for index in np.ndindex(*shape[:-2]):
                labels[index] = prior[index]
        yield labels


def find_images(folder: Path, output: Path | None = None) -> list[Path]:
    """Return the images below a folder, as `images_below`.

    Raises
    ------
    FileNotFoundError
        Where there are none.
    """
    images = images_below(folder, output)
    if not images:
        raise FileNotFoundError(f"There are no images in {folder}: wanted are {', '.join(suffixes_of_images())}.")
    return images
