"""A session of Cellpose (`_seg.npy`): its window opens it beside the image of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.write_labels import check_ids, id_range

if TYPE_CHECKING:
    from napari_clickseg.storage.exports.frames import Exported


def write(path: Path, exported: Exported) -> None:
    """Write the ids as they are, and the outlines that Cellpose draws.

    Raises
    ------
    ValueError
        Where an id does not fit 32 bits.
    """
    masks = np.asarray(exported.labels)
    check_ids(path, *id_range(masks))
    masks = masks.astype(np.uint16 if masks.max(initial=0) < 2**16 else np.uint32)
    reach = (1,) * (masks.ndim - 2) + (3, 3)
    rim = (ndimage.minimum_filter(masks, reach) != masks) | (ndimage.maximum_filter(masks, reach) != masks)
    session = {
        "masks": masks,
        "outlines": np.where(rim, masks, 0).astype(masks.dtype),
        "chan_choose": [0, 0],
        "ismanual": np.ones(len(np.unique(masks[masks > 0])), bool),
        "filename": exported.name,
        "flows": [],
        "est_diam": 0.0,
    }
    with written_whole(path) as part, part.open("wb") as file:
        np.save(file, np.array(session, dtype=object), allow_pickle=True)
