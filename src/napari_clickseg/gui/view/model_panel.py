"""ModelPanel: what is seldom changed: which model answers and where, what is protected, axes, the click log."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QLabel, QSizePolicy, QSlider, QWidget

from napari_clickseg.gui.view.protocol import Axis, ModelState, Option, Picks, Requests
from napari_clickseg.gui.view.widgets import (
    GREY,
    ActionButton,
    Manners,
    Picker,
    TrustQuestion,
    caption,
    column_in,
    form_in,
    plain_button,
    side_by_side,
)

ADD = object()
ADD_TEXT = "Add a model .."
PROTECTIONS = (
    Option("other objects", "background", "New pixels go to background only; objects already there stay whole."),
    Option("all but the object itself", "object", "A corrected object can only lose pixels, never gain any."),
    Option("nothing", "anything", "Whatever is there is drawn over."),
)
MEANINGS = {"T": "time", "Z": "depth"}
SPACINGS = (1e-6, 1e6)


class ModelPanel(QWidget):
    """Which model answers; the last row adds one, and a file that is not trusted yet is asked about."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.model = Picker("Which model draws the objects.")
        self.model.picked.connect(self._on_picked)
        self.model.opening.connect(requests.models_opened.emit)
        self._state = ModelState()
        self.state = QLabel("")
        self.state.setStyleSheet(GREY)
        self.question = TrustQuestion()
        self.question.trusted.connect(requests.model_trusted.emit)
        self.question.hide()
        self.device = Picker("Where the model computes.")
        self.device.picked.connect(requests.device_chosen.emit)
        rows = QWidget()
        form = form_in(rows)
        form.addRow(caption("Model"), self.model)
        form.addRow(caption(""), self.state)
        form.addRow(caption("Device"), self.device)
        column = column_in(self)
        column.addWidget(rows)
        column.addWidget(self.question)

    def show_model(self, state: ModelState) -> None:
        """Show which model is chosen, and whether it is loading or where it computes."""
        self._state = state
        self._show_options()
        self.model.setToolTip(state.description)
        self.state.setText(state.state)
        self.question.show_question(state.question)
        self.device.show_options([Option(name, name) for name in state.devices], state.device)

    def _show_options(self) -> None:
        self.model.show_options((*self._state.options, Option(ADD_TEXT, ADD, heading=" ")), self._state.name)

    def _on_picked(self, value: object) -> None:
        if value is ADD:
            self._show_options()
            self._requests.import_begun.emit()
        elif value is not None:
            self._requests.model_chosen.emit(str(value))


class DrawingPanel(QWidget):
    """What new pixels may not be drawn over, how the object being drawn looks, points that become clicks."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.protect = Picker("What new pixels may not be drawn over.")
        self.protect.show_options(PROTECTIONS, "background")
        self.protect.picked.connect(requests.protect_chosen.emit)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(90)
        self.opacity.setToolTip("How strongly the outline of the object being drawn shows.")
        self.opacity.valueChanged.connect(lambda percent: requests.opacity_set.emit(percent / 100))
        self.points = Picker("A Points layer of yours; its points are copied, the layer stays as it is.")
        self.include = plain_button("include", "include_points", "Its points become clicks on the object.")
        self.exclude = plain_button("exclude", "exclude_points", "Its points become clicks beside the object.")
        for button, positive in ((self.include, True), (self.exclude, False)):
            button.clicked.connect(lambda _=False, positive=positive: self._take(requests, positive))
        self._points = side_by_side(self.points, self.include, self.exclude)
        self._caption = caption("Points")
        self.log = plain_button("Export click log ..", "export_log", "Write what you did, step by step, to a file.")
        self.log.clicked.connect(lambda: requests.offered.emit("export log"))
        form = form_in(self)
        form.addRow(caption("Protect"), self.protect)
        form.addRow(caption("Preview"), self.opacity)
        form.addRow(self._caption, self._points)
        form.addRow(caption("Alpha"), ActionButton("show_alpha", requests.action.emit))
        form.addRow(caption("Record"), self.log)

    def show_picks(self, picks: Picks) -> None:
        """Offer the Points layers whose points can be taken; nothing where there are none."""
        there = bool(picks.points)
        current = self.points.values[self.points.currentIndex()] if self.points.currentIndex() >= 0 else None
        known = [option.value for option in picks.points]
        self.points.show_options(picks.points, current if current in known else (known[0] if known else None))
        self._points.setVisible(there)
        self._caption.setVisible(there)

    def show_protection(self, protect: str) -> None:
        """Show what is protected."""
        self.protect.show_options(PROTECTIONS, protect)

    def _take(self, requests: Requests, positive: bool) -> None:
        if self.points.currentIndex() >= 0:
            requests.points_taken.emit(self.points.values[self.points.currentIndex()], positive)


class AxesPanel(QWidget):
    """What the axes of an image are and how large a pixel is along each; both can be changed."""

    def __init__(self, requests: Requests, manners: Manners) -> None:
        super().__init__()
        self._requests = requests
        self._manners = manners
        self.spacings: list[QDoubleSpinBox] = []
        self.names: list[Picker] = []
        self._axes: tuple[Axis, ...] = ()
        self._form: QFormLayout = form_in(self)

    def show_axes(self, axes: Sequence[Axis]) -> None:
        """Show other axes, if they are others; rows are made anew only where their number changes."""
        wanted = tuple(axes)
        if wanted == self._axes:
            return
        if [axis.leading for axis in wanted] != [axis.leading for axis in self._axes]:
            self._make_rows(wanted)
        self._axes = wanted
        for picker, axis in zip(self.names, [axis for axis in wanted if axis.leading], strict=True):
            picker.show_options(_meanings(axis.name), axis.name)
        for field, axis in zip(self.spacings, wanted, strict=True):
            with QSignalBlocker(field):
                field.setSuffix(f" {axis.unit}" if axis.unit else "")
                field.setValue(axis.spacing)

    def _make_rows(self, axes: Sequence[Axis]) -> None:
        while self._form.rowCount():
            self._form.removeRow(0)
        self.names, self.spacings = [], []
        for index, axis in enumerate(axes):
            field = self._spacing(index)
            self.spacings.append(field)
            if axis.leading:
                picker = self._name(index)
                self.names.append(picker)
                self._form.addRow(caption(f"Axis {index}"), side_by_side(picker, field))
            else:
                self._form.addRow(caption(axis.name.lower()), field)
        self._manners.mind(self)

    def _name(self, index: int) -> Picker:
        picker = Picker("What this axis is. Objects are tracked along either.")
        picker.picked.connect(lambda name: self._requests.axis_named.emit(index, name))
        return picker

    def _spacing(self, index: int) -> QDoubleSpinBox:
        field = QDoubleSpinBox()
        field.setRange(*SPACINGS)
        field.setDecimals(4)
        field.setKeyboardTracking(False)
        field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        field.setToolTip("The size of a pixel along this axis, or the time between frames.")
        field.valueChanged.connect(lambda value: self._requests.spacing_set.emit(index, float(value)))
        return field


def _meanings(name: str) -> list[Option]:
    known = [Option(f"{letter.lower()} ({word})", letter) for letter, word in MEANINGS.items()]
    return known if name in MEANINGS else [Option(name.lower(), name), *known]
