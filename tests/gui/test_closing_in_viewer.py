"""A panel that closes waits for no thread that cannot end yet: napari goes on at once."""

from __future__ import annotations

import threading

import pytest

pytestmark = pytest.mark.viewer


@pytest.fixture
def in_vain(monkeypatch):
    """The names of threads that the GUI's thread waited for though they went on running."""
    waited = []
    join, main = threading.Thread.join, threading.main_thread()

    def watched(thread, timeout=None):
        join(thread, timeout)
        if threading.current_thread() is main and thread.is_alive() and timeout != 0:
            waited.append(thread.name)

    monkeypatch.setattr(threading.Thread, "join", watched)
    return waited


class Deaf:
    """Mutable: a gate at which a model stands and does not hear that it is asked to stop."""

    def __init__(self):
        self.gate, self.there = threading.Event(), threading.Event()

    def wait(self):
        self.there.set()
        self.gate.wait()


def test_while_a_click_is_answered(bench, models, plane, in_vain, monkeypatch):
    b, deaf = bench(plane), Deaf()
    predict = type(models["disks"]).predict
    monkeypatch.setattr(type(models["disks"]), "predict", lambda *given: deaf.wait() or predict(*given))
    b.hand.click((30, 20))
    b.until(deaf.there.is_set)
    b.controller.close()
    assert in_vain == []
    deaf.gate.set()


def test_while_a_model_loads(bench, models, plane, in_vain, monkeypatch):
    b, deaf = bench(plane), Deaf()
    load = b.load
    monkeypatch.setattr(b.controller.models, "_load", lambda *given: deaf.wait() or load(*given))
    b.panel.requests.model_chosen.emit("large")
    b.until(deaf.there.is_set)
    b.controller.close()
    assert in_vain == []
    deaf.gate.set()


def test_while_a_whole_frame_is_segmented(bench, models, plane, in_vain, monkeypatch):
    b, deaf = bench(plane), Deaf()
    b.panel.requests.model_chosen.emit("finder")
    b.ready()
    monkeypatch.setattr(type(models["finder"]), "segment", lambda *given: deaf.wait())
    b.press("suggest")
    b.until(deaf.there.is_set)
    b.controller.close()
    assert in_vain == []
    deaf.gate.set()
