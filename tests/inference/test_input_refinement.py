"""A network is made to obey clicks: by what it is given, around them, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from doubles import disk
from napari_clickseg.core.jobs import NEVER, Stop, Stopped
from napari_clickseg.inference.brs import Budget
from napari_clickseg.inference.input_refinement import insist

FAINT = disk((48, 48), (24, 16), 6)
GIVEN = torch.from_numpy(0.35 * FAINT.astype(np.float32))[None, None]
FOREVER = Budget(seconds=1e6, looks=20)


def respond(given):
    return 12 * (given - 0.5)


def test_clicks_become_right_and_a_faint_cell_appears_whole():
    logits = insist(respond, GIVEN, [((24, 16), True)], 12.0, FOREVER.spend(), NEVER)[0, 0].numpy()
    assert logits[24, 16] > 0
    assert (logits[disk((48, 48), (24, 16), 2)] > 0).all()
    far = ~disk((48, 48), (24, 16), 12)
    assert np.abs(logits - respond(GIVEN)[0, 0].numpy())[far].max() < 0.1


def test_what_obeys_already_is_the_network_s_own_answer():
    logits = insist(respond, GIVEN, [((5, 40), False)], 12.0, FOREVER.spend(), NEVER)
    assert (logits == respond(GIVEN)).all()


def test_clicks_of_both_kinds_are_obeyed_side_by_side():
    clicks = [((24, 14), True), ((24, 20), False)]
    logits = insist(respond, GIVEN, clicks, 12.0, FOREVER.spend(), NEVER)[0, 0]
    assert logits[24, 14] > 0 > logits[24, 20]


def test_volumes_are_refined_too():
    given = torch.zeros(1, 2, 8, 10, 12)
    logits = insist(lambda x: x.sum(1, keepdim=True) - 1, given, [((4, 5, 6), True)], 4.0, FOREVER.spend(), NEVER)
    assert logits.shape == (1, 1, 8, 10, 12)
    assert logits[0, 0, 4, 5, 6] > 0 > logits[0, 0, 0, 0, 0]


def test_it_ends_between_two_looks():
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        insist(respond, GIVEN, [((24, 16), True)], 12.0, FOREVER.spend(), stop)
