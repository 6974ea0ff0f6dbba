"""FilesPanel: saving and opening labels, what is not saved yet, and a session that is offered back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QWidget

from napari_clickseg.gui.view.widgets import GAP, GREY, STATUS_COLOURS, ActionButton, column_in, plain_button, title

if TYPE_CHECKING:
    from napari_clickseg.gui.view.protocol import FilesState, PathKind, Requests, Thumbnail

LABEL_FILES = "TIFF (*.tif *.tiff);;OME-Zarr (*.zarr);;PNG, one plane (*.png);;NumPy (*.npy)"
DIALOGS: dict[PathKind, tuple[str, str, str]] = {
    "labels": ("Save the labels", "tif", LABEL_FILES),
    "click log": ("Export the click log", "json", "Click log (*.json)"),
    "open labels": ("Open labels", "", "Labels (*.tif *.tiff *.png *.npy *.zarr);;All files (*)"),
}
"""Title, suffix of names without one, file types."""
SAMPLES = (
    ("nuclei", "Nuclei, fluorescence", "Click on a nucleus, Enter keeps it."),
    ("phase", "Cells, phase contrast", "Left clicks add, right clicks remove."),
    ("timelapse", "Time-lapse to correct", "Labels of a network: G goes to what looks wrong."),
    ("zstack", "Stack of nuclei", "Draw on one plane, then follow it through the next ones."),
)
"""Name in `gui.samples`, caption, tip."""


class FilesPanel(QWidget):
    """The offer of an unfinished session while there is one, and a row of buttons."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.dialog: QFileDialog | None = None
        self.offer = OfferLine(requests)
        self.save = ActionButton("save_labels", requests.action.emit)
        self.open = plain_button("Open labels ..", "open_labels", "Show labels from a file and correct them.")
        self.open.clicked.connect(lambda: requests.offered.emit("open labels"))
        self.unsaved = QLabel("")
        self.unsaved.setStyleSheet(GREY)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.save, 3)
        row.addWidget(self.open, 2)
        column = column_in(self)
        column.addWidget(self.offer)
        column.addWidget(self.unsaved)
        column.addLayout(row)

    def show_files(self, state: FilesState) -> None:
        """Show how much is not saved yet, and what is offered."""
        changes = "1 change is" if state.unsaved == 1 else f"{state.unsaved:,} changes are"
        nothing = "no changes to save" if state.there else ""
        self.unsaved.setText(f"{changes} not saved yet" if state.unsaved else nothing)
        self.save.setEnabled(state.there and not state.busy)
        self.open.setEnabled(state.there)
        self.offer.show_offer(state.offer, state.picture)

    def ask_path(self, kind: PathKind, proposed: str) -> None:
        """Ask for a file's name; who answers with none leaves everything as it was."""
        heading, suffix, types = DIALOGS[kind]
        dialog = QFileDialog(self, heading, proposed, types)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if kind == "open labels":
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        else:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.setDefaultSuffix(suffix)
            dialog.filterSelected.connect(lambda types: dialog.setDefaultSuffix(_first_suffix(types)))
        dialog.fileSelected.connect(lambda path: self._requests.path_given.emit(kind, Path(path)))
        dialog.open()
        self.dialog = dialog


class SamplesPanel(QWidget):
    """What to try where there is no image yet."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        column = column_in(self)
        column.addWidget(title("Try a sample"))
        for name, text, tip in SAMPLES:
            button = plain_button(text, f"sample_{name}", tip)
            button.clicked.connect(lambda _=False, name=name: requests.sample_chosen.emit(name))
            column.addWidget(button)
        self.tour = plain_button("Show the first steps again", "tour", "Three hints on the canvas, for 20 seconds.")
        self.tour.clicked.connect(lambda: requests.offered.emit("first steps"))
        self.hint = QLabel("With the first image, three hints on the canvas show how it goes.")
        self.hint.setWordWrap(True)
        self.hint.setStyleSheet(GREY)
        column.addWidget(self.hint)
        column.addWidget(self.tour)
        column.addStretch(1)

    def show_tour(self, wanted: bool) -> None:
        """Say that hints will come, or offer them again."""
        self.hint.setVisible(wanted)
        self.tour.setVisible(not wanted)


class OfferLine(QWidget):
    """Offers an unfinished session back, until that is answered; hidden while there is nothing to offer."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.text = QLabel("")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setStyleSheet(
            f"border: none; border-left: 4px solid {STATUS_COLOURS['loading']}; padding: 2px 4px 2px 8px;"
        )
        self.buttons = {
            "restore": plain_button("Restore", "restore", "Do again what was done in that session."),
            "discard": plain_button("Discard", "discard", "Forget that session."),
        }
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _=False, name=name: requests.offered.emit(name))
            row.addWidget(button, 1)
        column = column_in(self)
        self.picture = QLabel()
        above = QHBoxLayout()
        above.setSpacing(GAP)
        above.addWidget(self.text, 1)
        above.addWidget(self.picture)
        column.addLayout(above)
        column.addLayout(row)
        self.show_offer("")

    def show_offer(self, text: str, picture: Thumbnail | None = None) -> None:
        """Offer what the text says, with the image of that session; nothing where the text is empty."""
        self.text.setText(text)
        self.setVisible(bool(text))
        self.picture.setVisible(picture is not None)
        if picture is not None:
            side = picture.side
            image = QImage(picture.pixels, side, side, side, QImage.Format.Format_Grayscale8)
            self.picture.setPixmap(QPixmap.fromImage(image.copy()))


def _first_suffix(types: str) -> str:
    """The "tif" of "TIFF (*.tif *.tiff)"."""
    return types.partition("*.")[2].split()[0].rstrip(")")
