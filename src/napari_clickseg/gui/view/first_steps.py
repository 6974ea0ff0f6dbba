"""FirstSteps: a small card on the canvas with three hints, of which the next one stands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from napari_clickseg.gui.view.widgets import ACCENT, plain_button

if TYPE_CHECKING:
    from napari_clickseg.gui.view.protocol import Requests

MARGIN, WIDEST = 12, 430
STYLE = (
    f"#first_steps {{ background: rgba(20, 24, 30, 225); border: 1px solid {ACCENT}; border-radius: 6px; }}"
    "#first_steps QLabel { color: #e8eef2; background: transparent; }"
)
DONE, NEXT, LATER = "✓", "▸", "  "


class FirstSteps(QFrame):
    """Lies in a corner of the canvas while there are hints. Mutable: which widget it lies on."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.setObjectName("first_steps")
        self.setStyleSheet(STYLE)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        heading = QLabel("<b>First steps</b>, 20 seconds")
        self.lines = [QLabel("") for _ in range(3)]
        for line in self.lines:
            line.setWordWrap(True)
        self.leave = plain_button("Got it", "hint_dismissed", "Show these hints no more.")
        self.leave.clicked.connect(lambda: requests.hint_dismissed.emit())
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(4)
        for part in (heading, *self.lines):
            column.addWidget(part)
        column.addWidget(self.leave, 0, Qt.AlignmentFlag.AlignRight)
        self.hide()

    def show_hints(self, hints: Sequence[str], current: int, canvas: QWidget | None) -> None:
        """Show these on a canvas, those before `current` as done; hide without any."""
        if not hints or canvas is None:
            self.hide()
            return
        for k, (line, hint) in enumerate(zip(self.lines, hints, strict=True)):
            mark = DONE if k < current else NEXT if k == current else LATER
            line.setText(f"<b>{mark} {hint}</b>" if k == current else f"{mark} {hint}")
        if self.parentWidget() is not canvas:
            self.leave_canvas()
            self.setParent(canvas)
            canvas.installEventFilter(self)
        self._fit(canvas)
        self.show()
        self.raise_()

    def eventFilter(self, canvas: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay within the canvas when its size changes."""
        if event.type() == QEvent.Type.Resize and canvas is self.parentWidget():
            self._fit(self.parentWidget())
        return bool(super().eventFilter(canvas, event))

    def _fit(self, canvas: QWidget) -> None:
        width = max(min(WIDEST, canvas.width() - 2 * MARGIN), 0)
        self.setGeometry(MARGIN, MARGIN, width, self.heightForWidth(width))

    def leave_canvas(self) -> None:
        """Lie on nothing any more."""
        self.hide()
        if self.parentWidget() is not None:
            self.parentWidget().removeEventFilter(self)
        self.setParent(None)
