"""The tab of all cells: SuggestionsPanel finds and filters objects, LearningPanel has the model learn from the kept."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSlider, QWidget

from napari_clickseg.gui.actions import BY_NAME
from napari_clickseg.gui.view.protocol import LearningState, Requests, Suggesting
from napari_clickseg.gui.view.widgets import GAP, ActionButton, BusyBar, column_in, plain_button, row_of

STOP_TEXT = "Stop  Esc"
STEPS = 100
"""Of the slider, between the highest and the lowest score."""


class LearningPanel(QWidget):
    """A button that has the model learn, or stop; a bar meanwhile; then what came of it, and what to do with it."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.button = ActionButton("learn", requests.action.emit)
        self.busy = BusyBar()
        self.found = QLabel()
        self.found.setWordWrap(True)
        self.back = plain_button(
            "Back to the model before", "forget_learned", "The model that answered before learning."
        )
        self.back.clicked.connect(lambda: requests.learned_forgotten.emit())
        self.keep = plain_button(
            "Keep as a model", "keep_learned", "Make it one of your models, for other images, too."
        )
        self.keep.clicked.connect(lambda: requests.learned_kept.emit())
        self.choice = row_of(self.back, self.keep)
        column = column_in(self)
        column.setSpacing(GAP - 2)
        for part in (self.button, self.busy, self.found, self.choice):
            column.addWidget(part)
        self._caption = BY_NAME["learn"].caption
        self.show_learning(LearningState())

    def show_learning(self, state: LearningState) -> None:
        """Show whether the model can learn, is learning, and what came of it."""
        self.button.say("Stop learning" if state.busy else self._caption)
        self.button.setEnabled(state.can or state.busy)
        self.button.setToolTip(state.tip)
        self.busy.show_done(state.done)
        self.busy.setVisible(state.busy)
        self.found.setText(state.sentence)
        self.found.setVisible(bool(state.sentence))
        self.choice.setVisible(state.used)


class SuggestionsPanel(QWidget):
    """Buttons that look; a bar while that goes on; and, once something was found, a slider and what to do with it."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.button = ActionButton("suggest", self._on_clicked)
        self.in_box = ActionButton("suggest_in_box", requests.action.emit)
        self.all_frames = ActionButton("suggest_all_frames", requests.action.emit)
        self.busy = BusyBar()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setToolTip("Fewer suggestions, and surer ones, or more.")
        self.slider.valueChanged.connect(self._on_slider)
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.accept_all = ActionButton("accept_all", requests.action.emit)
        self.dismiss_all = plain_button("Dismiss all  Esc", "dismiss_all", "Show none of them any more.")
        self.dismiss_all.clicked.connect(lambda: requests.action.emit("cancel"))
        self.accept = ActionButton("accept_suggestion", requests.action.emit)
        self.dismiss = ActionButton("dismiss_suggestion", requests.action.emit)
        self.choice = QWidget()
        choices = column_in(self.choice)
        for part in (
            row_of(QLabel("fewer"), self.slider, QLabel("more")),
            self.count,
            row_of(self.accept_all, self.dismiss_all),
            row_of(self.accept, self.dismiss),
        ):
            choices.addWidget(part)
        column = column_in(self)
        column.setSpacing(GAP - 2)
        for part in (self.button, row_of(self.in_box, self.all_frames), self.busy, self.choice):
            column.addWidget(part)
        self._text = self.button.text()
        self._shown = Suggesting()
        self.show_suggesting(self._shown)

    def show_suggesting(self, state: Suggesting) -> None:
        """Show whether all objects can be found at once, are being looked for, and which suggestions there are."""
        self._shown = state
        self.button.setText(STOP_TEXT if state.busy else self._text)
        for button in (self.button, self.in_box, self.all_frames):
            button.setEnabled(state.can and not state.busy)
        self.button.setEnabled(state.can or state.busy)
        self.button.setToolTip(state.tip)
        self.all_frames.setVisible(state.frames)
        self.busy.show_done(state.done)
        self.busy.setVisible(state.busy)
        self.choice.setVisible(state.found > 0 or bool(state.note))
        self.count.setText(state.note or _counted(state))
        for button in (self.accept_all, self.accept, self.dismiss):
            button.setEnabled(state.shown > 0)
        self.slider.blockSignals(True)
        self.slider.setValue(round(STEPS * (1 - state.least)))
        self.slider.blockSignals(False)

    def show_armed(self, action: str) -> None:
        """Mark the tool that waits for the canvas."""
        for button in (self.in_box, self.accept, self.dismiss):
            button.show_armed(action == button.objectName())

    def _on_clicked(self, action: str) -> None:
        self._requests.action.emit("cancel" if self._shown.busy else action)

    def _on_slider(self, value: int) -> None:
        self._requests.least_set.emit(1 - value / STEPS)


def _counted(state: Suggesting) -> str:
    """How many suggestions are shown of those found, and how good the one under the pointer is."""
    text = f"{state.shown} of {state.found} shown"
    return text if state.quality is None else f"{text} · under the pointer: {state.quality:.2f}"
