"""Record: what was undone and where a click was dragged does not count; what counts can be done again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from doubles import Disks
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.requests import Nobody
from napari_clickseg.session.replay import Act
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.recovery import recover
from napari_clickseg.storage.serialization import Entry, Settings
from napari_clickseg.storage.session_file import Past, Record, folded
from random_acts import User

SETTINGS = Settings("disks", 2, 0.5, None, "background")


def done(*steps: tuple[str, int]) -> list[tuple[str, int]]:
    """What is left of acts, given as (name, step)."""
    entries = [Entry(Act(name), step, 0, 1, SETTINGS) for name, step in steps]
    return [(entry.act.name, entry.step) for entry in folded(entries)]


def test_what_was_undone_does_not_count() -> None:
    assert done(("set_clicks", 1), ("apply", 1), ("set_clicks", 2), ("undo", 1)) == [("set_clicks", 1), ("apply", 1)]


def test_redo_makes_it_count_again_but_not_what_was_done_instead() -> None:
    assert done(("set_clicks", 1), ("commit", 2), ("undo", 1), ("redo", 2)) == [("set_clicks", 1), ("commit", 2)]
    assert done(("set_clicks", 1), ("commit", 2), ("undo", 1), ("cancel", 2)) == [("set_clicks", 1), ("cancel", 2)]


def test_of_a_dragged_click_the_places_that_were_answered_count_and_the_last_one() -> None:
    dragged = done(*[("set_clicks", 1)] * 3, ("apply", 1), *[("set_clicks", 1)] * 2)
    assert dragged == [("set_clicks", 1), ("apply", 1), ("set_clicks", 1)]


@pytest.mark.parametrize("change", ["paint", "protect"])
def test_where_undo_draws_what_looks_otherwise_by_now_everything_counts(change: str) -> None:
    steps = (("set_clicks", 1), ("apply", 1), (change, 1), ("undo", 0), ("redo", 1))
    assert done(*steps) == list(steps)


def test_an_edit_that_goes_on_counts_as_a_whole() -> None:
    assert done(("edit", 1), ("extend", 1), ("extend", 1)) == [("edit", 1), ("extend", 1), ("extend", 1)]
    assert done(("edit", 1), ("extend", 1), ("undo", 0)) == []


def test_an_id_that_was_reserved_stays_so_whatever_is_undone() -> None:
    began = (("set_clicks", 1), ("commit", 2), ("reserve", 2), ("undo", 1))
    assert done(*began) == [*began]
    assert done(*began, ("set_clicks", 2)) == [*began, ("set_clicks", 2)]


@pytest.mark.parametrize("seed", range(60))
def test_what_counts_draws_the_same_labels_as_all_that_was_done(seed: int) -> None:
    shape = (3, 10, 9)
    session = Session(np.zeros(shape), Disks(radius=1.5))
    entries: list[Entry] = []
    session.acted.connect(lambda act: entries.append(Entry.of(session, act)))
    user = User(session, seed)
    user.threshold = user.protect = user.model = lambda: None  # type: ignore[method-assign]
    user.act(40)
    other = Session(np.zeros(shape), Nobody(2))
    for entry in folded(entries):
        if entry.act.name == "set_clicks" and other.state.empty and other.label != entry.label:
            other.start_new(entry.label)
        if entry.act.name in ("commit", "start_new"):
            other.stop_waiting()
        if entry.act.name != "apply" or other.pending is not None:
            other.perform(entry.act)
    np.testing.assert_array_equal(session.labels, other.labels)
    assert session.clicks == other.clicks


def test_a_record_holds_no_masks_and_names_the_model_with_each_entry() -> None:
    session = Session(np.zeros((20, 20)), Disks())
    record = Record(session)
    session.threshold = 0.3
    session.click((5, 5))
    session.predictor = Disks(name="others")
    session.click((9, 9))
    entries = record.entries()
    assert [entry.act.name for entry in entries] == ["threshold", *["set_clicks", "apply"] * 2]
    assert not any(isinstance(value, Prediction) for entry in entries for value in entry.act.arguments.values())
    assert [(entry.settings.model, entry.settings.threshold) for entry in entries[1::2]] == [
        ("disks", 0.3),
        ("others", 0.3),
    ]


def test_entries_come_back_from_json() -> None:
    entry = Entry(Act("set_clicks", {"clicks": (Click((1.5, 2.0)),)}), 4, 2, 7, SETTINGS)
    back = Entry.from_json(json.loads(json.dumps(entry.to_json())))
    assert (back.act.name, back.act.arguments, back.step, back.kept, back.label, back.settings) == (
        "set_clicks", {"clicks": (Click((1.5, 2.0)),)}, 4, 2, 7, SETTINGS,
    )  # fmt: skip


@pytest.mark.parametrize("value", [{}, {**SETTINGS.to_json(), "protect": "all"}, {**SETTINGS.to_json(), "more": 1}])
def test_what_are_no_settings_is_refused(value: dict) -> None:
    with pytest.raises(ValueError, match=r"no settings of a session|is none of background"):
        Settings.from_json(value)


def test_a_past_told_by_a_journal_counts_what_a_record_counts(tmp_path: Path) -> None:
    session = Session(np.eye(16), Disks())
    record = Record(session)
    journal = Journal.start(session, folder=tmp_path)
    for position in ((4, 4), (12, 12)):
        session.click(position)
        session.commit()
    session.undo()
    journal.wait()
    told = recover(journal.path)
    past = Past(session, told.began, told.highest, told.classes, told.entries)
    assert [entry.to_json() for entry in past.entries()] == [entry.to_json() for entry in record.entries()]
    assert (past.began, past.highest) == (record.began, record.highest)
    journal.close()
