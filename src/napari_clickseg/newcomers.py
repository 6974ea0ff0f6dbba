"""Newcomers: what looks like an object of the source frame, but is nobody's and was not there before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_clickseg.carrier import Scene
from napari_clickseg.events import Event, appearance, new_objects
from napari_clickseg.weighing import Brightness


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What objects of the source frame have in common, to tell what appears later."""

    brightness: Brightness
    area: float

    @classmethod
    def of(cls, scene: Scene) -> Usual | None:
        """Return it where brightness tells objects from background; else None."""
        grey, taken = scene.plane.block, scene.taken
        if not grey.size or taken is None:
            return None
        inside = taken.on(scene.plane.region)
        brightness = Brightness.of(grey, inside, ~inside)
        if not brightness.telling:
            return None
        return cls(brightness, float(np.median([outline.area for outline in scene.outlines.values()])))

    def appeared(self, before: Scene, after: Scene) -> Iterator[Event]:
        """Yield an event for each new object that lies where both scenes were read."""
        region = before.plane.region.intersection(after.plane.region)
        if not region.size:
            return
        taken = np.zeros(region.shape, bool) if after.taken is None else after.taken.on(region)
        for outline in new_objects(self.brightness(after.plane.cut(region)), taken, region, self.area):
            was_there = self.brightness(before.plane.cut(outline.region))[outline.mask] > 0
            if was_there.mean() < 0.5:
                yield appearance(after.plane.frame, outline)
