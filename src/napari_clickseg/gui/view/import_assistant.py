"""ImportAssistant: adds a model in three steps. It shows values and emits requests; it knows no model."""

from __future__ import annotations

import json
from typing import Any

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_clickseg.gui.view.protocol import Choice, Importing, Requests, Step
from napari_clickseg.gui.view.spec_form import ConventionForm
from napari_clickseg.gui.view.widgets import (
    ACCENT_BUTTON,
    BUTTON_HEIGHT,
    GAP,
    GREY,
    BusyBar,
    StatusArea,
    TrustQuestion,
    caption,
    column_in,
    form_in,
)

STEPS: tuple[tuple[Step, str], ...] = (("file", "File"), ("trust", "Trust"), ("check", "Check"))
FILES = (
    "Models (*.pt *.pth *.ts *.torchscript *.jit *.pt2 *.onnx *.zip *.yaml *.yml *.safetensors *.ckpt *.bin);;"
    "All files (*)"
)
TAKEN = (
    "A segmentation network of yours: TorchScript, torch.export (.pt2), a state dict, ONNX, or a bioimage.io package "
    "(a zip or a folder). It is not changed; a copy goes to your models."
)


class FilePage(QWidget):
    """Which file, and of which class its weights are, where it does not say so itself."""

    chosen = Signal(object)
    """A `Choice`."""
    refused = Signal(str)
    """What was typed cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        words = QLabel(TAKEN)
        words.setWordWrap(True)
        self.path = _line("path", "path of a file or folder", "The file or folder of the model.")
        self.file, self.folder = _button("File ..", "choose_file"), _button("Folder ..", "choose_folder")
        self.file.clicked.connect(lambda: self._browse(QFileDialog.FileMode.ExistingFile))
        self.folder.clicked.connect(lambda: self._browse(QFileDialog.FileMode.Directory))
        self.class_path = _line("class_path", "package.module:Class or file.py:Class", "The network's class.")
        self.options = _line("options", '{"in_channels": 1}', "What the class is made with, as JSON.")
        self.class_fields = QWidget()
        rows = form_in(self.class_fields)
        rows.addRow(caption("Class"), self.class_path)
        rows.addRow(caption("Made with"), self.options)
        self.go_on = _button("Next", "examine", ACCENT_BUTTON)
        self.go_on.clicked.connect(self._on_next)
        self.path.textChanged.connect(self._on_typed)
        for line in (self.path, self.class_path, self.options):
            line.returnPressed.connect(self._on_next)
        browse = QHBoxLayout()
        browse.setSpacing(GAP)
        browse.addWidget(self.file)
        browse.addWidget(self.folder)
        column = column_in(self)
        column.addWidget(words)
        column.addWidget(self.path)
        column.addLayout(browse)
        column.addWidget(self.class_fields)
        column.addWidget(self.go_on)
        column.addStretch(1)
        self._on_typed("")

    def show_file(self, file: str, asks_class: bool, busy: bool) -> None:
        """Show which file is chosen, ask for its class if that is needed, and take nothing new while it is read."""
        if self.path.text() != file and not self.path.hasFocus():
            self.path.setText(file)
        self.class_fields.setVisible(asks_class)
        self.go_on.setEnabled(bool(self.path.text()) and not busy)

    def _browse(self, mode: Any) -> None:
        dialog = QFileDialog(self, "Choose a model", self.path.text(), FILES)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        dialog.fileSelected.connect(self.path.setText)
        dialog.open()

    def _on_typed(self, text: str) -> None:
        self.go_on.setEnabled(bool(text.strip()))

    def _on_next(self) -> None:
        if not self.go_on.isEnabled():
            return
        path = plain_path(self.path.text())
        if self.class_fields.isHidden():
            self.chosen.emit(Choice(path))
            return
        try:
            options = json.loads(self.options.text() or "{}")
        except ValueError as problem:
            self.refused.emit(f'What the class is made with is no JSON ({problem}); write it as in {{"depth": 4}}.')
            return
        self.chosen.emit(Choice(path, self.class_path.text().strip(), options))


class CheckPage(QWidget):
    """What was guessed, as a form, and the model's name."""

    def __init__(self) -> None:
        super().__init__()
        self.summary = QLabel("")
        self.summary.setWordWrap(True)
        self.summary.setStyleSheet(GREY)
        self.name = _line("model_name", "a name for the list of models", "What the model is called from now on.")
        self.form = ConventionForm()
        named = QWidget()
        rows = form_in(named)
        rows.addRow(caption("Name"), self.name)
        column = column_in(self)
        column.setContentsMargins(0, 0, GAP, 0)
        for part in (self.summary, named, self.form):
            column.addWidget(part)
        column.addStretch(1)
        self._proposed = ""

    def show_guess(self, importing: Importing) -> None:
        """Show what was guessed of a model, and propose a name once: from then on it is the user's."""
        self.summary.setText(importing.summary)
        if importing.step == "file":
            self._proposed = ""
        if importing.name != self._proposed:
            self._proposed = importing.name
            self.name.setText(importing.name)
        if importing.conventions is not None:
            self.form.show_conventions(importing.conventions, importing.reasons)


class ImportAssistant(QWidget):
    """The three steps below a line that says what happened; what can be done next stays in view at the bottom."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.title = QLabel("Add a model")
        self.title.setStyleSheet("font-size: 15pt; font-weight: 600;")
        self.steps = QLabel("")
        self.steps.setTextFormat(Qt.TextFormat.RichText)
        self.status = StatusArea()
        self.busy = BusyBar()
        self.file, self.trust, self.check = FilePage(), TrustQuestion(), CheckPage()
        self.pages = QStackedWidget()
        for page in (self.file, _at_top(self.trust), _scrolling(self.check)):
            self.pages.addWidget(page)
        self.back, self.leave = _button("Back", "back"), _button("Cancel", "leave_importing")
        self.keep = _button("Keep", "keep_model", ACCENT_BUTTON)
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(GAP)
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addWidget(self.steps, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        foot = QHBoxLayout()
        foot.setSpacing(GAP)
        for button, share in ((self.back, 2), (self.leave, 2), (self.keep, 3)):
            foot.addWidget(button, share)
        column.addLayout(head)
        column.addWidget(self.status)
        column.addWidget(self.busy)
        column.addWidget(self.pages, 1)
        column.addLayout(foot)
        self._join()

    def show_importing(self, importing: Importing) -> None:
        """Show a step and what is known in it."""
        number = [step for step, _ in STEPS].index(importing.step)
        self.steps.setText("  ›  ".join(_step(text, k - number) for k, (_, text) in enumerate(STEPS)))
        self.pages.setCurrentIndex(number)
        self.status.show_status(importing.news)
        self.busy.setVisible(importing.busy)
        self.file.show_file(importing.file, importing.asks_class, importing.busy)
        self.trust.show_question(importing.question)
        self.check.show_guess(importing)
        for part in (self.pages, self.back, self.leave):
            part.setEnabled(not importing.keeping)
        self.back.setVisible(importing.step != "file")
        self.keep.setVisible(importing.step == "check")
        self.keep.setEnabled(importing.can_keep)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """The first thing to type is a path."""
        super().showEvent(event)
        self.file.path.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Esc is Cancel."""
        if event.key() == Qt.Key.Key_Escape and self.leave.isEnabled():
            self._requests.import_left.emit()
        else:
            super().keyPressEvent(event)

    def _join(self) -> None:
        """Pass on what the parts ask for."""
        requests = self._requests
        self.file.chosen.connect(requests.file_chosen.emit)
        self.file.refused.connect(requests.import_refused.emit)
        self.trust.trusted.connect(requests.file_trusted.emit)
        self.check.form.edited.connect(requests.conventions_edited.emit)
        self.check.form.refused.connect(requests.import_refused.emit)
        self.back.clicked.connect(lambda: requests.import_back.emit())
        self.leave.clicked.connect(lambda: requests.import_left.emit())
        self.keep.clicked.connect(lambda: requests.import_kept.emit(self.check.name.text().strip()))


def plain_path(text: str) -> str:
    """Return the path in what was typed, pasted with quotes around it, or dropped as a file's address.

    Examples
    --------
    >>> plain_path(' "C:/nets/cells.pt" '), plain_path("file:///nets/my%20cells.pt")
    ('C:/nets/cells.pt', '/nets/my cells.pt')
    """
    bare = text.strip().strip("\"'")
    return str(QUrl(bare).toLocalFile()) if bare.startswith("file:") else bare


def _step(text: str, ahead: int) -> str:
    """A step's name: the current one stands out."""
    return f"<b>{text}</b>" if ahead == 0 else f"<span style='{GREY}'>{text}</span>"


def _line(name: str, placeholder: str, tip: str) -> QLineEdit:
    line = QLineEdit()
    line.setObjectName(name)
    line.setPlaceholderText(placeholder)
    line.setToolTip(tip)
    return line


def _button(text: str, name: str, style: str = "") -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setMinimumHeight(BUTTON_HEIGHT)
    button.setStyleSheet(style)
    return button


def _at_top(part: QWidget) -> QWidget:
    holder = QWidget()
    column = column_in(holder)
    column.addWidget(part)
    column.addStretch(1)
    return holder


def _scrolling(part: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidget(part)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
