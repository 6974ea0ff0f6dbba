"""Pack: annotated planes of many sources in one file, as 8-bit pictures, with what a trainer asks of each object.

A pack is a zip file: `pack.json` names the planes, `N.jpg` or `N.png` are their pixels, `N.labels` their ids as
compressed 32-bit integers (1 .. number of objects) and `N.objects` a table with one row per object.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from scipy import ndimage

SMALLEST_OBJECT = 24
"""Objects below this many pixels are no targets; they are objects nevertheless."""
POINTS = 8
"""How many pixels of each object are noted, any of which a window may be cut around."""
COLUMNS = ("top", "left", "bottom", "right", "area", "depth", "target", *("y", "x") * POINTS)
"""Of an object's row: its box, pixels, largest distance to its border, whether it is a target, and points on it."""
QUALITY = 95
"""Of JPEG pictures; finer than the noise of any source."""
INDEX = "pack.json"

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a pack holds of a plane.

    Attributes
    ----------
    source, split : str
        "dsb2018:histology", "train".
    complete : bool
        Whether what carries no label is background.
    picture : str
        The picture's ending.
    """

    source: str
    split: str
    complete: bool
    picture: str
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class PackedPlane:
    """A plane: pixels (y, x, 3), ids (y, x) from 1 without gaps, and a row of `COLUMNS` per id."""

    entry: Entry
    pixels: Pixels
    labels: Labels
    rows: Rows


def object_rows(labels: Labels, rng: np.random.Generator) -> tuple[Labels, Rows]:
    """Return labels numbered from 1 without gaps, and a row of `COLUMNS` for each of them.

    >>> labels, rows = object_rows(np.full((6, 6), 7, np.int32), np.random.default_rng(0))
    >>> int(labels.max()), rows[0, :7].tolist()
    (1, [0.0, 0.0, 6.0, 6.0, 36.0, 3.0, 1.0])
    """
    ids, flat = np.unique(labels, return_inverse=True)
    numbered = flat.reshape(labels.shape).astype(np.int32) + (ids[0] != 0)
    rows = []
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        assert box is not None
        mask = np.pad(numbered[box] == number, 1)
        inner = ndimage.distance_transform_edt(mask)[1:-1, 1:-1]
        where = np.argwhere(inner >= rng.uniform(0, 0.9) * inner.max())
        points = where[rng.integers(0, len(where), POINTS)] + (box[0].start, box[1].start)
        area = int(mask.sum())
        edges = (box[0].start, box[1].start, box[0].stop, box[1].stop)
        rows.append((*edges, area, float(inner.max()), float(area >= SMALLEST_OBJECT), *points.ravel().tolist()))
    return numbered, np.array(rows, np.float32).reshape(-1, len(COLUMNS))


def write_pack(path: Path, planes: Iterable[PackedPlane]) -> int:
    """Write planes into one file; return how many there were."""
    entries = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as pack:
        for number, plane in enumerate(planes):
            entries.append(asdict(plane.entry))
            pack.writestr(f"{number}.{plane.entry.picture}", _encoded(plane.pixels, plane.entry.picture))
            pack.writestr(f"{number}.labels", zlib.compress(_deltas(plane.labels).tobytes(), 9))
            pack.writestr(f"{number}.objects", zlib.compress(plane.rows.tobytes(), 9))
        pack.writestr(INDEX, json.dumps({"planes": entries}))
    return len(entries)


def read_pack(path: Path, split: str | None = None, nth: Sequence[int] | None = None) -> Iterator[PackedPlane]:
    """Yield the planes of a pack.

    Parameters
    ----------
    split : str, optional
        Only planes of this split.
    nth : sequence of int, optional
        Only these of them, counted within the split.

    Raises
    ------
    ValueError
        Where the file is no pack.
    """
    try:
        with zipfile.ZipFile(path) as pack, ThreadPoolExecutor() as threads:
            named = [(number, _entry(values)) for number, values in enumerate(json.loads(pack.read(INDEX))["planes"])]
            wanted = [(number, entry) for number, entry in named if split in (None, entry.split)]
            wanted = wanted if nth is None else [wanted[k] for k in nth]
            yield from threads.map(lambda one: _plane(pack, *one), wanted)
    except (zipfile.BadZipFile, KeyError, zlib.error) as error:
        raise ValueError(f"{path} is no pack of training planes ({error}); write one with `write_pack`.") from None


def count_planes(path: Path, split: str) -> int:
    """Return how many planes of a split a pack holds."""
    with zipfile.ZipFile(path) as pack:
        return sum(values["split"] == split for values in json.loads(pack.read(INDEX))["planes"])


def _entry(values: dict[str, Any]) -> Entry:
    return Entry(**{**values, "shape": tuple(values["shape"])})


def _plane(pack: zipfile.ZipFile, number: int, entry: Entry) -> PackedPlane:
    picture = Picture.open(io.BytesIO(pack.read(f"{number}.{entry.picture}"))).convert("RGB")
    deltas = np.frombuffer(zlib.decompress(pack.read(f"{number}.labels")), np.int32).reshape(entry.shape)
    rows = np.frombuffer(zlib.decompress(pack.read(f"{number}.objects")), np.float32)
    return PackedPlane(
        entry, np.array(picture), np.cumsum(deltas, axis=0, dtype=np.int32), rows.reshape(-1, len(COLUMNS))
    )


def _deltas(labels: Labels) -> Labels:
    """Differences from row to row, which compress better than ids; their running sum along columns is the labels."""
    return np.diff(labels, axis=0, prepend=np.int32(0)).astype(np.int32)


def _encoded(pixels: Pixels, picture: str) -> bytes:
    grey = bool((pixels[..., :1] == pixels).all())
    held = io.BytesIO()
    image = Picture.fromarray(pixels[..., 0] if grey else pixels)
    if picture == "jpg":
        image.save(held, "JPEG", quality=QUALITY, subsampling=0)
    else:
        image.save(held, "PNG", optimize=True)
    return held.getvalue()
