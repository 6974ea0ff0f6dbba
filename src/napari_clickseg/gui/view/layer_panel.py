"""Panels: the parts that the user sees. They take values and emit requests; they know no layer, session or model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_clickseg.gui.view.protocol import Picks
from napari_clickseg.gui.view.widgets import Picker, caption, form_in

PICKERS = (
    ("image", "Image", "choose_image", "The image to segment."),
    ("channel", "Channel", "choose_channel", "Which channel the model looks at."),
    ("labels", "Objects", "choose_labels", "The Labels layer that objects are drawn into."),
    ("positive", "Include", "choose_positive", "The Points layer whose points say: this is the object (left click)."),
    (
        "negative",
        "Exclude",
        "choose_negative",
        "The Points layer whose points say: this is not the object (right click or Shift).",
    ),
)


class PickersPanel(QWidget):
    """Which layers take part."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.pickers: dict[str, Picker] = {}
        self._labels: dict[str, QLabel] = {}
        form = form_in(self)
        for name, text, request, tip in PICKERS:
            picker = Picker(tip)
            picker.setObjectName(name)
            picker.picked.connect(lambda value, request=request: self.requested.emit(request, value))
            label = caption(text)
            form.addRow(label, picker)
            self.pickers[name], self._labels[name] = picker, label

    def show_picks(self, picks: Picks) -> None:
        """Offer the layers that fit, and show which take part."""
        channels = [(channel.text if channel is not None else "none", channel) for channel in picks.channels]
        self._show("image", _named(picks.images), picks.image)
        self._show("channel", channels, picks.channel)
        self._show("labels", [*_named(picks.labels), ("new layer", None)], picks.label)
        self._show("positive", _named(picks.points), picks.positive)
        self._show("negative", _named(picks.points), picks.negative)
        self._show_row("channel", len(channels) > 1)
        for name in ("positive", "negative"):
            self._show_row(name, len(picks.points) > 2)

    def _show_row(self, name: str, there: bool) -> None:
        """Show a picker only where there is something to pick."""
        self.pickers[name].setVisible(there)
        self._labels[name].setVisible(there)

    def _show(self, name: str, choices: Sequence[tuple[str, Any]], chosen: Any) -> None:
        self.pickers[name].show_choices(choices, chosen)


def _named(layers: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(layer.name, layer) for layer in layers]
