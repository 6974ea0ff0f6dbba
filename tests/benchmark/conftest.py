"""A small data pack: discs on noise, in the layouts that sources come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3

PLACES = ((12, 12), (12, 40), (40, 12), (40, 40))


def discs(shape: tuple[int, int] = (56, 56), radius: float = 8) -> np.ndarray:
    """Labels 1 to 4: a disc each."""
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.uint16)
    for number, (row, column) in enumerate(PLACES, start=1):
        labels[np.hypot(rows - row, columns - column) <= radius] = number
    return labels


def picture(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 4, labels.shape)
    return np.clip(60 + 100 * (labels > 0) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Three sources: `cells` (PNG, splits), `stack` (TIFF, z ranges), `natural_photos` (masks, ignored band)."""
    labels = discs()
    for source, folder in (("cells", "labels"), ("stack", "labels"), ("natural_photos", "masks")):
        (tmp_path / source / "images").mkdir(parents=True)
        (tmp_path / source / folder).mkdir()
    for name in ("a", "b", "c"):
        v3.imwrite(tmp_path / "cells" / "images" / f"{name}.png", picture(labels))
        v3.imwrite(tmp_path / "cells" / "labels" / f"{name}.png", labels)
    (tmp_path / "cells" / "index.csv").write_text("name,split\na,train\nb,test\nc,test\n")
    stack = np.stack([labels] * 6)
    metadata = {"axes": "ZYX"}
    tifffile.imwrite(tmp_path / "stack" / "images" / "s.tif", picture(stack), metadata=metadata, compression="zlib")
    tifffile.imwrite(tmp_path / "stack" / "labels" / "s.tif", stack, metadata=metadata, compression="zlib")
    (tmp_path / "stack" / "index.csv").write_text('name,split\ns,"train: z 0-2, val: z 3-3, test: z 4-5"\n')
    one = labels == 1
    mask = np.where(one, 255, 0).astype(np.uint8)
    mask[0:3] = 128
    v3.imwrite(tmp_path / "natural_photos" / "images" / "p.png", np.stack([picture(one)] * 3, axis=-1))
    v3.imwrite(tmp_path / "natural_photos" / "masks" / "p.png", mask)
    (tmp_path / "natural_photos" / "index.csv").write_text("name,split\np,eval\n")
    return tmp_path
