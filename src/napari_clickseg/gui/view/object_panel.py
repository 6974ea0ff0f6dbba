"""Panels: the parts that the user sees. They take values and emit requests; they know no layer, session or model."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSlider, QToolButton, QWidget

from napari_clickseg.gui.view.protocol import Standing
from napari_clickseg.gui.view.widgets import (
    ACCENT_BUTTON,
    GAP,
    ActionButton,
    Picker,
    caption,
    column_in,
    form_in,
    side_by_side,
)

DIAMETERS = (2.0, 5000.0)
BUTTONS = (
    ("undo", "undo", 0, 0),
    ("redo", "redo", 0, 1),
    ("flip", "flip", 1, 0),
    ("take_up", "pick_object", 1, 1),
)
"""Action whose text and key are printed, request, row, column."""
PROTECTIONS = (
    ("background", "other objects", "New pixels go to background only; objects already there stay whole."),
    ("object", "all but the object itself", "An object taken up again can only lose pixels, never gain any."),
    ("anything", "nothing", "Whatever is there is drawn over."),
)


class ObjectPanel(QWidget):
    """The object being drawn, and what can be done with it; every button prints its key."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, ActionButton] = {}
        self.title = QLabel("No object")
        self.title.setStyleSheet("font-size: 15pt; font-weight: 600;")
        self.kept = QLabel("")
        self.kept.setStyleSheet("color: rgba(160, 160, 160, 255);")
        bar = QHBoxLayout()
        bar.addWidget(self.title)
        bar.addWidget(self.kept, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bar.addWidget(self._button("start_new", "start_new"))
        first = QHBoxLayout()
        first.setSpacing(GAP)
        first.addWidget(self._button("keep", "keep"), 3)
        first.addWidget(self._button("cancel", "cancel"), 2)
        grid = QGridLayout()
        grid.setSpacing(GAP)
        for action, request, row, column in BUTTONS:
            grid.addWidget(self._button(action, request), row, column)
            grid.setColumnStretch(column, 1)
        column = column_in(self)
        for part in (bar, first, grid):
            column.addLayout(part)
        self._accent()

    def show_standing(self, standing: Standing) -> None:
        """Show which object is being drawn and enable what makes sense."""
        there = standing.label is not None
        self.title.setText(f"Object {standing.label}" if there else "No object")
        self.kept.setText(f"{standing.kept} kept" if there else "")
        self.buttons["undo"].setEnabled(standing.can_undo)
        self.buttons["redo"].setEnabled(standing.can_redo)
        for name in ("keep", "cancel"):
            self.buttons[name].setEnabled(there and not standing.empty)
        for name in ("start_new", "flip", "take_up"):
            self.buttons[name].setEnabled(there)
        left = "exclude" if standing.flipped else "include"
        self.buttons["flip"].say(f"Left: {left}")

    def _button(self, action: str, request: str) -> ActionButton:
        button = ActionButton(action, self.requested.emit, request)
        self.buttons[action] = button
        return button

    def _accent(self) -> None:
        for name in ("keep", "cancel"):
            self.buttons[name].setMinimumHeight(40)
        self.buttons["start_new"].setMinimumWidth(76)
        self.buttons["keep"].setStyleSheet(ACCENT_BUTTON)


class ViewPanel(QWidget):
    """Where the object ends, and how large objects are."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(2, 98)
        self.threshold.setValue(50)
        self.threshold.setToolTip(
            "Pixels more probable than this belong to the object: left grows it, right shrinks it."
        )
        self._percent = QLabel("50 %")
        self._percent.setMinimumWidth(self._percent.fontMetrics().horizontalAdvance("100 %"))
        self._percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.threshold.valueChanged.connect(self._on_threshold_changed)
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(*DIAMETERS)
        self.diameter.setDecimals(0)
        self.diameter.setSuffix(" px")
        self.diameter.setKeyboardTracking(False)
        self.diameter.setSpecialValueText("measuring ..")
        self.diameter.setToolTip("The expected diameter of an object: how far around a click the model looks.")
        self.diameter.valueChanged.connect(lambda value: self.requested.emit("set_diameter", float(value)))
        self.automatic = QPushButton("auto")
        self.automatic.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.automatic.setToolTip("Take the diameter from the objects kept so far, or estimate it from the image.")
        self.automatic.clicked.connect(lambda: self.requested.emit("forget_diameter", None))
        form = form_in(self)
        form.addRow(caption("Threshold"), side_by_side(self.threshold, self._percent))
        form.addRow(caption("Diameter"), side_by_side(self.diameter, self.automatic))

    def show_threshold(self, threshold: float) -> None:
        """Show where the object being drawn ends; every object has its own threshold."""
        percent = round(100 * threshold)
        self._percent.setText(f"{percent} %")
        with QSignalBlocker(self.threshold):
            self.threshold.setValue(percent)

    def show_diameter(self, diameter: float | None, automatic: bool) -> None:
        """Show the expected diameter (None: not known yet) and whether it was set by hand."""
        with QSignalBlocker(self.diameter):
            self.diameter.setValue(DIAMETERS[0] if diameter is None else diameter)
        self.automatic.setEnabled(not automatic)

    def _on_threshold_changed(self, percent: int) -> None:
        self._percent.setText(f"{percent} %")
        self.requested.emit("set_threshold", percent / 100)


class AdvancedPanel(QWidget):
    """What is seldom changed, folded away."""

    requested = Signal(str, object)

    def __init__(self, device: str) -> None:
        super().__init__()
        self.fold = QToolButton()
        self.fold.setText("Advanced")
        self.fold.setCheckable(True)
        self.fold.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setStyleSheet("QToolButton { border: none; background: transparent; padding: 2px 0; }")
        self.fold.toggled.connect(self._on_fold_toggled)
        self.device = Picker("Where the model computes.")
        self.device.picked.connect(lambda name: self.requested.emit("choose_device", name))
        self.show_devices((device,) if device == "auto" else ("auto", device), device)
        self.protect = Picker("What new pixels may not be drawn over.")
        self.protect.picked.connect(lambda name: self.requested.emit("choose_protect", name))
        self.protect.show_choices([(text, name) for name, text, _ in PROTECTIONS], PROTECTIONS[0][0])
        for row, (_, _, tip) in enumerate(PROTECTIONS):
            self.protect.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(90)
        self.opacity.setToolTip("How strongly the contour of the object being drawn shows.")
        self.opacity.valueChanged.connect(lambda percent: self.requested.emit("set_opacity", percent / 100))
        self._body = QWidget()
        form = form_in(self._body)
        form.addRow(caption("Preview"), self.opacity)
        form.addRow(caption("Protect"), self.protect)
        form.addRow(caption("Device"), self.device)
        column = column_in(self)
        column.addWidget(self.fold)
        column.addWidget(self._body)
        self._on_fold_toggled(False)

    def show_devices(self, devices: Sequence[str], chosen: str | None = None) -> None:
        """Offer these devices; the chosen one stays chosen."""
        current = chosen or self.device.currentText()
        self.device.show_choices([(name, name) for name in devices], current)

    def _on_fold_toggled(self, unfolded: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)
        self._body.setVisible(unfolded)
