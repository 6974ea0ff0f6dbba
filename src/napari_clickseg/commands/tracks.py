"""--ctc: labels of a movie become a result folder of the Cell Tracking Challenge, beside the file of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_clickseg.commands.options import Option

CTC = Option.of("--ctc", type=Path, metavar="FOLDER", help="also write a movie as a Cell Tracking Challenge result")


def write_tracks(folder: Path, labels: Any, parents: Mapping[int, int]) -> None:
    """Write a movie's labels as a result folder, and tell how many tracks it has.

    An object that vanishes and comes back goes on as a track of its own, as the challenge wants it.

    Raises
    ------
    ValueError, OSError
        As `cell_tracking.write_result`.
    """
    from napari_clickseg.storage.cell_tracking import write_result

    tracks = write_result(folder, labels, parents, split_gaps=True)
    from_parents = sum(track.parent > 0 for track in tracks)
    print(f"written: {folder} ({len(tracks)} tracks, {from_parents} of them from a parent)")
