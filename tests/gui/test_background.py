"""Work beside the window: in lanes, and closing waits for nobody."""

from __future__ import annotations

import threading

import pytest

from napari_clickseg.gui.background import Background

pytestmark = pytest.mark.usefixtures("qapp")
WAIT = 20_000


@pytest.fixture
def background():
    made = Background()
    made.open()
    yield made
    made.close()


def test_what_comes_of_a_job_arrives_on_the_thread_that_asked(background, qtbot):
    arrived = []
    ticket = background.long.submit(
        lambda stop: threading.get_ident(), lambda o: arrived.append((o.value, threading.get_ident()))
    )
    assert ticket.busy
    assert background.long.busy
    qtbot.waitUntil(lambda: len(arrived) == 1, timeout=WAIT)
    assert arrived[0][0] != arrived[0][1] == threading.get_ident()
    assert not ticket.busy
    assert not background.long.busy


def test_an_error_arrives_as_a_value(background, qtbot):
    arrived = []

    def fails(stop):
        raise OSError("the disk is full")

    background.files.submit(fails, arrived.append)
    qtbot.waitUntil(lambda: len(arrived) == 1, timeout=WAIT)
    assert str(arrived[0].error) == "the disk is full"


def test_an_outcome_that_is_on_its_way_when_it_is_cancelled_is_dropped(background, qtbot):
    arrived, done = [], threading.Event()

    def first(stop):
        done.set()
        return "first"

    ticket = background.long.submit(first, arrived.append)
    assert done.wait(WAIT / 1000)
    ticket.cancel()
    background.long.submit(lambda stop: "second", arrived.append)
    qtbot.waitUntil(lambda: len(arrived) > 0, timeout=WAIT)
    assert [outcome.value for outcome in arrived] == ["second"]


def test_of_answers_the_newest_wins_and_of_files_none_is_dropped(background, qtbot):
    answers, files, gate = [], [], threading.Event()

    def gated(stop):
        while not gate.wait(0.01):
            stop.check()

    for lane, arrived in ((background.answers, answers), (background.files, files)):
        lane.submit(gated, arrived.append)
        lane.submit(lambda stop: "second", arrived.append)
        lane.submit(lambda stop: "third", arrived.append)
    gate.set()
    qtbot.waitUntil(lambda: len(files) == 3 and len(answers) == 1, timeout=WAIT)
    assert [outcome.value for outcome in answers] == ["third"]
    assert [outcome.value for outcome in files] == [None, "second", "third"]


def test_closing_waits_for_no_job_and_it_can_be_opened_again(background, qtbot, monkeypatch):
    arrived, gate, written, joined = [], threading.Event(), [], []
    monkeypatch.setattr(threading.Thread, "join", lambda thread, timeout=None: joined.append(thread.name))
    for lane in (background.answers, background.files, background.long):
        lane.submit(lambda stop: gate.wait(WAIT / 1000), arrived.append)
    background.files.submit(lambda stop: written.append("to its end"), arrived.append)
    background.close()
    assert joined == []
    with pytest.raises(RuntimeError, match="open it first"):
        background.long.submit(lambda stop: 1, arrived.append)
    background.open()
    background.long.submit(lambda stop: "again", arrived.append)
    qtbot.waitUntil(lambda: len(arrived) == 1, timeout=WAIT)
    assert arrived[0].value == "again"
    gate.set()
    qtbot.waitUntil(lambda: written == ["to its end"], timeout=WAIT)
