"""Work beside the window: the newest wins, what was called off never arrives, and closing waits for nobody."""

from __future__ import annotations

import threading

import pytest

from napari_clickseg.gui.background import Background

pytestmark = pytest.mark.usefixtures("qapp")
WAIT = 20_000


@pytest.fixture
def background():
    made = Background("test")
    made.open()
    yield made
    made.close()


def test_what_comes_of_a_job_arrives_on_the_thread_that_asked(background, qtbot):
    arrived = []
    background.submit(lambda stop: threading.get_ident(), lambda o: arrived.append((o.value, threading.get_ident())))
    assert background.busy
    qtbot.waitUntil(lambda: len(arrived) == 1, timeout=WAIT)
    assert arrived[0][0] != arrived[0][1] == threading.get_ident()
    assert not background.busy


def test_an_error_arrives_as_a_value(background, qtbot):
    arrived = []

    def fails(stop):
        raise OSError("the disk is full")

    background.submit(fails, arrived.append)
    qtbot.waitUntil(lambda: len(arrived) == 1, timeout=WAIT)
    assert str(arrived[0].error) == "the disk is full"


def test_an_outcome_that_is_on_its_way_when_it_is_called_off_is_dropped(background, qtbot):
    arrived, done = [], threading.Event()

    def first(stop):
        done.set()
        return "first"

    background.submit(first, arrived.append)
    assert done.wait(WAIT / 1000)
    background.cancel()
    background.submit(lambda stop: "second", arrived.append)
    qtbot.waitUntil(lambda: len(arrived) > 0, timeout=WAIT)
    assert [outcome.value for outcome in arrived] == ["second"]


def test_closing_waits_for_no_job_and_it_can_be_opened_again(background, qtbot):
    arrived, gate = [], threading.Event()
    background.submit(lambda stop: gate.wait(WAIT / 1000), arrived.append)
    background.close()
    with pytest.raises(RuntimeError, match="open it first"):
        background.submit(lambda stop: 1, arrived.append)
    background.open()
    background.submit(lambda stop: "again", arrived.append)
    qtbot.waitUntil(lambda: len(arrived) == 1, timeout=WAIT)
    assert arrived[0].value == "again"
    gate.set()
