"""Demo: a robot segments the shipped sample, so that anybody sees in a minute what clicks do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from skimage.color import hsv2rgb
from skimage.segmentation import find_boundaries

from napari_clickseg.core.images import Image
from napari_clickseg.core.metrics import carried_on, iou
from napari_clickseg.core.regions import Region
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.session.session import Session
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.write_labels import write_labels

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Predictor

SAMPLE, TRUTH = "nuclei.tif", "nuclei_labels.tif"
CLICKS = 5
"""Clicks per object at most."""
GOOD = 0.90
"""An IoU at which the robot goes on to the next object."""
ENLARGED = 2
GOLDEN = 0.618
"""Steps of the hue from object to object: neighbours' ids get far-apart colours."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """What came out: labels, and each object's IoU after each click."""

    image: Image
    labels: npt.NDArray[Any]
    curves: tuple[tuple[float, ...], ...]

    def lines(self) -> list[str]:
        """A line per click: the mean IoU after it; objects that were good before keep their value."""
        longest = max(len(curve) for curve in self.curves)
        held = np.array([carried_on(curve, longest) for curve in self.curves])
        clicked = [sum(len(curve) > k for curve in self.curves) for k in range(longest)]
        return [
            f"click {k + 1}: mean IoU {held[:, k].mean():.3f} ({clicked[k]} of {len(held)} objects clicked)"
            for k in range(longest)
        ]


def read_sample() -> tuple[Image, npt.NDArray[Any]]:
    """Return the shipped nuclei and their true labels."""
    with as_file(files("napari_clickseg") / "samples") as folder:
        image, truth = read_image(folder / SAMPLE), read_image(folder / TRUTH)
        return Image(np.array(image.array), image.axes, image.spacing), np.array(truth.array)


def segment_sample(
    image: Image, truth: npt.NDArray[Any], predictor: Predictor, each: Callable[[Any], Iterable[Any]] = iter
) -> Segmented:
    """Let the robot click on every object in turn, at most `CLICKS` times; `each` may show progress over them."""
    session = Session(image, predictor)
    curves = []
    for label in each(np.unique(truth[truth > 0]).tolist()):
        curves.append(_segment_one(session, truth == label))
        if session.area():
            session.commit()
        else:
            session.cancel()
    return Segmented(image, np.asarray(session.labels), tuple(curves))


def _segment_one(session: Session, truth: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    curve: list[float] = []
    while len(curve) < CLICKS and (not curve or curve[-1] < GOOD):
        click = next_click(truth, session.mask(), session.clicks)
        if click is None:
            break
        session.click(click.position, click.positive)
        curve.append(iou(session.mask(), truth))
    return tuple(curve)


def write_results(folder: Path, done: Segmented) -> list[Path]:
    """Write the labels and an overlay into a folder, made where absent; return the files' paths."""
    from imageio import v3

    folder.mkdir(parents=True, exist_ok=True)
    labels, picture = folder / "labels.tif", folder / "overlay.png"
    write_labels(labels, done.labels, done.image.label_axes, done.image.spacing, done.image.geometry)
    with written_whole(picture) as unfinished:
        v3.imwrite(unfinished, overlay(done.image, done.labels), plugin="pillow")
    return [labels, picture]


def overlay(image: Image, labels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the image in grey with a coloured outline and a light fill for each object: (y, x, 3), enlarged."""
    grey = image.intensities((), Region.whole(image.shape)).mean(axis=0)
    low, high = np.percentile(grey, (1, 99.5))
    even = np.clip((grey - low) / max(float(high - low), 1e-6), 0, 1)
    large, drawn = (np.kron(plane, np.ones((ENLARGED, ENLARGED), plane.dtype)) for plane in (even, labels))
    ids = np.unique(drawn)
    hues = (np.arange(ids.size) * GOLDEN) % 1
    colours = hsv2rgb(np.stack([hues, np.full(ids.size, 0.8), np.ones(ids.size)], axis=-1))
    colour = colours[np.searchsorted(ids, drawn)]
    outline = find_boundaries(drawn, mode="thick") & (drawn > 0)
    share = np.where(outline, 1.0, np.where(drawn > 0, 0.25, 0.0))[..., np.newaxis]
    mixed: npt.NDArray[np.float64] = (1 - share) * large[..., np.newaxis] + share * colour
    return np.rint(255 * mixed).astype(np.uint8)
