"""The assistant "Add a model .." in a real napari window: seen before it is kept, gone without a trace."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_clickseg.gui.plugin_layers import role_of
from napari_clickseg.gui.view.model_panel import ADD_TEXT
from napari_clickseg.models.trust import Untrusted

pytestmark = pytest.mark.viewer
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def cells():
    image = np.zeros((64, 64), np.uint8)
    image[5:15, 5:15] = image[5:15, 40:50] = 100
    image[40:50, 20:30] = 40
    return image


class Hand:
    """Uses the assistant as a user does: with keys and the left mouse button."""

    def __init__(self, b):
        self.b = b

    @property
    def view(self):
        """The assistant, as it is once it was painted."""
        return self.b.panel.assistant

    @property
    def status(self):
        return self.view.status.text()

    @property
    def step(self):
        return ("file", "trust", "check")[self.view.pages.currentIndex()]

    @property
    def trial(self):
        """What the model's answer is shown as; None where it is not."""
        return next((layer for layer in self.b.viewer.layers if role_of(layer) == "trial"), None)

    def open(self):
        picker = self.b.panel.model.model
        picker.showPopup()
        popup = picker.view()
        self.b.until(popup.isVisible)
        row = popup.visualRect(picker.model().index(picker.findText(ADD_TEXT), 0)).center()
        QTest.mouseClick(popup.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, row)
        self.b.until(self.view.isVisible)

    def type(self, line, text):
        line.setFocus()
        line.selectAll()
        QTest.keyClicks(line, text)

    def press(self, button):
        self.b.until(button.isEnabled)
        self.b.qtbot.mouseClick(button, LEFT)

    def choose(self, path):
        self.type(self.view.file.path, path)
        self.press(self.view.file.go_on)

    def seen(self):
        self.b.until(self.view.keep.isEnabled)


@pytest.fixture
def adding(bench):
    """Return a function that opens a panel and its assistant."""

    def opened(image, **options):
        hand = Hand(bench(image, **options))
        hand.open()
        return hand

    return opened


def test_a_model_is_chosen_seen_named_kept_and_used(adding, cells, workshop):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    assert hand.status.startswith("2 objects")
    np.testing.assert_array_equal(hand.trial.data > 0, cells > 50)
    hand.type(hand.view.check.name, "mine")
    hand.press(hand.view.keep)
    hand.b.until(lambda: hand.b.panel.model.model.currentText() == "Mine")
    hand.b.ready()
    assert workshop.kept[0][0] == "mine"
    assert hand.trial is None
    assert not hand.view.isVisible()
    assert hand.b.session.predictor.name == "mine"
    assert hand.b.panel.suggestions.button.isEnabled()


def test_a_changed_guess_changes_the_answer_and_is_what_is_kept(adding, cells, workshop):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    threshold = hand.view.check.form.editors["threshold"]
    hand.type(threshold, "0.3")
    QTest.keyClick(threshold, Qt.Key.Key_Return)
    hand.b.until(lambda: hand.status.startswith("3 objects"))
    hand.press(hand.view.keep)
    hand.b.until(lambda: len(workshop.kept) == 1)
    assert workshop.kept[0][1].threshold == pytest.approx(0.3)


def test_the_newest_change_wins(adding, cells, workshop):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    workshop.gate.clear()
    threshold = hand.view.check.form.editors["threshold"]
    threshold.setValue(0.9)
    threshold.setValue(0.3)
    assert not hand.view.keep.isEnabled()
    workshop.gate.set()
    hand.seen()
    assert hand.status.startswith("3 objects")


def test_a_program_runs_only_after_its_file_is_trusted(adding, cells):
    hand = adding(cells)
    hand.choose("program")
    hand.b.until(lambda: hand.step == "trust")
    question = hand.view.trust
    assert not question.tick.isChecked()
    assert not question.go_on.isEnabled()
    assert "0123456789ab" in question.words.text()
    assert hand.trial is None
    QTest.keyClick(question.tick, Qt.Key.Key_Space)
    hand.press(question.go_on)
    hand.b.until(lambda: hand.step == "check")
    hand.seen()


def test_weights_alone_ask_for_their_class(adding, cells):
    hand = adding(cells)
    assert not hand.view.file.class_fields.isVisible()
    hand.choose("weights")
    hand.b.until(hand.view.file.class_fields.isVisible)
    assert "class" in hand.status
    hand.type(hand.view.file.options, "{depth: 4}")
    hand.press(hand.view.file.go_on)
    assert "no JSON" in hand.status
    hand.type(hand.view.file.options, '{"depth": 4}')
    hand.type(hand.view.file.class_path, "package:Class")
    hand.press(hand.view.file.go_on)
    hand.b.until(lambda: hand.step == "check")


def test_what_cannot_be_opened_is_told_in_one_sentence(adding, cells):
    hand = adding(cells)
    hand.choose("nowhere")
    hand.b.until(lambda: "There is no file nowhere" in hand.status)
    assert hand.step == "file"
    hand.choose("plain")
    hand.b.until(lambda: hand.step == "check")


def test_what_the_network_refuses_is_told_and_cannot_be_kept(adding, cells):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    hand.view.check.form.editors["channels"].setValue(2)
    hand.b.until(lambda: "takes 1 channel" in hand.status)
    assert not hand.view.keep.isEnabled()
    assert hand.trial is None
    hand.view.check.form.editors["channels"].setValue(1)
    hand.seen()


def test_a_network_of_volumes_on_a_plane_is_told_by_its_axes(adding, cells):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    sees = hand.view.check.form.editors["ndim"]
    sees.setCurrentIndex(sees.values.index(3))
    sees.edited.emit()
    hand.b.until(lambda: "the image has the axes YX, but the network sees 3 spatial ones" in hand.status)
    assert not hand.view.keep.isEnabled()


def test_fields_that_contradict_each_other_are_told(adding, cells):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    hand.view.check.form.editors["halo"].setValue(300)
    assert "halo=300" in hand.status
    assert not hand.view.keep.isEnabled()


def test_a_name_that_is_taken_is_told_and_another_one_is_kept(adding, cells, workshop):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    hand.type(hand.view.check.name, "disks")
    hand.press(hand.view.keep)
    hand.b.until(lambda: "already" in hand.status)
    hand.type(hand.view.check.name, "mine")
    hand.press(hand.view.keep)
    hand.b.until(lambda: len(workshop.kept) == 1)


@pytest.mark.parametrize("how", ["button", "key"])
def test_cancel_leaves_everything_as_it_was(adding, cells, workshop, how):
    hand = adding(cells)
    layers = list(hand.b.viewer.layers)
    active = hand.b.viewer.layers.selection.active
    hand.choose("plain")
    hand.seen()
    assert hand.b.viewer.layers.selection.active is active
    assert not hand.b.labels.visible
    if how == "button":
        hand.press(hand.view.leave)
    else:
        QTest.keyClick(hand.view.check.name, Qt.Key.Key_Escape)
    assert not hand.view.isVisible()
    assert list(hand.b.viewer.layers) == layers
    assert hand.b.labels.visible
    assert workshop.kept == []
    assert hand.b.panel.model.model.currentText() == "Disks"


def test_clicks_go_on_while_a_model_is_looked_at(adding, cells):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    hand.b.click(30, 50)
    assert hand.b.labels.data[30, 50] == 1
    assert hand.trial is not None


def test_the_answer_follows_the_slider_and_the_image(adding, cells):
    movie = np.stack([cells, *[np.zeros_like(cells)] * 5])  # of few planes, an axis without a name is one of channels
    hand = adding(movie)
    hand.b.viewer.dims.set_current_step(0, 0)
    hand.choose("plain")
    hand.seen()
    assert hand.status.startswith("2 objects")
    hand.b.viewer.dims.set_current_step(0, 1)
    hand.b.until(lambda: hand.status.startswith("No objects"))
    other = hand.b.viewer.add_image(cells, name="plane")
    hand.b.panel.requests.image_chosen.emit(other)
    hand.b.until(lambda: hand.status.startswith("2 objects"))
    assert hand.trial.data.shape == (64, 64)


def test_without_an_image_there_is_no_answer_and_nothing_to_keep(adding, cells):
    hand = adding(None)
    hand.choose("plain")
    hand.b.until(lambda: "Open an image" in hand.status)
    assert not hand.view.keep.isEnabled()
    hand.b.viewer.add_image(cells)
    hand.seen()


@pytest.mark.parametrize("upheaval", ["image", "trial", "panel"])
def test_layers_removed_and_a_panel_closed_while_the_model_answers_are_no_harm(adding, cells, workshop, upheaval):
    hand = adding(cells, name="image")
    hand.choose("plain")
    hand.seen()
    workshop.gate.clear()
    threshold = hand.view.check.form.editors["threshold"]
    threshold.setValue(0.3)
    if upheaval == "image":
        hand.b.viewer.layers.remove("image")
        workshop.gate.set()
        hand.b.until(lambda: "Open an image" in hand.status)
        assert hand.trial is None
    elif upheaval == "trial":
        hand.b.viewer.layers.remove(hand.trial)
        workshop.gate.set()
        hand.seen()
        assert hand.trial is not None
    else:
        hand.b.viewer.window.remove_dock_widget(hand.b.widget)
        workshop.gate.set()
        assert hand.trial is None
        hand.b.viewer.window.add_dock_widget(hand.b.widget, name="again")
        hand.b.ready()
        assert not hand.view.isVisible()
    assert all(layer.visible for layer in hand.b.viewer.layers if role_of(layer) == "labels") == (hand.trial is None)


def test_the_answer_of_a_new_model_is_no_layer_to_draw_into(adding, cells):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    offered = hand.b.panel.layers.pickers["labels"].values
    assert hand.trial not in offered
    assert not hand.trial.editable


def test_a_model_from_elsewhere_asks_for_trust_when_it_is_chosen(bench, plane, models, monkeypatch):
    said = []
    monkeypatch.setattr("napari_clickseg.gui.controllers.models.remember", said.append)
    finder, models["finder"] = models["finder"], Untrusted("finder", "0123456789abcdef")
    b = bench(plane)
    b.panel.requests.model_chosen.emit("finder")
    question = b.panel.model.question
    b.until(question.isVisible)
    assert "can run code" in b.status
    models["finder"] = finder
    QTest.keyClick(question.tick, Qt.Key.Key_Space)
    b.qtbot.mouseClick(question.go_on, LEFT)
    b.ready()
    assert said == ["0123456789abcdef"]
    assert not question.isVisible()
    assert b.session.predictor is finder


def test_models_that_come_while_the_panel_is_open_are_listed(bench, plane, models):
    b = bench(plane)
    models["new"] = models["large"]
    picker = b.panel.model.model
    picker.showPopup()
    b.until(lambda: "New" in [b.panel.model.model.itemText(k) for k in range(picker.count())])
    picker.hidePopup()
    assert picker.currentText() == "Disks"


BRIGHT = """
from torch import nn

class Bright(nn.Module):
    def __init__(self, width=1):
        super().__init__()
        self.only = nn.Conv2d(width, 1, 1)

    def forward(self, image):
        return self.only(image)
"""


def test_weights_of_an_own_class_go_all_the_way_to_objects_and_clicks(adding, cells, tmp_path, monkeypatch):
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path / "models"))
    (tmp_path / "bright.py").write_text(BRIGHT, "utf-8")
    weights = {"only.weight": torch.full((1, 1, 1, 1), 8.0), "only.bias": torch.full((1,), -4.0)}
    torch.save(weights, tmp_path / "bright.pt")
    hand = adding(cells, real=True)
    hand.choose(str(tmp_path / "bright.pt"))
    hand.b.until(hand.view.file.class_fields.isVisible)
    hand.type(hand.view.file.class_path, f"{tmp_path / 'bright.py'}:Bright")
    hand.press(hand.view.file.go_on)
    hand.b.until(lambda: hand.step == "trust")
    QTest.keyClick(hand.view.trust.tick, Qt.Key.Key_Space)
    hand.press(hand.view.trust.go_on)
    hand.b.until(lambda: hand.step == "check")
    hand.seen()
    assert hand.status.startswith("2 objects")
    hand.press(hand.view.keep)
    hand.b.until(lambda: not hand.view.isVisible())
    hand.b.ready()
    assert (tmp_path / "models" / "bright.safetensors").is_file()
    hand.press(hand.b.panel.suggestions.button)
    hand.b.until(lambda: "2 suggestions" in hand.b.status)
    hand.b.press("accept_all")
    np.testing.assert_array_equal(hand.b.labels.data > 0, cells > 50)
    hand.b.click(45, 25)
    assert hand.b.labels.data[45, 25] == 3


@pytest.mark.parametrize(("axes", "shape"), [("tcyx", (3, 2, 64, 64)), ("cyx", (2, 64, 64)), ("zyx", (3, 64, 64))])
def test_the_answer_lies_on_its_frame_in_every_kind_of_image(adding, cells, axes, shape):
    image = np.zeros(shape, np.uint8)
    image[..., :, :] = cells
    scale = (2.0,) * (len(shape) - 2) + (0.5, 0.5)
    hand = adding(image, axis_labels=tuple(axes), scale=scale)
    hand.b.viewer.dims.set_current_step(0, shape[0] - 1)
    hand.choose("plain")
    hand.seen()
    assert hand.status.startswith("2 objects")
    objects, trial = hand.b.labels, hand.trial
    inside = (*(0,) * (trial.ndim - 2), 10, 10)
    assert trial.data[inside] > 0
    frame = (shape[0] - 1, *inside[1:]) if axes[0] != "c" else inside
    np.testing.assert_allclose(trial.data_to_world(inside), objects.data_to_world(frame))


def test_a_viewer_that_is_closed_while_the_model_answers_is_no_harm(adding, cells, workshop):
    hand = adding(cells)
    hand.choose("plain")
    hand.seen()
    workshop.gate.clear()
    hand.view.check.form.editors["threshold"].setValue(0.3)
    hand.b.viewer.close()
    workshop.gate.set()
    assert workshop.kept == []


def test_another_model_starts_with_its_own_name_and_no_class_of_the_last_one(adding, cells, workshop):
    hand = adding(cells)
    hand.choose("weights")
    hand.b.until(hand.view.file.class_fields.isVisible)
    hand.type(hand.view.file.class_path, "package:Class")
    hand.press(hand.view.file.go_on)
    hand.b.until(lambda: hand.step == "check")
    hand.seen()
    hand.type(hand.view.check.name, "first")
    hand.press(hand.view.keep)
    hand.b.until(lambda: not hand.view.isVisible())
    hand.open()
    assert hand.view.file.path.text() == ""
    assert not hand.view.file.class_fields.isVisible()
    hand.choose("weights")
    hand.b.until(hand.view.file.class_fields.isVisible)
    hand.press(hand.view.file.go_on)
    hand.b.until(lambda: hand.step == "check")
    assert hand.view.check.name.text() == "weights"


def test_dragged_and_quoted_paths_are_read_as_paths(adding, cells):
    hand = adding(cells)
    hand.choose('"plain"')
    hand.seen()
