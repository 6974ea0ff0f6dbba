"""Packing: the annotated planes of a recipe's sources, as the trainer on one device wants them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_clickseg.training.data import HELD_OUT, Tell, read_planes
from napari_clickseg.training.gpu.pack import Entry, PackedPlane, object_rows
from napari_clickseg.training.gpu.pool import TARGET
from napari_clickseg.training.recipe import DRAWN

if TYPE_CHECKING:
    from napari_clickseg.training.data import ImagePlane, LabelPlane


def planes_to_pack(
    folder: Path,
    sources: Collection[str],
    incomplete: Collection[str] = (),
    places: Mapping[str, Path] | None = None,
    seed: int = 0,
    tell: Tell = lambda doing: None,
    background: int | None = 0,
) -> Iterator[PackedPlane]:
    """Yield the planes of sources for training and for validation; of those without an object large enough, none.

    Where the index of a source names no image for validation, every fifth of its planes is kept for it.

    Parameters
    ----------
    sources : collection of str
        "source" or "source:modality", as in a recipe; drawn ones are left to the trainer.
    incomplete : collection of str
        Sources, without modality, in which not every object carries a label.
    places : mapping of str to Path, optional
        Folders of sources that lie elsewhere than in `folder`.
    tell : callable
        Called before each plane with what is being done.
    background : int, optional
        As in `read_planes`.

    Raises
    ------
    ValueError
        Where a source has no annotated image for training.
    """
    rng = np.random.default_rng(seed)
    for name in sources:
        if name in DRAWN:
            continue
        source, colon, modality = name.partition(":")
        place = (places or {}).get(source, folder / source)
        tell(f"reading {name}")
        train, val = (
            list(read_planes(place.parent, f"{place.name}{colon}{modality}", split, background))
            for split in ("train", "val")
        )
        if not train:
            raise ValueError(f"{place} has no annotated image of the split 'train'.")
        if not val and len(train) >= HELD_OUT:
            val = train[::HELD_OUT]
            del train[::HELD_OUT]
        for split, planes in (("train", train), ("val", val)):
            for number, (image, labels) in enumerate(planes, start=1):
                tell(f"packing {name}: {number} of {len(planes)} ({split})")
                packed = _packed(name, split, source not in incomplete, image, labels, rng)
                if (packed.rows[:, TARGET] > 0).any():
                    yield packed


def _packed(
    name: str, split: str, complete: bool, image: ImagePlane, labels: LabelPlane, rng: np.random.Generator
) -> PackedPlane:
    numbered, rows = object_rows(labels, rng)
    pixels = np.round(image * 255).astype(np.uint8)
    return PackedPlane(Entry(name, split, complete, "jpg", labels.shape), pixels, numbered, rows)
