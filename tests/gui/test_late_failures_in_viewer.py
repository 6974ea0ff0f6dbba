"""A failure of an answer that is not awaited any more changes nothing: neither what Enter queued nor the status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.requests import Request

pytestmark = pytest.mark.viewer


@pytest.fixture
def models(models: dict[str, Any]) -> dict[str, Any]:
    disks: Any = type(models["disks"])

    @dataclass
    class Stumbling(disks):
        """Fails on one request, and does not notice that it is asked to stop."""

        failing: Request | None = None
        reached: list[int] = field(default_factory=list)

        def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
            self.reached.append(len(request.clicks))
            self.gate.wait()
            if self.failing is not None and request.clicks == self.failing.clicks:
                raise RuntimeError("out of order")
            return super().predict(image, request, stop)

    return {**models, "disks": Stumbling()}


@pytest.mark.parametrize("planned", ["keep", "start_new"])
def test_an_old_answers_failure_leaves_what_was_planned_for_the_new_one(bench, models, plane, planned) -> None:
    model = models["disks"]
    b = bench(plane)
    model.gate.clear()
    model.reached.clear()
    b.hand.click((30, 20))
    b.until(lambda: b.session is not None and b.session.pending is not None)
    model.failing = b.session.pending
    b.until(lambda: model.reached == [1])
    b.hand.click((33, 22))
    b.until(lambda: len(b.session.clicks) == 2)
    b.press(planned)  # as soon as the answer to the second click is there
    model.gate.set()
    b.answered()
    b.until(lambda: b.session.clicks == ())
    assert (b.labels.data == 1).sum() > 50
    assert b.session.label == 2
    assert "out of order" not in b.status
