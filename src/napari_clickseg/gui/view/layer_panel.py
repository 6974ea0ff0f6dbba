"""LayerPanel: which image, channel and Labels layer take part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel, QWidget

from napari_clickseg.gui.view.widgets import Picker, caption, form_in

if TYPE_CHECKING:
    from napari_clickseg.gui.view.protocol import Picks, Requests

PICKERS = (
    ("image", "Image", "The image to segment."),
    ("channel", "Channel", "Which channel the model looks at; 'frames' where the axis holds none."),
    ("labels", "Objects", "The Labels layer that objects are drawn into."),
)


class LayerPanel(QWidget):
    """A list for each; the one of channels only where there are any."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.pickers: dict[str, Picker] = {}
        self._captions: dict[str, QLabel] = {}
        form = form_in(self)
        for name, text, tip in PICKERS:
            picker = Picker(tip)
            picker.setObjectName(name)
            form.addRow(label := caption(text), picker)
            self.pickers[name], self._captions[name] = picker, label
        self.pickers["image"].picked.connect(requests.image_chosen.emit)
        self.pickers["channel"].picked.connect(requests.channel_chosen.emit)
        self.pickers["labels"].picked.connect(requests.labels_chosen.emit)

    def show_picks(self, picks: Picks) -> None:
        """Offer the layers that fit, and show which take part."""
        self.pickers["image"].show_options(picks.images, picks.image)
        self.pickers["channel"].show_options(picks.channels, picks.channel)
        self.pickers["labels"].show_options(picks.labels, picks.label)
        for part in (self.pickers["channel"], self._captions["channel"]):
            part.setVisible(len(picks.channels) > 1)
