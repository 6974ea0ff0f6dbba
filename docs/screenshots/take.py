"""Take the pictures of the panel that the documentation shows, in a real napari window.

    python docs/screenshots/take.py [NAME ...]

Needs a screen; Xvfb will do: xvfb-run -s "-screen 0 1600x1200x24" python docs/screenshots/take.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_clickseg.benchmark.latency import Canvas
from napari_clickseg.gui import samples
from napari_clickseg.gui.viewport import camera_of
from napari_clickseg.gui.widget import ClickWidget

HERE = Path(__file__).parent
SIZE = (1360, 860)
PATIENCE = 240.0
FRAMES, ALL_CELLS = 1, 2
"""Tabs."""


class Scene:
    """Mutable: a window with the panel open, and a hand on its mouse."""

    def __init__(self, sample: str = "") -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        if sample:
            for data, options, kind in getattr(samples, sample)():
                self.viewer.add_layer(napari.layers.Layer.create(data, options, kind))
        self.widget = ClickWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget, name="Segment by clicking")
        self.hand = Canvas(self.viewer, self.widget)
        self.until(lambda: self.panel.model.state.text().startswith("ready"))
        self.rest()

    @property
    def panel(self) -> Any:
        return self.widget.panel

    @property
    def controller(self) -> Any:
        return self.widget.controller

    @property
    def session(self) -> Any:
        return self.controller.session

    def until(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(f"Nothing came for {PATIENCE:g} s; the panel says: {self.panel.status.text()}")
            QApplication.processEvents()
            time.sleep(0.002)

    def rest(self, seconds: float = 1.5) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def click(self, *world: float, button: Any = None) -> None:
        known = self.session.clicks
        self.hand.click(world, **({} if button is None else {"button": button}))
        self.until(lambda: self.session.clicks != known and self.session.pending is None)
        self.rest(0.3)

    def draw(self, *places: tuple[float, ...]) -> None:
        """Click on each place and keep what comes."""
        for place in places:
            self.click(*place)
            self.controller.press("keep")
            self.rest(0.3)

    def zoom(self, centre: tuple[float, float], zoom: float) -> None:
        camera = camera_of(self.viewer)
        camera.center, camera.zoom = centre, zoom
        self.rest(0.5)

    def take(self, name: str) -> None:
        """Write the window as it is; the pointer is not in it."""
        self.rest()
        path = HERE / f"{name}.png"
        self.viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        print(path)

    def close(self) -> None:
        self.viewer.close()
        self.rest(0.5)


def bright(image: Any, count: int, apart: float = 60, margin: int = 40) -> list[tuple[float, float]]:
    """Return centres of the brightest smooth places of a plane, apart from each other and from its rim."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(np.asarray(image, float), 6)
    smooth[:margin], smooth[-margin:], smooth[:, :margin], smooth[:, -margin:] = 0, 0, 0, 0
    found: list[tuple[float, float]] = []
    for place in np.argsort(smooth, axis=None)[::-1]:
        y, x = (float(p) for p in np.unravel_index(place, smooth.shape))
        if all(np.hypot(y - a, x - b) > apart for a, b in found):
            found.append((y, x))
        if len(found) == count:
            break
    return found


def nuclei(names: set[str]) -> None:
    """`opened`, `clicking`, `kept`."""
    scene = Scene("nuclei")
    plane = scene.viewer.layers[0].data
    places = bright(plane, 6, apart=45)
    if "opened" in names:
        scene.take("opened")
    scene.draw(*places[:4])
    scene.zoom(places[4], 3 * camera_of(scene.viewer).zoom)
    scene.click(*places[4])
    if "clicking" in names:
        scene.take("clicking")
    scene.controller.press("keep")
    scene.rest()
    scene.controller.objects.take_up(places[4])
    if "kept" in names:
        scene.take("kept")
    scene.close()


def first_steps(names: set[str]) -> None:
    """`first-steps`, `samples`."""
    scene = Scene()
    if "samples" in names:
        scene.take("samples")
    scene.panel.requests.offered.emit("first steps")
    scene.panel.requests.sample_chosen.emit("phase")
    scene.until(lambda: scene.session is not None)
    if "first-steps" in names:
        scene.take("first-steps")
    scene.close()


def timelapse(names: set[str]) -> None:
    """`timelapse-review`, `timelapse-correct`, `timelapse-first`, `timelapse-carried`."""
    scene = Scene("timelapse")
    scene.viewer.dims.set_current_step(0, 0)
    scene.panel.tabs.setCurrentIndex(FRAMES)
    known = scene.controller.review.known(scene.controller.workspace.current)
    scene.until(lambda: known.review is not None and not scene.controller.review.busy)
    scene.controller.press("next_doubt")
    if "timelapse-review" in names:
        scene.take("timelapse-review")
    scene.panel.tabs.setCurrentIndex(0)
    scene.panel.requests.extent_chosen.emit("onwards")
    scene.controller.press("delete")
    if "timelapse-correct" in names:
        scene.take("timelapse-correct")
    scene.controller.press("cancel")
    labels = scene.controller.layers.labels
    first = np.asarray(labels.data[0])
    centres = [np.argwhere(first == label).mean(axis=0) for label in np.unique(first)[1:5]]
    labels.visible = False
    scene.panel.requests.labels_chosen.emit(None)
    scene.viewer.dims.set_current_step(0, 0)
    scene.draw(*((0.0, *map(float, centre)) for centre in centres))
    scene.panel.tabs.setCurrentIndex(FRAMES)
    if "timelapse-first" in names:
        scene.take("timelapse-first")
    scene.controller.press("carry_forward")
    scene.until(lambda: not scene.controller.propagation.busy and "Tracked" in scene.panel.status.text())
    scene.viewer.dims.set_current_step(0, 2)
    if "timelapse-carried" in names:
        scene.take("timelapse-carried")
    scene.close()


def stack(names: set[str]) -> None:
    """`stack-first`, `stack-carried`, `stack-3d`."""
    scene = Scene("zstack")
    middle = scene.viewer.layers[0].data.shape[0] // 2
    scene.viewer.dims.set_current_step(0, middle)
    scale = np.asarray(scene.viewer.layers[0].scale)
    plane = np.asarray(scene.viewer.layers[0].data[middle])
    scene.draw(*((middle * scale[0], y * scale[1], x * scale[2]) for y, x in bright(plane, 6, apart=25, margin=20)))
    scene.controller.press("confirm")
    scene.panel.tabs.setCurrentIndex(FRAMES)
    if "stack-first" in names:
        scene.take("stack-first")
    for way in ("carry_forward", "carry_back"):
        scene.viewer.dims.set_current_step(0, middle)
        scene.controller.press(way)
        scene.rest(0.5)
        scene.until(lambda: not scene.controller.propagation.busy)
    scene.viewer.dims.set_current_step(0, middle + 2)
    if "stack-carried" in names:
        scene.take("stack-carried")
    scene.viewer.dims.ndisplay = 3
    camera_of(scene.viewer).angles = (10, -30, 130)
    if "stack-3d" in names:
        scene.take("stack-3d")
    scene.close()


def unet(names: set[str]) -> None:
    """`convert-segmented`, `convert-corrected`."""
    scene = Scene("nuclei")
    scene.panel.requests.model_chosen.emit("unet-sample")
    scene.until(lambda: scene.controller.models.loaded is not None)
    scene.panel.tabs.setCurrentIndex(ALL_CELLS)
    scene.controller.press("suggest")
    scene.until(lambda: not scene.controller.suggestions.state.busy)
    scene.controller.press("accept_all")
    if "convert-segmented" in names:
        scene.take("convert-segmented")
    scene.panel.tabs.setCurrentIndex(0)
    one, other = closest_parts(np.asarray(scene.session.labels))
    scene.zoom(one, 2 * camera_of(scene.viewer).zoom)
    scene.controller.objects.take_up(one)
    scene.click(*other)
    if "convert-corrected" in names:
        scene.take("convert-corrected")
    scene.close()


def closest_parts(labels: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the centres of the two objects that share the longest border for their size, the larger one first."""
    borders = np.concatenate(
        [np.stack((a[a != b], b[a != b]), 1) for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1]))]
    )
    pairs, lengths = np.unique(np.sort(borders[(borders > 0).all(1)], 1), axis=0, return_counts=True)
    sizes = np.bincount(labels.ravel())
    chosen = pairs[np.argmax(lengths / np.sqrt(sizes[pairs].min(1)))]
    one, other = sorted(chosen, key=lambda label: -sizes[label])
    centres = [np.argwhere(labels == label).mean(0) for label in (one, other)]
    return (float(centres[0][0]), float(centres[0][1])), (float(centres[1][0]), float(centres[1][1]))


SCENES: dict[Callable[[set[str]], None], tuple[str, ...]] = {
    nuclei: ("opened", "clicking", "kept"),
    first_steps: ("samples", "first-steps"),
    timelapse: ("timelapse-review", "timelapse-correct", "timelapse-first", "timelapse-carried"),
    unet: ("convert-segmented", "convert-corrected"),
    stack: ("stack-first", "stack-carried", "stack-3d"),
}


def main(*wanted: str) -> None:
    """Take the pictures of these names, all without any."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["CLICKSEG_JOURNALS"] = folder
        os.environ["CLICKSEG_FIRST_STEPS"] = str(HERE / "take.py")  # seen, but where a scene asks for them
        for scene, names in SCENES.items():
            if chosen := set(names) & set(wanted or names):
                scene(chosen)


if __name__ == "__main__":
    main(*sys.argv[1:])
