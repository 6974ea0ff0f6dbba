"""Model panel: which model answers, and the button with which it finds all objects of a frame at once."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_clickseg.gui.view.protocol import Question
from napari_clickseg.gui.view.widgets import Picker, TrustQuestion, caption, column_in, form_in
from napari_clickseg.models.registry import ModelEntry

ADD_TEXT = "Add a model .."


class ModelPanel(QWidget):
    """Which model answers; the last row adds one, and a file that is not trusted yet is asked about."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.model = Picker("Who draws the objects.")
        self.model.picked.connect(self._on_picked)
        self.model.opening.connect(lambda: self.requested.emit("list_models", None))
        self._models: list[ModelEntry] = []
        self._name = ""
        self.state = QLabel("")
        self.state.setStyleSheet("color: rgba(160, 160, 160, 255);")
        self.question = TrustQuestion()
        self.question.trusted.connect(lambda: self.requested.emit("trust_model", None))
        self.question.hide()
        rows = QWidget()
        form = form_in(rows)
        form.addRow(caption("Model"), self.model)
        form.addRow(caption(""), self.state)
        column = column_in(self)
        column.addWidget(rows)
        column.addWidget(self.question)

    def show_models(self, models: Sequence[ModelEntry]) -> None:
        """Offer these models; the chosen one stays chosen."""
        self._models = list(models)
        self._show_choices()

    def show_model(self, name: str, state: str) -> None:
        """Show which model is chosen, and whether it is loading or where it computes."""
        self._name = name
        self._show_choices()
        self.state.setText(state)

    def show_question(self, question: Question | None) -> None:
        """Ask whether the chosen model's file is trusted; None where there is nothing to ask."""
        self.question.show_question(question)

    def _show_choices(self) -> None:
        choices = [(_title(entry), entry.name) for entry in self._models]
        self.model.show_choices([*choices, (ADD_TEXT, None)], self._name)
        self.model.set_apart(len(choices))
        chosen = next((entry for entry in self._models if entry.name == self._name), None)
        self.model.setToolTip(chosen.description if chosen is not None else "")

    def _on_picked(self, name: str | None) -> None:
        if name is not None:
            self.requested.emit("choose_model", name)
            return
        self._show_choices()
        self.requested.emit("add_model", None)


def _title(entry: ModelEntry) -> str:
    """A model with weights goes by its name, as titles may be alike."""
    named = entry.path is not None and entry.readable and entry.title != entry.name
    return f"{entry.name} ({entry.title})" if named else entry.title
