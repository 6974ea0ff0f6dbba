"""clickseg propagate: objects of one frame that is right are carried over the other frames of a movie or a stack."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg.commands.options import (
    AXES,
    BACKGROUND,
    CHANNEL,
    CTC,
    DEFAULT,
    DEVICE,
    MODEL,
    OUTPUT,
    Command,
    Option,
    a_path,
    channels_seen,
    check_table,
    comma_separated,
    find_named,
    frame_range,
    share,
    warn,
    write_tracks,
)
from napari_clickseg.propagation.plan import Plan

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.requests import Predictor
    from napari_clickseg.propagation.track_events import Event


def plan_of(chosen: argparse.Namespace, axes: str, counts: tuple[int, ...]) -> Plan:
    """Return the plan that the options describe.

    Raises
    ------
    ValueError
        Where the image has one frame, or options name what is not there or contradict each other.
    """
    if not counts:
        raise ValueError("This image is a single frame; there is nothing to carry objects to.")
    axis = _axis(chosen.along, axes)
    if chosen.between is not None:
        _check_between(chosen)
    start, end = chosen.between or (chosen.source, None)
    source = _frame(start, axes, counts)
    place, stop = source[axis], None if end is None else _frame(end, axes, counts)
    low, high = chosen.frames or (0, counts[axis] - 1)
    _check_there("--frames", chosen.frames or (), counts[axis])
    _check_there("--confirmed", chosen.confirmed, counts[axis])
    _check_sides(chosen, start, place)
    if stop is not None:
        step = 1 if stop[axis] > place else -1
        numbers = range(place + step, stop[axis], step)
    elif chosen.backwards:
        numbers = range(min(place - 1, high), low - 1, -1)
    else:
        numbers = range(max(place + 1, low), high + 1)
    if not numbers:
        raise ValueError(f"There is no frame to carry to from frame {start}: see --frames and --backwards.")
    at = [(*source[:axis], n, *source[axis + 1 :]) for n in (*numbers, *chosen.confirmed)]
    return Plan(source, tuple(at[: len(numbers)]), between=stop, confirmed=frozenset(at[len(numbers) :]))


def _check_there(option: str, numbers: Sequence[int], count: int) -> None:
    """Raise ValueError where some of the frames named are not there."""
    absent = [number for number in dict.fromkeys(numbers) if not 0 <= number < count]
    if absent:
        raise ValueError(f"{option}: there is no frame {', '.join(map(str, absent))}; there are 0 to {count - 1}.")


def _check_between(chosen: argparse.Namespace) -> None:
    """Raise ValueError where --between is beside an option that it makes useless."""
    unused = [f"--{name}" for name in ("from", "frames", "backwards") if OF_DIRECTION[name] in chosen.given]
    if unused:
        raise ValueError(f"--between carries to all frames between the two; leave out {', '.join(unused)}.")


def _check_sides(chosen: argparse.Namespace, start: str, place: int) -> None:
    """Raise ValueError where some of the frames named lie behind the direction of propagation."""
    if chosen.frames is None:
        return
    low, high = chosen.frames
    if low < place and not chosen.backwards:
        rest, way = _frames(low, min(high, place - 1)), "before it: carry to them with --backwards"
    elif high > place and chosen.backwards:
        rest, way = _frames(max(low, place + 1), high), "after it: carry to them without --backwards"
    else:
        return
    raise ValueError(
        f"--frames {low}-{high}, propagated from frame {start}: {rest} {way}. One run goes one way; "
        "for both, let the second begin with the labels that the first one wrote."
    )


def _frames(first: int, last: int) -> str:
    return f"frame {first} lies" if first == last else f"frames {first}-{last} lie"


def _axis(name: str | None, axes: str) -> int:
    wanted = axes[0] if name is None else name.upper()
    if len(wanted) != 1 or wanted not in axes:
        raise ValueError(f"--along {name} is no axis of frames; there is {', '.join(axes)}.")
    return axes.index(wanted)


def _frame(text: str, axes: str, counts: tuple[int, ...]) -> Frame:
    """Read "3" or "3,7": an index per axis of frames."""
    numbers = [number.strip() for number in text.split(",")]
    if len(numbers) != len(axes) or not all(number.isdigit() for number in numbers):
        along = ", ".join(f"{axis} (0 to {n - 1})" for axis, n in zip(axes, counts, strict=True))
        raise ValueError(f"Frame {text!r} is no index along {along}; name one as in {','.join('0' * len(axes))}.")
    frame = tuple(int(number) for number in numbers)
    if not all(k < n for k, n in zip(frame, counts, strict=True)):
        last = ",".join(str(n - 1) for n in counts)
        raise ValueError(f"There is no frame {text}: the last one along {', '.join(axes)} is {last}.")
    return frame


def named(frame: Frame) -> str:
    """Return a frame as `--from` takes it."""
    return ",".join(map(str, frame))


OF_DIRECTION = {"from": "source", "frames": "frames", "backwards": "backwards"}
"""Options that say where propagation goes, by the attribute of the parsed arguments."""
ALL = "all"
EVENT_COLUMNS = ("frame", "kind", "object", "sentence", "where")
REVIEW_COLUMNS = ("frame", "object", "score", "reasons")
TOLD = 20
"""So many events are printed; all of them go into the table."""


@dataclass(slots=True)
class Progress:
    """Mutable: what was carried so far."""

    last: Frame | None = None
    halted: str = ""
    events: list[Event] = field(default_factory=list)
    confidence: dict[Frame, dict[int, float]] = field(default_factory=dict)


def run_propagate(chosen: argparse.Namespace) -> None:
    """Carry objects and write the labels, also those of a run that Ctrl+C ended."""
    from napari_clickseg.batch.segment import room_for
    from napari_clickseg.models.load import load_model
    from napari_clickseg.storage import cell_tracking
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.write_labels import check_ids, check_labels_path, id_range

    check_labels_path(chosen.output)
    find_named(chosen.model)  # refused before the image is read
    image = read_image(chosen.image, chosen.axes, chosen.channel)
    warn("propagate", "" if image.channel is not None else channels_seen(image.channels, chosen.image.name))
    check_labels_path(chosen.output, image.label_axes)
    cell_tracking.check_target(chosen.ctc, image.label_axes)
    predictor = load_model(chosen.model, chosen.device)
    ndim = min(predictor.ndim, image.ndim)
    given = _given_labels(chosen.labels, image, ndim, chosen.background)
    plan = plan_of(chosen, image.label_axes[: image.ndim - ndim], image.frames_shape(ndim))
    first_only = tuple(given.shape) != image.shape
    lowest, highest = id_range(given)
    check_ids(chosen.output, lowest, highest)
    cell_tracking.check_ids(chosen.ctc, given)
    _check_objects(chosen.objects, given if first_only else given[plan.source], plan.source)
    progress = Progress()
    with room_for(None if first_only else given, image.shape, chosen.output.parent, highest) as labels:
        if first_only:
            labels[plan.source] = given
        try:
            _carry_and_write(chosen, image, labels, predictor, plan, progress)
        except KeyboardInterrupt:
            _tell_where(progress, plan, chosen.output)
            raise
    _tell(progress, chosen.output)


def _check_objects(wanted: Sequence[int] | None, given: Any, source: Frame) -> None:
    """Raise ValueError where ids to carry are not on the frame that they are carried from."""
    import numpy as np

    there = np.unique(given)
    there = there[there > 0]
    absent = sorted(set(wanted or ()) - set(there.tolist()))
    if absent:
        shown = ", ".join(map(str, there[:TOLD].tolist())) + (" .." if len(there) > TOLD else "")
        missing = ", ".join(map(str, absent))
        raise ValueError(f"--objects: frame {named(source)} has no object {missing}; there are {shown or 'none'}.")


def _carry_and_write(
    chosen: argparse.Namespace, image: Image, labels: Any, predictor: Predictor, plan: Plan, progress: Progress
) -> None:
    """Carry objects; whatever ends that, write how far they came."""
    from napari_clickseg.storage.write_labels import write_or_keep

    try:
        _carry(chosen, image, labels, predictor, plan, progress)
    finally:
        if progress.last is not None:
            write_or_keep(chosen.output, labels, image.label_axes, image.spacing, image.geometry)
            drawn = sum(map(bool, progress.confidence.values()))
            print(f"written: {chosen.output} ({drawn} of {len(plan.targets)} frames, {_counted(progress.events)})")
            _write_tables(chosen, labels, plan, min(predictor.ndim, image.ndim), progress)


def _carry(
    chosen: argparse.Namespace, image: Image, labels: Any, predictor: Predictor, plan: Plan, progress: Progress
) -> None:
    from tqdm import tqdm

    from napari_clickseg.propagation.propagate import carry
    from napari_clickseg.session.drawing import write_edits

    steps = carry(
        image,
        labels,
        predictor,
        plan.source,
        plan.targets,
        chosen.objects,
        plan.confirmed,
        chosen.least,
        between=plan.between,
        asked=chosen.asked,
    )
    for carried in tqdm(steps, total=len(plan.targets), unit="frame"):
        write_edits(labels, {carried.frame: carried.edit})
        progress.halted = carried.halted
        progress.events.extend(carried.events)
        if carried.frame not in plan.confirmed:
            progress.last = carried.frame
            progress.confidence[carried.frame] = dict(carried.edit.confidence)


# -- what was asked for ------------------------------------------------------------------------------------------------


def _given_labels(path: Path, image: Image, ndim: int, background: int | None) -> Any:
    """Open labels of the whole image, or of one frame."""
    from napari_clickseg.storage.read_labels import read_labels_for

    return read_labels_for(path, image.shape, image.frame_shape(ndim), background=background)


# -- what is printed ---


def _write_tables(chosen: argparse.Namespace, labels: Any, plan: Plan, ndim: int, progress: Progress) -> None:
    """Write what is wanted beside the labels; what fails is not in the way of the rest.

    Raises
    ------
    OSError
        With what failed, when all else is written.
    """
    problems = []
    for path, write in (
        (chosen.ctc, partial(_write_ctc, labels=labels, progress=progress)),
        (chosen.events, partial(_write_events, progress=progress)),
        (chosen.review, partial(_write_review, labels=labels, plan=plan, ndim=ndim, progress=progress)),
    ):
        if path is not None:
            try:
                write(path)
            except (OSError, ValueError) as problem:
                problems.append(str(problem))
    if problems:
        raise OSError(f"{' '.join(problems)} The labels are in {chosen.output}.")


def _write_ctc(path: Path, labels: Any, progress: Progress) -> None:
    from napari_clickseg.storage.cell_tracking import parents_of

    write_tracks(path, labels, parents_of(progress.events, labels))


def _write_events(path: Path, progress: Progress) -> None:
    from napari_clickseg.storage.tables import write_table

    write_table(path, [_event_row(event) for event in progress.events], EVENT_COLUMNS)
    print(f"written: {path}")


def _write_review(path: Path, labels: Any, plan: Plan, ndim: int, progress: Progress) -> None:
    from napari_clickseg.storage.tables import write_table

    write_table(path, _review_rows(labels, plan, ndim, progress), REVIEW_COLUMNS)
    print(f"written: {path}")


def _event_row(event: Event) -> dict[str, object]:
    at = "; ".join(" ".join(f"{p:g}" for p in position) for position in event.positions)
    values = (named(event.frame), event.kind, event.label or "", event.sentence, at)
    return dict(zip(EVENT_COLUMNS, values, strict=True))


def _review_rows(labels: Any, plan: Plan, ndim: int, progress: Progress) -> list[dict[str, object]]:
    """What deserves a look first, among the frames that were carried to."""
    from napari_clickseg.review.rules import doubts

    frames = sorted({plan.source, *progress.confidence})
    right = {plan.source, *plan.confirmed}
    found = doubts(labels, frames, ndim, progress.confidence, right)
    rows = [(named(doubt.frame), doubt.label or "", f"{doubt.score:.3f}", "; ".join(doubt.reasons)) for doubt in found]
    return [dict(zip(REVIEW_COLUMNS, row, strict=True)) for row in rows]


def _tell(progress: Progress, output: Path) -> None:
    for event in progress.events[:TOLD]:
        print(f"frame {named(event.frame)}: {event.sentence}")
    if len(progress.events) > TOLD:
        print(f".. and {len(progress.events) - TOLD} more events; --events FILE.csv writes them all.")
    if progress.halted:
        print(progress.halted)
    if progress.last is None:
        print(f"nothing was carried, so {output} is not written.")


def _counted(events: list[Event]) -> str:
    counts = Counter(event.kind for event in events)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "no events"


def _tell_where(progress: Progress, plan: Plan, output: Path) -> None:
    """Say how a run goes on that was ended by Ctrl+C."""
    if progress.last is not None:
        print(
            f"clickseg propagate: {len(progress.confidence)} of {len(plan.targets)} frames are in {output}; "
            f"go on with --labels {output} --from {named(progress.last)} and another --output.",
            file=sys.stderr,
        )


# -- options -----------------------------------------------------------------------------------------------------------


def _numbers(text: str) -> list[int]:
    parts = comma_separated(text)
    if not all(part.removeprefix("-").isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text} is no list of whole numbers, as in 1,2")
    return [int(part) for part in parts]


def _asked(text: str) -> int | None:
    """Read a whole number from 0 on, or "all"."""
    if text == ALL:
        return None
    number = int(text) if text.isdecimal() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} must be {ALL}, or a number from 0 on")
    return number


COMMAND = Command(
    "propagate",
    "Carry the objects of one frame over the other frames of a movie or a stack.",
    run_propagate,
    (
        Option.of("image", role="reads", type=a_path, metavar="IMAGE", help="a movie or a stack: TIFF, .npy, zarr"),
        Option.of(
            "--labels",
            role="reads",
            type=a_path,
            required=True,
            help="labels of the frame that is right, or of all frames",
        ),
        BACKGROUND,
        OUTPUT,
        Option.of("--from", dest="source", default="0", metavar="FRAME", help="the frame that is right" + DEFAULT),
        Option.of("--frames", type=frame_range, metavar="A-B", help="carry to these only"),
        Option.of("--backwards", action="store_true", help="carry to the frames before it"),
        Option.of("--between", nargs=2, metavar=("A", "B"), help="two frames that are right: carry to those between"),
        Option.of("--along", metavar="AXIS", help="the axis to propagate along, where frames lie along several (t, z)"),
        Option.of("--objects", type=_numbers, metavar="1,2", help="ids to carry; else all of the frame"),
        Option.of("--confirmed", type=_numbers, default=(), metavar="N,M", help="frames that are right; it ends there"),
        Option.of("--least", type=share, default=0.5, metavar="P", help="objects less certain are lost" + DEFAULT),
        Option.of("--asked", type=_asked, default=24, metavar="N", help="objects of a frame put to the model, or all"),
        Option.of(
            "--events",
            role="file",
            type=a_path,
            check=check_table,
            metavar="CSV",
            help="write a table of events: objects that left, divided or merged",
        ),
        Option.of(
            "--review",
            role="file",
            type=a_path,
            check=check_table,
            metavar="CSV",
            help="write what to look at first into a table",
        ),
        CTC,
        MODEL,
        DEVICE,
        AXES,
        CHANNEL,
    ),
)
