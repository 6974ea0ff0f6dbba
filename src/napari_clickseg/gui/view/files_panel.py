"""SaveRow: the two buttons that write labels or a session to a file, and the dialog that asks for its name."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QWidget

from napari_clickseg.gui.view.widgets import GAP, STATUS_COLOURS, column_in, request_row

CHOICES = (
    ("restore", "Restore", "Do again what was done in that session."),
    ("discard", "Discard", "Forget that session."),
)


class OfferLine(QWidget):
    """Hidden while there is nothing to offer."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel("")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setStyleSheet(
            f"border: none; border-left: 4px solid {STATUS_COLOURS['loading']}; padding: 4px 4px 4px 8px;"
        )
        row, self.buttons = request_row(CHOICES, self.requested.emit)
        column = column_in(self)
        column.addWidget(self.text)
        column.addLayout(row)
        self.show_offer("")

    def show_offer(self, text: str) -> None:
        """Offer what the text says; nothing where it is empty."""
        self.text.setText(text)
        self.setVisible(bool(text))


BUTTONS = (
    ("save_labels", "Save labels ..", "Write all objects to a file: TIFF, OME-Zarr, PNG or .npy."),
    ("save_session", "Save session ..", "Write down what you did, step by step, to be done again elsewhere."),
)
DIALOGS = {
    "labels": (
        *("write_labels", "Save the labels", "tif"),
        "TIFF (*.tif *.tiff);;OME-Zarr (*.zarr);;PNG, one plane (*.png);;NumPy (*.npy)",
    ),
    "session": ("write_session", "Save the session", "json", "Session (*.json)"),
}
"""Request that the answer goes with, title, suffix of names without one, file types."""


class SaveRow(QWidget):
    """Emits `write_labels` or `write_session` with the Path that was chosen."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.dialog: QFileDialog | None = None
        row, self.buttons = request_row(BUTTONS, self.requested.emit)
        row.setContentsMargins(0, GAP - 6, 0, 0)
        self.setLayout(row)

    def ask_path(self, kind: str, proposed: str) -> None:
        """Ask for a file's name; whoever answers with none leaves everything as it was."""
        request, title, suffix, types = DIALOGS[kind]
        dialog = QFileDialog(self, title, proposed, types)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(suffix)
        dialog.fileSelected.connect(lambda path: self.requested.emit(request, Path(path)))
        dialog.filterSelected.connect(lambda types: dialog.setDefaultSuffix(_first_suffix(types)))
        dialog.open()
        self.dialog = dialog


def _first_suffix(types: str) -> str:
    """The "tif" of "TIFF (*.tif *.tiff)"."""
    return types.partition("*.")[2].split()[0].rstrip(")")
