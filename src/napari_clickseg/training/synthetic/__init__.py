"""Synthetic scenes: planes drawn as microscopes show cells, with labels that are exact.

They widen what a network has seen beyond the annotated sources. Each scene has a module; what they share is in `shapes`
(outlines, tubes, tilings), `colonies` (rods that grow and divide), `textures` and `optics`. A scene is a function of a
random generator and a side length, so that a seed fixes the plane. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_clickseg.training.synthetic.bacteria import draw_bacteria
from napari_clickseg.training.synthetic.blood import draw_blood
from napari_clickseg.training.synthetic.collage import Cutout, draw_collage, draw_shapes
from napari_clickseg.training.synthetic.dic import draw_dic
from napari_clickseg.training.synthetic.electron import draw_electron
from napari_clickseg.training.synthetic.fluorescence import draw_fluorescence
from napari_clickseg.training.synthetic.histology import draw_histology
from napari_clickseg.training.synthetic.membranes import draw_membranes
from napari_clickseg.training.synthetic.organoids import draw_organoids, draw_worms
from napari_clickseg.training.synthetic.phase_contrast import draw_phase_contrast
from napari_clickseg.training.synthetic.scene import Plane, Scene
from napari_clickseg.training.synthetic.yeast import draw_yeast

__all__ = ["SCENES", "SIDE", "Cutout", "Drawing", "Scene", "draw_plane", "draw_scene"]

SIDE = 256
COLLAGES = 0.15
"""Share of the planes of `draw_plane` that hold real objects, where it is given any."""
REAL_TEXTURES = 0.08
"""Share of its planes that hold plain shapes with real texture."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a scene is drawn, and how often relative to the others."""

    draw: Callable[[np.random.Generator, int], Scene]
    weight: float


SCENES: Mapping[str, Drawing] = {
    "bacteria": Drawing(draw_bacteria, 0.24),
    "phase_contrast": Drawing(draw_phase_contrast, 0.15),
    "electron": Drawing(draw_electron, 0.15),
    "yeast": Drawing(draw_yeast, 0.09),
    "dic": Drawing(draw_dic, 0.06),
    "histology": Drawing(draw_histology, 0.07),
    "membranes": Drawing(draw_membranes, 0.07),
    "fluorescence": Drawing(draw_fluorescence, 0.06),
    "blood": Drawing(draw_blood, 0.04),
    "organoids": Drawing(draw_organoids, 0.02),
    "worms": Drawing(draw_worms, 0.02),
    "shapes": Drawing(draw_shapes, 0.03),
}


def draw_scene(rng: np.random.Generator, name: str | None = None, side: int = SIDE) -> Scene:
    """Draw one plane.

    Parameters
    ----------
    name : str, optional
        A scene of SCENES; by default one is drawn by its weight.
    side : int
        Height and width in pixels, at least 64.

    Returns
    -------
    Scene
        Image of 8 bits, grey or in colours, and labels; very rarely without any object.

    Raises
    ------
    ValueError
        For a name that is no scene, or a side below 64.
    """
    if side < 64:
        raise ValueError(f"A scene is at least 64 pixels wide, not {side}.")
    if name is None:
        weights = np.array([drawing.weight for drawing in SCENES.values()])
        name = list(SCENES)[rng.choice(len(weights), p=weights / weights.sum())]
    if name not in SCENES:
        raise ValueError(f"There is no scene {name!r}; choose from {', '.join(SCENES)}.")
    return SCENES[name].draw(rng, side)


def draw_plane(
    rng: np.random.Generator, textures: Sequence[Plane] = (), cutouts: Sequence[Cutout] = (), side: int = SIDE
) -> Scene:
    """Draw a scene, or at times a collage or plain shapes that borrow from real images.

    Parameters
    ----------
    textures : sequence of ndarray
        Real images (y, x, 3) in 0..1 from which texture is taken.
    cutouts : sequence of Cutout
        Real objects.
    """
    kind = rng.random()
    if cutouts and kind < COLLAGES:
        return draw_collage(rng, side, textures, cutouts)
    if textures and kind > 1 - REAL_TEXTURES:
        return draw_shapes(rng, side, textures)
    return draw_scene(rng, side=side)
