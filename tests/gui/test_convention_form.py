"""The form over a network's conventions: it holds every one of them, says why, and gives back what was typed."""

from __future__ import annotations

from dataclasses import fields

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel

from napari_clickseg.gui.controllers.model_import import proposed_name
from napari_clickseg.gui.view.protocol import Question
from napari_clickseg.gui.view.spec_form import ConventionForm
from napari_clickseg.gui.view.widgets import TrustQuestion
from napari_clickseg.models.io_spec import ACTIVATIONS, NORMALISATIONS, Conventions

ODD = Conventions(
    ndim=3,
    channels=2,
    use=(1, 0),
    normalise="range",
    low=-5.5,
    high=65535.0,
    per_channel=False,
    scale=0.25,
    output=1,
    activation="softmax",
    objects=(1, 3),
    boundary=2,
    divisible=16,
    smallest_side=64,
    tile=256,
    halo=16,
    threshold=0.375,
    split=True,
    smallest=20,
)


@pytest.fixture
def form(qtbot):
    made = ConventionForm()
    qtbot.addWidget(made)
    made.show()
    return made


def shown_texts(form):
    return [label.text() for label in form.findChildren(QLabel) if label.isVisible()]


def test_every_convention_has_a_field_and_comes_back_as_it_went_in(form):
    assert set(form.editors) == {field.name for field in fields(Conventions)}
    form.show_conventions(ODD, {})
    assert form.conventions() == ODD
    form.show_conventions(Conventions(), {})
    assert form.conventions() == Conventions()


@pytest.mark.parametrize(("field", "names"), [("normalise", NORMALISATIONS), ("activation", ACTIVATIONS)])
def test_every_choice_there_is_can_be_picked(form, field, names):
    form.show_conventions(Conventions(), {})
    assert set(form.editors[field].values) == set(names)


def test_showing_emits_nothing_and_editing_tells_the_whole(form, qtbot):
    told = []
    form.edited.connect(told.append)
    form.show_conventions(ODD, {})
    assert told == []
    form.editors["tile"].setValue(128)
    assert [conventions.tile for conventions in told] == [128]
    assert told[0].objects == (1, 3)


def test_a_reason_stands_below_its_field_until_the_field_is_changed(form):
    form.show_conventions(Conventions(), {"scale": "the file says 0.5 um"})
    assert "the file says 0.5 um" in shown_texts(form)
    form.editors["scale"].setValue(0.5)
    assert "the file says 0.5 um" not in shown_texts(form)


def test_the_numbers_of_a_normalisation_go_by_their_names_or_are_hidden(form):
    form.show_conventions(Conventions(), {})
    assert {"Low %", "High %"} <= set(shown_texts(form))
    form.show_conventions(Conventions(normalise="range", low=0, high=255), {})
    assert {"Black", "White"} <= set(shown_texts(form))
    form.show_conventions(Conventions(normalise="none"), {})
    assert not form.editors["low"].isVisible()


def test_what_contradicts_itself_is_refused_with_a_sentence(form):
    edited, refused = [], []
    form.edited.connect(edited.append)
    form.refused.connect(refused.append)
    form.show_conventions(Conventions(), {})
    line = form.editors["objects"]
    line.clear()
    QTest.keyClicks(line, "one, 2")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert "'one, 2' are no channels" in refused[0]
    line.clear()
    QTest.keyClicks(line, "2 0")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert edited[0].objects == (2, 0)


def test_the_wheel_scrolls_the_form_and_changes_no_field(form):
    form.show_conventions(Conventions(), {})
    for name in ("tile", "threshold", "normalise"):
        editor, before = form.editors[name], form.editors[name].value()
        turn = QWheelEvent(
            *(QPointF(5, 5), QPointF(editor.mapToGlobal(QPoint(5, 5))), QPoint(0, 0), QPoint(0, -120)),
            *(Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False),
        )
        QApplication.sendEvent(editor, turn)
        assert editor.value() == before
        assert not turn.isAccepted()


def test_a_question_about_another_file_is_not_ticked_already(qtbot):
    question = TrustQuestion()
    qtbot.addWidget(question)
    question.show_question(Question("one.pt", "a" * 64))
    question.tick.setChecked(True)
    question.show_question(Question("one.pt", "a" * 64))
    assert question.go_on.isEnabled()
    question.show_question(Question("one.pt", "b" * 64))
    assert not question.tick.isChecked()
    assert not question.go_on.isEnabled()


def test_a_file_name_is_shown_as_it_is(qtbot):
    question = TrustQuestion()
    qtbot.addWidget(question)
    question.show_question(Question("<b>net</b>.pt", "a" * 64))
    assert "&lt;b>net&lt;/b>.pt" in question.words.text()


@pytest.mark.parametrize(
    ("path", "name"), [("/data/my U-Net (v2).pt", "my-U-Net-v2"), ("folder/", "folder"), ("/x/Ω.onnx", "model")]
)
def test_the_name_proposed_is_one_that_a_model_may_have(path, name):
    assert proposed_name(path) == name
