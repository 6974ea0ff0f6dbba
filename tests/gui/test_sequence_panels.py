"""The parts of the panel that show frames, corrections and what to review: values in, requests out."""

from __future__ import annotations

import itertools

import pytest
from psygnal import Signal
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QKeyEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QSlider, QSpinBox, QVBoxLayout, QWidget

from napari_clickseg.gui.actions import ACTIONS
from napari_clickseg.gui.view.corrections_panel import CorrectionsPanel
from napari_clickseg.gui.view.files_panel import OfferLine
from napari_clickseg.gui.view.first_steps import FirstSteps
from napari_clickseg.gui.view.frames_panel import HEIGHT, LOOKS, FramesPanel, FrameStrip
from napari_clickseg.gui.view.model_panel import AxesPanel
from napari_clickseg.gui.view.object_panel import ObjectPanel
from napari_clickseg.gui.view.protocol import (
    Axis,
    ObjectState,
    Option,
    Progress,
    Requests,
    Status,
    Strip,
    Thumbnail,
)
from napari_clickseg.gui.view.review_panel import ReviewPanel
from napari_clickseg.gui.view.widgets import Manners, Picker, StatusArea, folded, key_text
from napari_clickseg.review.findings import Finding, Repair

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def requests():
    return Requests()


@pytest.fixture
def heard(requests):
    """Requests that a part made, newest last."""
    made = []

    def listen(name):
        getattr(requests, name).connect(lambda *values: made.append((name, *values)))

    for name in [name for name, kind in vars(Requests).items() if isinstance(kind, Signal)]:
        listen(name)
    return made


@pytest.fixture
def shown(qtbot):
    """Return a function that shows a part."""

    def show(part, width=320):
        qtbot.addWidget(part)
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


def test_the_frames_panel_names_frames_and_planes(shown, requests):
    panel = shown(FramesPanel(requests))
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
    assert panel.buttons["carry_forward"].text().startswith("Track forward")
    panel.show_strip(Strip("Z", ("drawn", "empty"), 1))
    assert panel.buttons["carry_forward"].text().startswith("Next planes")


def test_the_arrows_go_to_the_frames_beside(shown, requests, heard, qtbot):
    panel = shown(FramesPanel(requests))
    panel.show_strip(Strip("T", ("drawn",) * 5, 2))
    for arrow in panel.arrows:
        qtbot.mouseClick(arrow, LEFT)
    assert heard == [("frame_chosen", 1), ("frame_chosen", 3)]


def test_buttons_print_the_keys_of_the_table_and_ask_for_their_action(shown, requests, heard, qtbot):
    panels = (shown(FramesPanel(requests)), shown(ReviewPanel(requests)), shown(CorrectionsPanel(requests)))
    panels[0].show_strip(Strip("T", ("drawn", "empty"), 0))
    panels[0].show_progress(Progress(resume=1))
    panels[1].show_findings([Finding((0,), 1, "odd")], None)
    printed = {}
    for panel in panels:
        for name, button in panel.buttons.items():
            printed[name] = button.text()
            qtbot.mouseClick(button, LEFT)
    assert all(text.endswith(key_text(name)) for name, text in printed.items())
    assert printed["carry_forward"] == "Track forward  ⇧→"
    assert heard[:2] == [("action", "carry_back"), ("action", "carry_forward")]
    assert ("action", "split") in heard


def test_no_key_stands_for_two_actions():
    keys = [action.key for action in ACTIONS]
    assert len(set(keys)) == len(keys)


def test_while_objects_are_carried_progress_shows_and_can_be_ended(shown, requests, heard, qtbot):
    panel = shown(FramesPanel(requests))
    panel.show_strip(Strip("T", ("drawn", "empty"), 0))
    panel.show_progress(Progress(running=True, done=2, total=5))
    assert not panel.buttons["carry_forward"].isEnabled()
    assert not panel.buttons["carry_on"].isEnabled()
    qtbot.mouseClick(panel.findChild(object, "stop_carrying"), LEFT)
    assert heard == [("propagation_stopped",)]
    panel.show_progress(Progress(resume=4))
    assert panel.buttons["carry_forward"].isEnabled()
    assert panel.buttons["carry_on"].text().startswith("Go on from 4")
    panel.show_progress(Progress(resume=4, again=True))
    assert panel.buttons["carry_on"].text().startswith("Again from 4")


def test_whose_and_how_far_are_asked_for(shown, requests, heard):
    panel = shown(FramesPanel(requests))
    panel.reach.setValue(7)
    panel.whose.setCurrentIndex(1)
    panel.whose.activated.emit(1)
    assert heard == [("reach_set", 7), ("everything_chosen", False)]


def test_axes_are_shown_and_changed(shown, requests, heard):
    panel = shown(AxesPanel(requests, Manners()))
    panel.show_axes([Axis("T", 1.0, "pixel", leading=True), Axis("Y", 0.65, "µm"), Axis("X", 0.65, "µm")])
    assert [field.value() for field in panel.spacings] == [1.0, 0.65, 0.65]
    assert panel.names[0].currentText() == "t (time)"
    assert heard == []
    panel.spacings[0].setValue(2.5)
    panel.names[0].activated.emit(1)
    assert heard == [("spacing_set", 0, 2.5), ("axis_named", 0, "Z")]


def test_a_new_id_is_typed_and_enter_gives_it(shown, requests, heard, qtbot):
    panel = shown(CorrectionsPanel(requests))
    panel.ask_id(12)
    assert panel.id_field.isVisible()
    qtbot.keyClicks(panel.id_field, "x-0")
    qtbot.keyClick(panel.id_field, Qt.Key.Key_Return)
    assert heard == []
    panel.id_field.clear()
    qtbot.keyClicks(panel.id_field, "34")
    qtbot.keyClick(panel.id_field, Qt.Key.Key_Return)
    assert heard == [("id_given", 34)]
    qtbot.keyClick(panel.id_field, Qt.Key.Key_Escape)
    assert heard[-1] == ("id_left",)
    panel.ask_id(None)
    assert not panel.id_field.isVisible()


@pytest.mark.parametrize("typed", ["", "99999999999"])
def test_enter_in_the_field_of_an_id_never_reaches_the_viewer(shown, requests, heard, typed):
    panel = shown(CorrectionsPanel(requests))
    panel.ask_id(12)
    panel.id_field.setText(typed)
    enter = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier)
    panel.id_field.keyPressEvent(enter)
    assert enter.isAccepted()
    assert heard == []


def test_findings_are_listed_and_a_row_is_gone_to(shown, requests, heard, qtbot):
    panel = shown(ReviewPanel(requests))
    panel.show_findings([Finding((3,), 7, "area halves"), Finding((4, 2), None, "no object left")], 1)
    rows = [panel.list.topLevelItem(k) for k in range(2)]
    assert [[row.text(k) for k in range(3)] for row in rows] == [
        ["3", "7", "area halves"],
        ["4, 2", "", "no object left"],
    ]
    assert panel.list.currentItem() is rows[1]
    where = panel.list.visualItemRect(rows[0]).center()
    qtbot.mouseClick(panel.list.viewport(), LEFT, pos=where)
    assert heard == [("finding_chosen", 0)]
    panel.show_findings([], None)
    assert panel.count.text() == "nothing doubtful"
    assert not panel.buttons["next_doubt"].isEnabled()
    assert panel.buttons["confirm"].isEnabled()


def test_a_row_says_briefly_what_is_odd_and_the_likely_repair_is_a_button(shown, requests, heard, qtbot):
    panel = shown(ReviewPanel(requests))
    swap = Repair("swap", "Swap 3 and 5", (3, 5))
    panel.show_findings([Finding((2,), 3, "both neighbours differ", brief="unlike its neighbours", repair=swap)], None)
    assert panel.list.topLevelItem(0).text(2) == "unlike its neighbours"
    assert panel.list.topLevelItem(0).text(3) == "Swap 3 and 5"
    assert not panel.repair.isVisible()
    panel.show_findings(panel._shown, 0)
    qtbot.mouseClick(panel.repair, LEFT)
    assert heard == [("repair_asked", 0)]


def wheel(widget):
    """Turn the wheel over a widget that has not the focus."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        *(middle, widget.mapToGlobal(middle), QPoint(), QPoint(0, -120)),
        *(Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False),
    )
    QApplication.sendEvent(widget, event)


@pytest.fixture
def fields(qtbot):
    """A list, a spin box and a slider that were taught manners."""
    root, manners = QWidget(), Manners()
    column = QVBoxLayout(root)
    picker, spin, slider = Picker(), QSpinBox(), QSlider()
    spin.setKeyboardTracking(False)
    picker.show_options([Option("a", 1), Option("n", 2), Option("nn", 3)], 1)
    for field in (picker, spin, slider):
        column.addWidget(field)
    manners.mind(root)
    qtbot.addWidget(root)
    root.show()
    root.manners = manners
    return root, picker, spin, slider


def test_the_wheel_changes_no_field_without_the_focus(fields):
    _, picker, spin, slider = fields
    for field in (picker, spin, slider):
        field.clearFocus()
        wheel(field)
    assert (picker.currentIndex(), spin.value(), slider.value()) == (0, 0, 0)


def test_enter_and_escape_in_a_field_reach_nobody_else_and_give_the_focus_away(fields, qtbot):
    root, _, spin, _ = fields
    pressed, left = [], []
    root.keyPressEvent = lambda event: pressed.append(event.key())
    root.manners.left.connect(lambda: left.append(spin.value()))
    spin.selectAll()
    qtbot.keyClicks(spin, "7")
    qtbot.keyClick(spin, Qt.Key.Key_Return)
    spin.selectAll()
    qtbot.keyClicks(spin, "9")
    qtbot.keyClick(spin, Qt.Key.Key_Escape)
    assert (spin.text(), spin.value(), left, pressed) == ("7", 7, [7, 7], [])


def test_letters_over_a_list_choose_no_row_of_it(fields, qtbot):
    _, picker, _, _ = fields
    qtbot.keyClick(picker, Qt.Key.Key_N)
    assert picker.currentIndex() == 0


def test_the_status_area_keeps_its_height_and_offers_what_can_be_done(qtbot):
    area, offered = StatusArea(), []
    qtbot.addWidget(area)
    area.offered.connect(offered.append)
    area.show()
    height = area.height()
    area.show_status(Status("error", "Long words. " * 40, (("Do it", "do"),)))
    assert area.height() == height
    qtbot.mouseClick(area.buttons[0], LEFT)
    assert offered == ["do"]
    area.show_status(Status("ready", "Short."))
    assert (area.height(), area.buttons) == (height, [])


def test_an_armed_tool_lights_its_button(shown, requests):
    panel = shown(CorrectionsPanel(requests))
    panel.show_armed("split")
    assert [name for name, button in panel.buttons.items() if button.styleSheet()] == ["split"]
    panel.show_armed("")
    assert not any(button.styleSheet() for button in panel.buttons.values())


def test_the_legend_says_what_the_buttons_mean_now(shown, requests):
    panel = shown(ObjectPanel(requests))
    panel.show_object(ObjectState(label=1))
    assert panel.legend.text().startswith("<b>Left</b> click adds")
    panel.show_object(ObjectState(label=1, flipped=True))
    assert panel.legend.text().startswith("<b>Left</b> click removes")


def test_a_fold_hides_what_lies_below_it(qtbot, requests):
    body = CorrectionsPanel(requests)
    fold = folded("Correct", body)
    qtbot.addWidget(fold)
    fold.show()
    assert not body.isVisible()
    fold.expand(animate=False)
    assert body.isVisible()


def test_an_unfinished_session_is_offered_in_one_line(shown, requests, heard, qtbot):
    line = shown(OfferLine(requests))
    line.show_offer("A session of 14 March, 23 objects, was not saved.")
    assert line.text.text() == "A session of 14 March, 23 objects, was not saved."
    qtbot.mouseClick(line.buttons["restore"], LEFT)
    qtbot.mouseClick(line.buttons["discard"], LEFT)
    assert heard == [("offered", "restore"), ("offered", "discard")]
    assert not line.picture.isVisible()
    line.show_offer("A session of 14 March, 23 objects, was not saved.", Thumbnail(2, bytes([0, 0, 255, 0])))
    assert line.picture.isVisible()
    shown_pixels = line.picture.pixmap().toImage()
    assert [shown_pixels.pixelColor(x, y).red() for y in range(2) for x in range(2)] == [0, 0, 255, 0]
    line.show_offer("")
    assert not line.isVisible()


@pytest.mark.parametrize("width", [270, 420])
def test_no_button_of_the_corrections_is_cut_off_in_a_narrow_panel(qtbot, requests, width):
    panel = CorrectionsPanel(requests)
    qtbot.addWidget(panel)
    panel.resize(width, 300)
    panel.show()
    buttons = panel.buttons.values()
    qtbot.waitUntil(lambda: all(button.width() >= button.minimumSizeHint().width() for button in buttons))
    assert all(button.mapTo(panel, QPoint(button.width(), 0)).x() <= width for button in buttons)


def test_the_first_hints_stay_within_a_narrow_canvas(qtbot, requests):
    canvas, card = QWidget(), FirstSteps(requests)
    qtbot.addWidget(canvas)
    canvas.resize(240, 400)
    canvas.show()
    card.show_hints(("Click.", "Add what it lacks, and remove what is too much.", "Enter keeps it."), 0, canvas)
    assert card.geometry().right() < 240
    canvas.resize(180, 400)
    qtbot.waitUntil(lambda: card.geometry().right() < 180)
    assert card.height() >= card.heightForWidth(card.width())
