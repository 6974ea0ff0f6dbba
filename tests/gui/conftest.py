"""A predictor that anybody can check by eye, and a real napari window with the panel open."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.gui.view.protocol import Choice
from napari_clickseg.gui.viewport import camera_of
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.models.trust import ClassNeeded, Untrusted

RADIUS = 6
WAIT = 20_000
"""Milliseconds: generous, as machines that test are busy ones."""


@dataclass
class Disks:
    """Draws a disk around each positive click, without the disks around negative ones; can be told to fail.

    It answers nothing while its gate is shut.
    """

    name: str = "disks"
    radius: int = RADIUS
    ndim: int = 2
    device: str = "cpu"
    failure: Exception | None = None
    asked: list[Request] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        self.asked.append(request)
        while not self.gate.wait(0.01):
            stop.check()
        if self.failure is not None:
            raise self.failure
        region = Region.whole(image.frame_shape(2))
        grid = np.indices(region.shape)
        mask = np.zeros(region.shape, bool)
        for point, positive in request.points(2):
            near = np.hypot(*(grid - np.reshape(point, (2, 1, 1)))) <= (self.radius if positive else self.radius / 2)
            mask = mask | near if positive else mask & ~near
        return Prediction.from_mask(mask, region)


@dataclass
class Finder(Disks):
    """Also finds all objects of a frame: whatever is brighter than a level, one object per connected part."""

    name: str = "finder"
    level: float = 50

    def segment(self, image: Image, frame: tuple[int, ...], stop: Stop = NEVER) -> np.ndarray:
        stop.check(0.4)
        while not self.gate.wait(0.01):
            stop.check()
        if self.failure is not None:
            raise self.failure
        pixels = image.block(frame, Region.whole(image.frame_shape(2)))[0]
        return ndimage.label(pixels > self.level)[0].astype(np.int32)


@dataclass
class Candidate:
    """A model that is being added: it finds what is brighter than 100 times its threshold."""

    gate: threading.Event
    conventions: Conventions = field(default_factory=Conventions)
    guesses: dict[str, str] = field(default_factory=lambda: {"threshold": "as most networks"})
    format: str = "paper"

    def predictor(self, conventions: Conventions, name: str = "candidate", device: str = "cpu") -> Finder:
        if conventions.channels != 1:
            raise ValueError("The network takes 1 channel.")
        return Finder(name, level=100 * conventions.threshold, gate=self.gate)


@dataclass
class Workshop:
    """Opens "plain", "program" (which has to be trusted) and "weights" (whose class has to be said); keeps on a shelf.

    It opens and answers nothing while its gate is shut.
    """

    shelf: dict[str, Any]
    kept: list[tuple[str, Conventions]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def examine(self, choice: Choice, trust: bool) -> Candidate:
        self.gate.wait(WAIT / 1000)
        if choice.path == "program" and not trust:
            raise Untrusted("The file", "0123456789abcdef")
        if choice.path == "weights" and not choice.class_path:
            raise ClassNeeded("Say of which class the weights are.")
        if choice.path not in ("plain", "program", "weights"):
            raise ValueError(f"There is no file {choice.path}.")
        return Candidate(self.gate)

    def keep(self, candidate: Candidate, conventions: Conventions, name: str) -> Path:
        if name in self.shelf:
            raise ValueError(f"There is a model {name!r} already; choose another name.")
        self.kept.append((name, conventions))
        self.shelf[name] = Finder(name, level=100 * conventions.threshold)
        return Path(f"{name}.safetensors")


NAMES = ("disks", "large", "finder")


class Bench:
    """A viewer with the panel open, a hand on its mouse, and the words to ask what is there.

    Without an importer, the panel has the real models and the real importer.
    """

    def __init__(
        self, viewer: Any, qtbot: Any, models: dict[str, Any], importer: Any = None, real: bool = False
    ) -> None:
        from napari_clickseg.benchmark.latency import Canvas
        from napari_clickseg.gui.widget import ClickWidget

        self.viewer, self.qtbot, self.models = viewer, qtbot, models
        self.widget = ClickWidget(viewer, *((self.listed, self.load, importer) if importer else ()))
        viewer.window.add_dock_widget(self.widget, name="clicks")
        self.hand = Canvas(viewer, self.widget)
        self.ready()

    def listed(self) -> list[ModelEntry]:
        names = dict.fromkeys((*NAMES, *self.models))
        return [ModelEntry(name, name.title(), f"Draws {name}.", "weightless") for name in names]

    def load(self, name: str, device: str) -> Any:
        if isinstance(self.models[name], Exception):
            raise self.models[name]
        return self.models[name]

    @property
    def controller(self) -> Any:
        return self.widget.controller

    @property
    def session(self) -> Any:
        return self.controller.session

    @property
    def panel(self) -> Any:
        """The panel, as it is once it was painted."""
        self.controller.paint()
        return self.widget.panel

    @property
    def pair(self) -> Any:
        return self.controller.workspace.current

    @property
    def labels(self) -> Any:
        """The Labels layer that is drawn into."""
        return self.controller.layers.labels

    @property
    def status(self) -> str:
        return self.panel.status.text()

    def press(self, action: str) -> None:
        """Press the button of an action."""
        self.controller.press(action)

    def run(self, action: str) -> None:
        """Press the key of an action with the pointer where it is."""
        self.controller.run(action)

    @property
    def camera(self) -> Any:
        return camera_of(self.viewer)

    def points(self, polarity: str) -> Any:
        return self.controller.layers.points(polarity)

    def until(self, ready: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(ready, timeout=WAIT)

    def ready(self) -> None:
        """Wait until the model is there and nothing is awaited."""
        self.until(lambda: self.panel.model.state.text().startswith(("ready", "error")))
        self.answered()

    def answered(self) -> None:
        self.until(lambda: self.session is None or self.session.pending is None)

    def click(self, *world: float, **how: Any) -> None:
        """Click with the mouse, and wait for the answer."""
        known = None if self.session is None else self.session.clicks
        self.hand.click(world, **how)
        self.until(lambda: self.session.clicks != known)
        self.answered()

    def key(self, key: Any, modifiers: Any = None) -> None:
        from napari_clickseg.benchmark.latency import PLAIN

        self.hand.key(key, PLAIN if modifiers is None else modifiers)


@pytest.fixture
def models() -> dict[str, Any]:
    return {"disks": Disks(), "large": Disks("large", radius=12), "finder": Finder()}


@pytest.fixture
def workshop(models: dict[str, Any]) -> Workshop:
    return Workshop(models)


@pytest.fixture(autouse=True)
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which panels note what is done in them."""
    folder = tmp_path / "journals"
    monkeypatch.setenv("CLICKSEG_JOURNALS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def first_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that says that the first steps were seen: here they were."""
    marker = tmp_path / "first-steps"
    marker.touch()
    monkeypatch.setenv("CLICKSEG_FIRST_STEPS", str(marker))
    return marker


@pytest.fixture
def bench(
    make_napari_viewer: Any, qtbot: Any, models: dict[str, Any], workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Bench]]:
    """Return a function that opens a viewer with an image (None: with none) and the panel; `real`: with real models."""
    monkeypatch.setattr("napari_clickseg.models.load.present_devices", lambda: ("auto", "cpu"))
    benches = []
    gc.freeze()  # spares the collector what is there already: napari collects in full several times after each viewer

    def opened(
        image: Any = None, before: Callable[[Any], object] = lambda viewer: None, real: bool = False, **options: Any
    ) -> Bench:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1000, 700)
        if image is not None:
            viewer.add_image(image, **options)
        before(viewer)
        made = Bench(viewer, qtbot, models, None if real else workshop)
        benches.append(made)
        return made

    yield opened
    for made in benches:
        made.controller.close()


@pytest.fixture
def plane() -> Any:
    return np.zeros((64, 64), np.uint8)
