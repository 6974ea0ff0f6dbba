"""Tour: three hints on the canvas for who opens the panel for the first time; once left, they are left for good."""

from __future__ import annotations

import contextlib
from pathlib import Path

from psygnal import Signal


class Tour:
    """Mutable: whether the hints are wanted. A file says for good that they are not.

    Parameters
    ----------
    marker : Path
        The file; where it cannot be written, the hints come again with the next panel.
    """

    changed = Signal()

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self.wanted = not marker.exists()

    def begin(self) -> None:
        """Show the hints again."""
        self.wanted = True
        self.changed.emit()

    def leave(self) -> None:
        """Show them no more, in later panels as well."""
        self.wanted = False
        with contextlib.suppress(OSError):
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            self._marker.write_text("The first steps were seen; delete this file to see them again.\n", "utf-8")
        self.changed.emit()
