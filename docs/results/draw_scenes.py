"""Draw the picture of the synthetic scenes: planes of each, with the outlines of their labels on the lower half.

python draw_scenes.py scenes.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.segmentation import find_boundaries

from napari_clickseg.training.synthetic import SCENES, draw_scene

PLANES, SIDE = 4, 192
"""Planes of each scene, and their height and width; the picture shows them at half the size."""
ROW = 2
"""Scenes in a row."""
OUTLINE = (255, 80, 0)
LEVELS = 32
"""Brightness levels of the picture: keeps the file small."""


def main() -> None:
    """Write the picture to the path named first."""
    strips = [strip(name) for name in SCENES]
    rows = [np.concatenate(strips[k : k + ROW], axis=1) for k in range(0, len(strips), ROW)]
    sheet = np.concatenate(rows) // (256 // LEVELS) * (255 // (LEVELS - 1))
    Image.fromarray(sheet.astype(np.uint8)).save(Path(sys.argv[1]), optimize=True)


def strip(name: str) -> npt.NDArray[np.uint8]:
    """Planes of one scene side by side."""
    tiles = [tile(name, seed) for seed in range(PLANES)]
    return np.pad(np.concatenate(tiles, axis=1), ((0, 4), (0, 4), (0, 0)), constant_values=255)


def tile(name: str, seed: int) -> npt.NDArray[np.uint8]:
    """A plane at half its size."""
    scene = draw_scene(np.random.default_rng([seed, 11]), name, SIDE)
    image = scene.image if scene.image.ndim == 3 else np.repeat(scene.image[..., None], 3, axis=-1)
    half = image.reshape(SIDE // 2, 2, SIDE // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    outlines = find_boundaries(scene.labels[::2, ::2], mode="inner")
    outlines[: SIDE // 4] = False
    half[outlines] = OUTLINE
    return half


if __name__ == "__main__":
    main()
