"""Curves: the rows of benchmark CSVs as arrays, cut down to what models can be compared on.

Models are compared on the objects that all of them saw, and up to the click that all of them were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_clickseg.benchmark.starting_masks import SCRATCH
from napari_clickseg.core.metrics import Values, carried_on

if TYPE_CHECKING:
    from napari_clickseg.benchmark.click_runs import Row

NATURAL = "natural_"
"""Sources with this prefix are photographs; averages over microscopy leave them out."""

ObjectKey = tuple[str, str, str]
"""Image, frame and object, as in the CSV."""


class Setting(NamedTuple):
    """What models share when they are compared."""

    source: str
    robot: str
    start: str = SCRATCH


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One model's curves: arrays with one row per object, and but for `begun` one column per click.

    Attributes
    ----------
    objects : tuple of (str, str, str)
        Sorted.
    begun : array (objects,)
        IoU of the mask that the clicks started from; 0 from scratch.
    ious, boundary : array (objects, clicks)
        A curve that ended because nothing was wrong any more keeps its last value.
    corrected, seconds : array (objects, clicks)
        Not a number where no click was made; `corrected` also where the clicked pixel was right before.
    """

    objects: tuple[ObjectKey, ...]
    begun: Values
    ious: Values
    boundary: Values
    corrected: Values
    seconds: Values

    def of(self, objects: Iterable[ObjectKey]) -> Measured:
        """Return the curves of these objects only, in this order."""
        chosen = tuple(objects)
        places = {key: place for place, key in enumerate(self.objects)}
        index = [places[key] for key in chosen]
        arrays = {field.name: getattr(self, field.name)[index] for field in fields(self) if field.name != "objects"}
        return replace(self, objects=chosen, **arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Models on the same objects.

    Attributes
    ----------
    models : dict of str to Measured
        In the order of the alphabet.
    seen : int
        The objects that any of the models saw; at least as many as they are compared on.
    """

    models: Mapping[str, Measured]
    seen: int

    @property
    def objects(self) -> tuple[ObjectKey, ...]:
        return next(iter(self.models.values())).objects

    @property
    def clicks(self) -> int:
        """Clicks per object at most."""
        return int(next(iter(self.models.values())).ious.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """All comparisons, and the robot whose clicks the tables are about unless they say otherwise."""

    robot: str
    comparisons: Mapping[Setting, Comparison]

    @property
    def sources(self) -> list[str]:
        """Sources of the main robot's clicks from scratch: microscopy first, photographs last."""
        mine = {setting.source for setting in self.comparisons if setting[1:] == (self.robot, SCRATCH)}
        return sorted(mine, key=lambda source: (source.startswith(NATURAL), source))

    @property
    def microscopy(self) -> list[str]:
        return [source for source in self.sources if not source.startswith(NATURAL)]

    @property
    def robots(self) -> list[str]:
        """The main robot, then the others."""
        others = {setting.robot for setting in self.comparisons if setting.start == SCRATCH}
        return sorted(others, key=lambda robot: (robot != self.robot, robot))

    @property
    def starts(self) -> list[str]:
        """Kinds of bad masks that the main robot corrected."""
        kinds = {setting.start for setting in self.comparisons if setting.robot == self.robot}
        return sorted(kinds - {SCRATCH})

    def scratch(self, source: str) -> Comparison:
        """The main robot's clicks from scratch on a source."""
        return self.comparisons[Setting(source, self.robot)]


def collect(rows: Iterable[Row], robot: str, clicks: int) -> Results:
    """Return what can be compared, up to so many clicks; an object that comes again replaces what came before.

    Raises
    ------
    ValueError
        Where models saw no object in common, or the robot did not click from scratch on any source.
    """
    traces: dict[Setting, dict[str, dict[ObjectKey, list[Row]]]] = {}
    for row in rows:
        setting = Setting(row["source"], row["robot"], row["start"])
        objects = traces.setdefault(setting, {}).setdefault(row["model"], {})
        trace = objects.setdefault((row["image"], row["frame"], row["object"]), [])
        if trace and int(row["click"]) <= int(trace[-1]["click"]):
            trace.clear()
        trace.append(row)
    if not any(setting[1:] == (robot, SCRATCH) for setting in traces):
        there = ", ".join(sorted({setting.robot for setting in traces if setting.start == SCRATCH})) or "none"
        raise ValueError(f"No row is of the robot {robot!r} clicking from scratch; the robots that did are: {there}.")
    for setting, models in traces.items():
        for model, objects in models.items():
            for key, trace in objects.items():
                _check_whole(setting, model, key, trace)
    compared = {setting: _comparison(setting, models, clicks) for setting, models in sorted(traces.items())}
    return Results(robot, compared)


def _check_whole(setting: Setting, model: str, key: ObjectKey, trace: Sequence[Row]) -> None:
    """Refuse a curve of which a click is missing: those after it would count as earlier ones."""
    numbers = [int(row["click"]) for row in trace]
    first = 1 if setting.start == SCRATCH else 0
    lacking = sorted(set(range(first, numbers[-1] + 1)) - set(numbers))
    if lacking:
        raise ValueError(
            f"Click {lacking[0]} of {model} on object {key[2]} of {setting.source} {key[0]} (robot {setting.robot}, "
            f"start {setting.start}) is missing from the rows; delete the object's other rows and run it again."
        )


def shared(measured: Iterable[Measured]) -> list[ObjectKey]:
    """Return the objects that are in all of these, sorted."""
    return sorted(set.intersection(*(set(one.objects) for one in measured)))


def _comparison(setting: Setting, models: Mapping[str, Mapping[ObjectKey, Sequence[Row]]], clicks: int) -> Comparison:
    both = sorted(set.intersection(*(set(objects) for objects in models.values())))
    if not both:
        raise ValueError(
            f"{', '.join(sorted(models))} saw no object of {setting.source} in common (robot {setting.robot}, start "
            f"{setting.start}), so they cannot be compared; run them over the same sample."
        )
    given = min([clicks, *(_given(objects[key], clicks) for objects in models.values() for key in both)])
    measured = {name: _measured({key: models[name][key] for key in both}, given) for name in sorted(models)}
    return Comparison(measured, len(set().union(*models.values())))


def _given(trace: Sequence[Row], clicks: int) -> int:
    """Clicks that the model was given; all where it ended because nothing was wrong any more."""
    return clicks if float(trace[-1]["iou"]) == 1.0 else int(trace[-1]["click"])


def _measured(traces: Mapping[ObjectKey, Sequence[Row]], clicks: int) -> Measured:
    begun = {key: trace[0] for key, trace in traces.items() if trace[0]["click"] == "0"}
    clicked = {key: trace[1:] if key in begun else trace for key, trace in traces.items()}

    def held(column: str) -> Values:
        first = [float(begun[key][column]) if key in begun else 0.0 for key in traces]
        later = [[float(row[column]) for row in rows] for rows in clicked.values()]
        return np.array([carried_on([a, *curve], clicks + 1) for a, curve in zip(first, later, strict=True)])

    def made(column: str) -> Values:
        values = np.full((len(traces), clicks), np.nan)
        for line, rows in zip(values, clicked.values(), strict=True):
            line[: len(rows)] = [float(row[column] or "nan") for row in rows[:clicks]]
        return values

    ious = held("iou")
    return Measured(
        tuple(traces), ious[:, 0], ious[:, 1:], held("boundary_f")[:, 1:], made("corrected"), made("seconds")
    )
