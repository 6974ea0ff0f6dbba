"""A disk that fails in the middle of an act: the act is done as a whole or not at all, and the journal agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from laboratory import KINDS, DiskError, FailingLabels, Hand, a_predictor, an_image, seen, some_labels
from napari_clickseg.core.requests import Nobody
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.recovery import recover

pytestmark = pytest.mark.crash
ACTS = 30


def played(kind: str, seed: int, folder: Path | None) -> int:
    """Play a random history on labels whose disk fails; return how many acts failed."""
    labels = FailingLabels(some_labels(kind), seed, odds=0.15)
    session = Session(an_image(kind), a_predictor(kind), labels=labels, highest=2)
    journal = None if folder is None else Journal.start(session, folder=folder)
    user, failed = Hand(session, seed), 0
    for _ in range(ACTS):
        act, before = user.choose(), seen(session)
        done: list[object] = []
        session.acted.connect(done.append)
        try:
            act()
        except ValueError:
            pass
        except DiskError:
            failed += 1
            if not done:  # an act that consists of two may have done the first one
                assert seen(session) == before, f"{kind}, seed {seed}: {act.__name__} left a trace"
        session.acted.disconnect(done.append)
    if journal is not None:
        journal.wait()
        recovered = recover(journal.path)
        other = recovered.session(an_image(kind), Nobody(KINDS[kind][1]), some_labels(kind))
        recovered.replay(other)
        assert recovered.complete, f"{kind}, seed {seed}: {recovered.problems}"
        assert seen(other) == seen(session), f"{kind}, seed {seed}: the journal disagrees"
        journal.saved()
        journal.close()
    return failed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("journalled", [True, False])
def test_acts_are_all_or_nothing(tmp_path: Path, kills: int, kind: str, journalled: bool) -> None:
    failed = sum(played(kind, seed, tmp_path if journalled else None) for seed in range(kills))
    assert failed > 0


def test_what_is_undone_altogether_is_as_it_was(kills: int) -> None:
    for seed in range(kills):
        labels = FailingLabels(some_labels("movie"), seed, odds=0.15)
        session = Session(an_image("movie"), a_predictor("movie"), labels=labels, highest=2)
        user = Hand(session, seed)
        for _ in range(ACTS):
            act = user.choose()
            if act.__name__ in ("paint", "model"):  # neither is undone
                continue
            try:
                act()
            except (ValueError, DiskError):
                continue
        while session.can_undo:
            try:
                session.undo()
            except DiskError:
                continue
        np.testing.assert_array_equal(labels.array, some_labels("movie"), err_msg=f"seed {seed}")
