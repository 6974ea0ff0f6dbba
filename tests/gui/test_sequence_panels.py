"""The parts of the panel that show frames, corrections and what to review: values in, requests out."""

from __future__ import annotations

import itertools

import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QColor, QKeyEvent

from napari_clickseg.gui.actions import ACTIONS
from napari_clickseg.gui.view.corrections_panel import CorrectionsPanel
from napari_clickseg.gui.view.files_panel import OfferLine
from napari_clickseg.gui.view.frames_panel import HEIGHT, LOOKS, AxesPanel, FramesPanel, FrameStrip
from napari_clickseg.gui.view.protocol import Axis, Carry, Finding, Strip
from napari_clickseg.gui.view.review_panel import FindingsPanel
from napari_clickseg.gui.view.widgets import Fold, key_text

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def heard():
    """Requests that a part made, newest last."""
    return []


@pytest.fixture
def shown(qtbot, heard):
    """Return a function that shows a part and listens to it."""

    def show(part, width=320):
        qtbot.addWidget(part)
        part.requested.connect(lambda name, value: heard.append((name, value)))
        part.resize(width, part.sizeHint().height())
        part.show()
        return part

    return show


def lightness(colour):
    return QColor(colour).lightnessF()


def test_states_differ_in_height_and_in_lightness():
    heights = [look.height for look in LOOKS.values()]
    assert len(set(heights)) == len(heights)
    light = sorted(lightness(look.colour) for look in LOOKS.values())
    assert min(b - a for a, b in itertools.pairwise(light)) > 0.02


def test_the_strip_draws_each_frame_in_the_colour_of_its_state(qtbot):
    strip = FrameStrip()
    qtbot.addWidget(strip)
    states = ("empty", "drawn", "carried", "doubtful", "confirmed")
    strip.show_strip(Strip("T", states, 0))
    strip.resize(100, strip.sizeHint().height())
    image = strip.grab().toImage()
    for k, state in enumerate(states):
        assert image.pixelColor(20 * k + 3, HEIGHT - 2) == QColor(LOOKS[state].colour)


def test_of_several_frames_in_a_pixel_the_most_urgent_is_seen(qtbot):
    strip = FrameStrip()
    qtbot.addWidget(strip)
    states = ["drawn"] * 1000
    states[503] = "doubtful"
    strip.show_strip(Strip("T", tuple(states), 0))
    strip.resize(100, strip.sizeHint().height())
    assert strip.grab().toImage().pixelColor(50, HEIGHT - 2) == QColor(LOOKS["doubtful"].colour)


def test_a_press_on_the_strip_goes_to_that_frame_and_a_drag_follows(qtbot):
    strip = FrameStrip()
    qtbot.addWidget(strip)
    strip.show_strip(Strip("T", ("empty",) * 10, 0))
    strip.resize(200, strip.sizeHint().height())
    strip.show()
    picked = []
    strip.picked.connect(picked.append)
    qtbot.mousePress(strip, LEFT, pos=QPoint(70, 5))
    qtbot.mouseMove(strip, QPoint(190, 5))
    assert picked[0] == 3
    assert strip.frame_at(1e6) == 9
    assert strip.frame_at(-4) == 0


def test_the_tooltip_says_why_a_frame_is_doubtful():
    words = FrameStrip.words
    strip = type("S", (), {"_strip": Strip("T", ("drawn", "doubtful"), 0, {1: "object 3: area halves"})})()
    assert words(strip, 1) == "t 1: doubtful. object 3: area halves"
    assert words(strip, 0) == "t 0: drawn"


def test_the_frames_panel_is_there_only_where_there_are_frames(shown):
    panel = shown(FramesPanel())
    panel.show_strip(Strip("Z", ("confirmed", "doubtful", "empty"), 1))
    assert panel.isVisible()
    assert panel.title.text() == "Plane 1, last 2"
    assert panel.counts.text() == "1 confirmed, 1 doubtful"
    assert not panel.along.isVisible()
    panel.show_strip(Strip("Z", ("drawn", "empty"), 1, axes="TZ"))
    assert panel.along.currentText() == "along z"
    panel.show_strip(Strip("Z", ("drawn", "empty"), 1, axes="TZ", named=False))
    assert panel.title.text() == "Frame 1, last 1"
    assert panel.along.width() > panel.along.fontMetrics().horizontalAdvance("along z")
    panel.show_strip(None)
    assert not panel.isVisible()


def test_buttons_print_the_keys_of_the_table_and_ask_for_their_action(shown, heard, qtbot):
    panels = (shown(FramesPanel()), shown(FindingsPanel()), shown(CorrectionsPanel()))
    panels[0].show_strip(Strip("T", ("drawn", "empty"), 0))
    panels[0].show_carry(Carry(resume=1))
    panels[1].show_findings([Finding((0,), 1, "odd")], None)
    printed = {}
    for panel in panels:
        for name, button in panel.buttons.items():
            printed[name] = button.text()
            qtbot.mouseClick(button, LEFT)
    assert all(text.endswith(key_text(name)) for name, text in printed.items())
    assert printed["carry_forward"] == "Forward   Shift+→"
    assert heard[:2] == [("carry_back", None), ("carry_forward", None)]
    assert ("pick_split", None) in heard


def test_no_key_stands_for_two_actions():
    keys = [action.key for action in ACTIONS]
    assert len(set(keys)) == len(keys)


def test_while_objects_are_carried_progress_shows_and_can_be_ended(shown, heard, qtbot):
    panel = shown(FramesPanel())
    panel.show_strip(Strip("T", ("drawn", "empty"), 0))
    panel.show_carry(Carry(running=True, done=2, total=5))
    assert not panel.buttons["carry_forward"].isEnabled()
    assert not panel.buttons["carry_on"].isEnabled()
    qtbot.mouseClick(panel.findChild(object, "stop_carrying"), LEFT)
    assert heard == [("stop_carrying", None)]
    panel.show_carry(Carry(resume=4))
    assert panel.buttons["carry_forward"].isEnabled()
    assert panel.buttons["carry_on"].text().startswith("Go on from 4")
    panel.show_carry(Carry(resume=4, again=True))
    assert panel.buttons["carry_on"].text().startswith("Again from 4")


def test_whose_and_how_far_are_asked_for(shown, heard):
    panel = shown(FramesPanel())
    panel.reach.setValue(7)
    panel.whose.setCurrentIndex(1)
    panel.whose.activated.emit(1)
    assert heard == [("choose_reach", 7), ("choose_whose", False)]


def test_axes_are_shown_and_changed(shown, heard):
    panel = shown(AxesPanel())
    panel.show_axes([Axis("T", 1.0, "pixel", leading=True), Axis("Y", 0.65, "µm"), Axis("X", 0.65, "µm")])
    assert [field.value() for field in panel.spacings] == [1.0, 0.65, 0.65]
    assert panel.names[0].currentText() == "t (time)"
    assert heard == []
    panel.spacings[0].setValue(2.5)
    panel.names[0].activated.emit(1)
    assert heard == [("set_spacing", (0, 2.5)), ("name_axis", (0, "Z"))]


def test_a_new_id_is_typed_and_enter_gives_it(shown, heard, qtbot):
    panel = shown(CorrectionsPanel())
    panel.ask_id(12)
    assert panel.id_field.isVisible()
    qtbot.keyClicks(panel.id_field, "x-0")
    qtbot.keyClick(panel.id_field, Qt.Key.Key_Return)
    assert heard == []
    panel.id_field.clear()
    qtbot.keyClicks(panel.id_field, "34")
    qtbot.keyClick(panel.id_field, Qt.Key.Key_Return)
    assert heard == [("give_id", 34)]
    qtbot.keyClick(panel.id_field, Qt.Key.Key_Escape)
    assert heard[-1] == ("leave_id", None)
    panel.ask_id(None)
    assert not panel.id_field.isVisible()


@pytest.mark.parametrize("typed", ["", "99999999999"])
def test_enter_in_the_field_of_an_id_never_reaches_the_viewer(shown, heard, typed):
    panel = shown(CorrectionsPanel())
    panel.ask_id(12)
    panel.id_field.setText(typed)
    enter = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier)
    panel.id_field.keyPressEvent(enter)
    assert enter.isAccepted()
    assert heard == []


def test_findings_are_listed_and_a_row_is_gone_to(shown, heard, qtbot):
    panel = shown(FindingsPanel())
    panel.show_findings([Finding((3,), 7, "area halves"), Finding((4, 2), None, "no object left")], 1)
    rows = [panel.list.topLevelItem(k) for k in range(2)]
    assert [[row.text(k) for k in range(3)] for row in rows] == [
        ["3", "7", "area halves"],
        ["4, 2", "", "no object left"],
    ]
    assert panel.list.currentItem() is rows[1]
    where = panel.list.visualItemRect(rows[0]).center()
    qtbot.mouseClick(panel.list.viewport(), LEFT, pos=where)
    assert heard == [("go_to_finding", 0)]
    panel.show_findings([], None)
    assert panel.count.text() == "nothing doubtful"
    assert not panel.buttons["next_doubt"].isEnabled()
    assert panel.buttons["confirm"].isEnabled()


def test_a_fold_hides_what_lies_below_it(qtbot):
    body = CorrectionsPanel()
    fold = Fold("Correct", body)
    qtbot.addWidget(fold)
    fold.show()
    assert not body.isVisible()
    fold.unfold()
    assert body.isVisible()


def test_an_unfinished_session_is_offered_in_one_line(shown, heard, qtbot):
    line = shown(OfferLine())
    line.show_offer("A session of 14 March, 23 objects, was not saved.")
    assert line.text.text() == "A session of 14 March, 23 objects, was not saved."
    qtbot.mouseClick(line.buttons["restore"], LEFT)
    qtbot.mouseClick(line.buttons["discard"], LEFT)
    assert heard == [("restore", None), ("discard", None)]
    line.show_offer("")
    assert not line.isVisible()
