"""Local change: of an answer that corrects a given mask, only the pieces that clicks lie on are taken over.

A network that is shown a mask, or only its box, answers with a mask of its own, which may be worse everywhere but at
the click. Chen et al., "FocalClick" (2022), call taking over the clicked piece alone progressive merge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from napari_clickseg.core.masks import Prediction

REACH = 1
"""A click belongs to a piece of change this near to it, in pixels."""


def merged(answer: Prediction, prior: Prediction, points: Sequence[tuple[tuple[float, ...], bool]]) -> Prediction:
    """Return an answer that differs from the prior's mask only in the connected pieces that clicks lie on.

    Elsewhere the prior's logits stand, beyond the answer's region too.

    Parameters
    ----------
    points : sequence of (position within the frame, positive)
        A piece is taken over where a click on it wants the answer's label there.
    """
    region = answer.region.union(prior.region)
    before, after = prior.logits_on(region), prior.logits_on(region)
    after[answer.region.within(region).slices] = answer.logits
    pieces, _ = ndimage.label((after > 0) != (before > 0), np.ones((3,) * after.ndim))
    wanted = set()
    for point, positive in points:
        if region.contains(point):
            middle = [round(p) - a for p, a in zip(point, region.start, strict=True)]
            near = tuple(slice(max(m - REACH, 0), m + REACH + 1) for m in middle)
            wanted |= set(np.unique(pieces[near][(after[near] > 0) == positive]).tolist())
    changed = np.isin(pieces, list(wanted - {0}))
    agreed = pieces == 0
    return Prediction(
        region,
        np.where(changed | agreed, after, before).astype(np.float32),
        answer.note,
        answer.window,
        answer.quality,
    )
