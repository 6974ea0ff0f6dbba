"""clickseg replay: a session file is replayed, headless; models are asked anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg.commands.options import (
    CHANNEL,
    CTC,
    DEVICE,
    OUTPUT,
    Command,
    Option,
    a_path,
    check_table,
    find_named,
    write_tracks,
)

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.requests import Predictor
    from napari_clickseg.storage.session_file import Replay, Saved, Summary

TOLD = 10
"""So many objects that came out otherwise are named one by one."""


def run_replay(chosen: argparse.Namespace) -> None:
    """Do a saved session again and write the labels; say whether they are those that were recorded."""
    from tqdm import tqdm

    from napari_clickseg.batch.segment import open_labels, room_for
    from napari_clickseg.session.session import Session
    from napari_clickseg.storage import cell_tracking
    from napari_clickseg.storage.atomic import written_whole
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.session_file import Replay, Summary, load_session
    from napari_clickseg.storage.tables import write_clicks_csv
    from napari_clickseg.storage.write_labels import check_ids, check_labels_path, id_range, write_or_keep

    check_labels_path(chosen.output)
    saved = load_session(chosen.session)
    image = read_image(chosen.image, saved.image.axes, chosen.channel)
    _check_image(saved, image, chosen.image)
    check_labels_path(chosen.output, image.label_axes)
    cell_tracking.check_target(chosen.ctc, image.label_axes)
    load = _loader(saved, chosen)
    start = _start(saved, image, chosen.labels)
    lowest, highest = (0, 0) if start is None else id_range(start)
    check_ids(chosen.output, lowest, max(highest, *saved.labels.areas, 0))
    cell_tracking.check_ids(chosen.ctc, start, saved.labels.areas)
    against = None if chosen.against is None else open_labels(chosen.against, image, background=0)
    with room_for(start, image.shape, chosen.output.parent, max(highest, *saved.labels.areas, 0)) as labels:
        session = Session(image, load(saved.began.model), labels, highest=saved.highest, classes=saved.classes)
        saved.began.apply_to(session)
        replay = Replay(saved, session, load)
        for _ in tqdm(replay.steps(), total=len(saved.entries), unit="act"):
            pass
        write_or_keep(chosen.output, labels, image.label_axes, image.spacing, image.geometry)
        print(f"written: {chosen.output}")
        if chosen.ctc is not None:
            write_tracks(chosen.ctc, labels, {})
        for line in _differences(replay, Summary.of(labels)):
            print(line)
        if against is not None:
            _compare(labels, against, chosen.against)
    if chosen.clicks is not None:
        with written_whole(chosen.clicks) as unfinished:
            write_clicks_csv(unfinished, saved.clicks(), image.label_axes)
        print(f"written: {chosen.clicks}")


def _check_image(saved: Saved, image: Image, path: Path) -> None:
    if tuple(image.array.shape) != saved.image.shape:
        raise ValueError(
            f"{path} has the shape {tuple(image.array.shape)}, but the session is about "
            f"{saved.image.name or 'an image'} of shape {saved.image.shape}."
        )
    if not saved.image.shows(image):
        _warn(f"{path} does not show what the session was about ({saved.image.name or 'an image without a file'}).")


def _start(saved: Saved, image: Image, path: Path | None) -> Any | None:
    """The labels that the session began with, if any."""
    from napari_clickseg.batch.segment import open_labels

    if path is not None:
        return open_labels(path, image, background=0)
    if saved.highest:
        raise ValueError(
            f"The session began with labels (ids up to {saved.highest}); name their file with --labels, "
            "as they were before it."
        )
    return None


def _loader(saved: Saved, chosen: argparse.Namespace) -> Callable[[str], Predictor]:
    """What gives the model of a name: the one that --model names in place of all, else the one recorded."""
    from functools import cache

    from napari_clickseg.models.load import load_model
    from napari_clickseg.storage.atomic import checksum

    @cache
    def load(name: str) -> Predictor:
        entry = find_named(chosen.model or name)
        recorded = saved.models.get(name, "")
        if chosen.model is None and entry.path is not None and recorded and checksum(entry.path) != recorded:
            _warn(f"the model {name!r} has other weights than the one that was recorded.")
        return load_model(chosen.model or name, chosen.device)

    return load


def _differences(replay: Replay, now: Summary) -> Iterator[str]:
    """Sentences about what came out."""
    then = replay.saved.labels
    for problem in replay.problems:
        _warn(problem)
    if now == then:
        yield f"The labels are the same as recorded: {len(now.areas)} objects, checksum {now.sha256[:12]}."
        return
    other = [label for label in sorted(now.areas.keys() | then.areas.keys()) if _area(now, label) != _area(then, label)]
    yield f"The labels are not those recorded: {len(other)} of {len(then.areas)} objects have another area."
    yield from (f"object {label}: {_area(now, label)} px, recorded {_area(then, label)} px" for label in other[:TOLD])
    if len(other) > TOLD:
        yield f".. and {len(other) - TOLD} more"


def _area(summary: Summary, label: int) -> int:
    return summary.areas.get(label, 0)


def _compare(labels: Any, recorded: Any, path: Path) -> None:
    """Print how many pixels differ from labels that were saved, in all and for each object."""
    from collections import Counter

    import numpy as np

    total, by_object = 0, Counter[int]()
    for index in np.ndindex(*labels.shape[:-2]):
        ours, theirs = np.asarray(labels[index]), np.asarray(recorded[index])
        other = ours != theirs
        total += int(other.sum())
        by_object.update(_counts(ours[other], theirs[other]))
    print(f"{total} pixels differ from {path}.")
    for label, count in sorted(by_object.items(), key=lambda item: -item[1])[:TOLD]:
        print(f"object {label}: {count} pixels")


def _counts(ours: Any, theirs: Any) -> dict[int, int]:
    """Pixels by object of those that differ: each counts for either object that it belongs to."""
    import numpy as np

    both = np.concatenate([ours, theirs])
    ids, counts = np.unique(both[both != 0], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _warn(sentence: str) -> None:
    print(f"clickseg replay: {sentence}", file=sys.stderr)


COMMAND = Command(
    "replay",
    "Replay a session file, on the same image or another one of its shape.",
    run_replay,
    (
        Option.of("session", role="reads", type=a_path, metavar="SESSION", help="session file (JSON)"),
        Option.of("image", role="reads", type=a_path, metavar="IMAGE", help="TIFF, PNG, JPEG, .npy, zarr"),
        OUTPUT,
        Option.of(
            "--labels",
            role="reads",
            type=a_path,
            metavar="START",
            help="the labels that the session began with, if any",
        ),
        Option.of(
            "--against", role="reads", type=a_path, metavar="LABELS", help="labels to compare with, pixel by pixel"
        ),
        Option.of(
            "--clicks",
            role="file",
            type=a_path,
            check=check_table,
            metavar="CSV",
            help="also write the clicks, as a table for clickseg segment",
        ),
        CTC,
        Option.of("--model", role="model", metavar="NAME_OR_PATH", help="this model in place of those recorded"),
        DEVICE,
        CHANNEL,
    ),
)
