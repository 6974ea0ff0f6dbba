"""Event log: every act of a session, appended to a file at once, so that a process that ends loses none of them.

Beside the acts it keeps what the labels were: all tiles of those that live in memory only, and of others the tiles that
are written, as they stood before. What somebody else wrote into the labels in the meantime is kept, too, before the
next act that draws there. `recovery` reads it again.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.storage.image_identity import Identity, thumbnail
from napari_clickseg.storage.journal_files import COPIED_BYTES, FORMAT, SUFFIX, delete, journals_folders, place_of
from napari_clickseg.storage.label_tiles import CHECKED_TILES, Tile, TileSums, tile_region, tiles_in, tiles_of
from napari_clickseg.storage.log_lines import LogWriter, reason
from napari_clickseg.storage.serialization import (
    IDLE,
    PAINT,
    Entry,
    Json,
    Settings,
    check_new,
    classes_to_json,
    pack_array,
)

if TYPE_CHECKING:
    from napari_clickseg.core.regions import Region
    from napari_clickseg.session.replay import Act
    from napari_clickseg.session.session import Session

SEARCHED_AT_ONCE = 1 << 24
"""Labels of up to so many pixels are looked through as a whole when another array takes their place."""
READING = ("resume", "reserve", "merge", "split", "delete", "fill", "relabel", "swap", "copy_from", "classify")
"""Acts of which the outcome depends on what is drawn elsewhere."""


class Journal:
    """Mutable owner of the journal of one session. Nothing here makes the session wait; `close` and `secure` do.

    Make one with `Journal.start`, and keep it: a journal that nobody holds ends.

    Attributes
    ----------
    problem : str
        What `failed` reported last, maybe before anybody listened; empty as long as all is well.
    note : str
        What `resumed` reported last.
    """

    failed = Signal(str)
    """The journal cannot be written, and why: once for each time that lasts, on the journal's own thread."""
    resumed = Signal(str)
    """The journal is written again, and where; on the journal's own thread."""

    def __init__(
        self,
        session: Session,
        path: Path,
        image_path: str | Path | None = None,
        elsewhere: tuple[Path, ...] = (),
        began: datetime | None = None,
    ) -> None:
        check_new(session)
        self.problem = self.note = ""
        self.began = began or datetime.now(UTC)
        self._session = session
        self._image_path = image_path
        self._labels = session.labels
        self._sums = TileSums()
        self._unsaved = 0
        self._stop = Stop()
        self._folder, self._reason = path.parent, ""
        self._lines = LogWriter(path, self._on_failed, self._on_resumed, elsewhere)
        head = self._head(image_path)
        self._lines.write(lambda: head)
        jobs = {"clickseg-identity": self._sample_image, "clickseg-labels": self._copy_labels}
        self._jobs = [threading.Thread(target=job, name=name, daemon=True) for name, job in jobs.items()]
        for thread in self._jobs:
            thread.start()
        session.acted.connect(self._on_acted)
        session.painting.connect(self._on_painting)
        session.overpainted.connect(self._on_overpainted)

    @classmethod
    def start(cls, session: Session, image_path: str | Path | None = None, folder: Path | None = None) -> Journal:
        """Write down what is done in a session from now on.

        Parameters
        ----------
        image_path : path, optional
            The image's file; its name is shown when the session is offered back.
        folder : Path, optional
            Where journals lie; the user's folder where absent, and one for temporary files where that cannot be
            written.

        Raises
        ------
        ValueError
            Where something was done in the session already.
        """
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        first, *others = journals_folders() if folder is None else (folder,)
        return cls(session, first / f"{name}{SUFFIX}", image_path, tuple(others))

    @property
    def path(self) -> Path:
        """The file; it lies elsewhere after its folder could not be written."""
        return self._lines.path

    @property
    def unsaved(self) -> int:
        """How many acts that draw were done since the labels were saved last; a click and its answer are one."""
        return self._unsaved

    def saved(self) -> None:
        """Take note that the labels were saved: what was done so far need not be offered back."""
        self._unsaved = 0
        self._lines.write(lambda: {"saved": True})

    def compare(self) -> None:
        """Note what somebody else wrote into the labels since the last act; any thread may call it."""
        self._look_for_changes(self._sums.known())

    def wait(self) -> None:
        """Wait until everything that was done so far is in the file, or could not be written."""
        self._join()
        self._lines.wait()

    def secure(self) -> None:
        """Wait until everything that was done so far is on the disk.

        Raises
        ------
        OSError
            Where some of it is not.
        """
        self._join()
        self._lines.sync()

    def close(self) -> None:
        """End the journal, when all is written; one that holds nothing unsaved is deleted."""
        self._session.acted.disconnect(self._on_acted)
        self._session.painting.disconnect(self._on_painting)
        self._session.overpainted.disconnect(self._on_overpainted)
        if not self._unsaved:
            self._stop.request()
        self._join()
        self._lines.close()
        if not self._unsaved:
            delete(self.path)

    # -- what is written -------------------------------------------------------------------------------------------

    def _head(self, image_path: str | Path | None) -> Json:
        """All that is known without reading a pixel."""
        session = self._session
        return {
            "journal": FORMAT,
            "started": self.began.isoformat(timespec="seconds"),
            "image": Identity.unread(session.image, image_path).to_json(),
            "labels_dtype": str(np.dtype(session.labels.dtype)),
            "labels_at": place_of(session.labels),
            "settings": Settings.of(session).to_json(),
            "highest": session.label - 1,
            "classes": classes_to_json(session.classes),
        }

    def _on_acted(self, act: Act) -> None:
        self._follow_labels()
        if act.name in READING:
            self._look_for_changes(self._sums.known()[:CHECKED_TILES])
        if act.name == PAINT:
            self._sums.take(tiles_of(act.arguments["region"]))
        self._sums.settle(self._labels)
        answered = act.name == "apply" and self._unsaved > 0  # the clicks that it answers were counted
        self._unsaved += act.name not in IDLE and not answered
        entry, now = Entry.of(self._session, act), round(time.time(), 3)
        self._lines.write(lambda: {**entry.to_json(), "at": now})

    def _on_painting(self, region: Region) -> None:
        """Keep tiles that are about to be written for the first time, or that somebody else wrote in the meantime."""
        self._follow_labels()
        tiles = list(tiles_of(region))
        for tile in tiles:
            block = self._sums.first(self._labels, tile)
            if block is not None:
                self._write_tile("before", tile, block)
        self._look_for_changes(tiles, ours=True)

    def _on_overpainted(self, region: Region, before: npt.NDArray[Any]) -> None:
        """Keep tiles in which somebody else drew before any act did, as they stood before."""
        self._follow_labels()
        for tile in tiles_of(region):
            block = self._sums.before(self._labels, tile, region, before)
            if block is not None:
                self._write_tile("before", tile, block)

    def _look_for_changes(self, tiles: Iterable[Tile], ours: bool = False) -> None:
        """Note tiles that somebody else wrote: what is there is painted again before the next act is done again."""
        for tile in tiles:
            block = self._sums.changed(self._labels, tile, ours)
            if block is not None:
                self._write_tile("found", tile, block)

    def _follow_labels(self) -> None:
        """Another array may have taken the place of the labels, with other ids in it or of another type."""
        labels = self._session.labels
        if labels is self._labels:
            return
        before, self._labels = self._labels, labels
        if labels.dtype != before.dtype:
            name = str(np.dtype(labels.dtype))
            self._lines.write(lambda: {"labels_dtype": name})
        if np.prod(labels.shape) <= SEARCHED_AT_ONCE:
            self._look_for_changes(self._sums.known())

    def _write_tile(self, name: str, tile: Tile, block: npt.NDArray[Any]) -> None:
        region = tile_region(tile, self._labels.shape)
        self._lines.write(lambda: {name: [list(region.start), list(region.stop)], "pixels": pack_array(block)})

    # -- what is read in the background ----------------------------------------------------------------------------

    def _sample_image(self) -> None:
        """On slow storage this takes its time; acts are written meanwhile."""
        try:
            self._stop.check()
            image = self._session.image
            sample = Identity.of(image).sample
            picture = pack_array(thumbnail(image))
        except Stopped:
            return
        except Exception as error:  # the worker's boundary: the session is offered by its image's name and shape alone
            self._lines.write(partial(dict, unsampled=reason(error)))
            return
        self._lines.write(lambda: {"sample": sample, "thumbnail": picture})

    def _copy_labels(self) -> None:
        labels = self._labels
        if type(labels) is not np.ndarray or labels.nbytes > COPIED_BYTES:
            self._lines.write(lambda: {"labels": "elsewhere"})
            return
        for front in np.ndindex(*labels.shape[:-2]):
            for tile in tiles_in(labels.shape, front):
                if self._stop.requested:
                    return
                block = self._sums.first(labels, tile, partial(self._write_ahead, tile))
                if block is not None and block.any():
                    self._lines.wait()  # so that acts need not wait behind many tiles
            self._lines.write(partial(dict, copied=list(front)))
        self._lines.write(lambda: {"labels": "copied"})

    def _write_ahead(self, tile: Tile, block: npt.NDArray[Any]) -> None:
        """Keep a tile that nobody is known to have written; a later line takes out what was painted meanwhile."""
        if block.any():
            self._write_tile("before", tile, block)

    def _join(self) -> None:
        for thread in self._jobs:
            thread.join()

    # -- when it cannot be written ---------------------------------------------------------------------------------

    def _on_failed(self, error: Exception) -> None:
        self._reason = reason(error)
        self.problem = (
            f"From here on a crash would lose your work: the journal cannot be written ({self._reason}). "
            "Save the labels."
        )
        self.failed.emit(self.problem)

    def _on_resumed(self) -> None:
        self.problem = ""
        if self.path.parent == self._folder:
            self.note = "The journal is written again: a crash would lose nothing."
        else:
            self.note = (
                f"The journal cannot be written in {self._folder} ({self._reason}); it goes on in {self.path.parent}, "
                "and a crash would lose nothing."
            )
        self.resumed.emit(self.note)
