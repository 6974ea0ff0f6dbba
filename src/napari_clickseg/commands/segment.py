"""clickseg segment: an image, or a folder of them, becomes labels: by tables of clicks, or by a model of one's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
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
    SHOWN,
    Command,
    Option,
    Unfinished,
    a_path,
    address,
    channels_seen,
    count,
    find_named,
    refuse_unused,
    share,
    size,
    warn,
)
from napari_clickseg.storage.output_checks import check_many, holds_zarr

if TYPE_CHECKING:
    from napari_clickseg.batch.segment import Done, Job

ENDING = ".tif"
GO_ON = "The same command goes on with it; what is written is kept."
FOR_FOLDERS = {"format", "jobs", "scheduler"}
"""Options that say nothing about one image."""


def run_segment(chosen: argparse.Namespace) -> None:
    """Segment an image, or every image of a folder, and write the labels."""
    find_named(chosen.model)  # refused before an image is read
    if chosen.clicks is not None and chosen.min_quality is not None:
        raise ValueError("--min-quality is about objects that a model finds itself; with --clicks, leave it out.")
    folder = is_folder_of_images(chosen.image)
    for path, what in ((chosen.clicks, "table"), (chosen.labels, "label image")):
        if path is not None and is_folder_of_images(path) != folder:
            wanted = f"a folder with a {what} for each image" if folder else f"the {what} of this image"
            raise ValueError(f"{path} is {_kind(path)}, but {chosen.image} is {_kind(chosen.image)}: name {wanted}.")
    if folder:
        _segment_folder(chosen)
    else:
        refuse_unused(chosen, "one image", {option.dest for option in COMMAND.options} - FOR_FOLDERS)
        _segment_one(chosen)


def is_folder_of_images(path: Path) -> bool:
    """Return whether a path holds images: a folder of files, or a zarr of several images, as a plate is."""
    if holds_zarr(path):
        from napari_clickseg.storage.read_images import images_in

        return images_in(path) not in ([], [path])
    return path.is_dir() and path.suffix.lower() != ".zarr"


def _kind(path: Path) -> str:
    return "a folder" if is_folder_of_images(path) else "a file" if path.is_file() else "a zarr"


def _job(chosen: argparse.Namespace, **paths: Any) -> Job:
    """The job of these paths; a weights file is named so that other processes find it."""
    from napari_clickseg.batch.segment import Job

    settings = {name: getattr(chosen, name) for name in ("device", "axes", "channel", "diameter", "background")}
    settings["least"] = chosen.min_quality
    model = str(Path(chosen.model).resolve()) if Path(chosen.model).is_file() else chosen.model
    return Job(**paths, **settings, model=model)


def _segment_one(chosen: argparse.Namespace) -> None:
    from napari_clickseg.batch.segment import segment_image

    paths = {name: getattr(chosen, name) for name in ("image", "output", "clicks", "labels", "alpha")}
    done = segment_image(_job(chosen, **paths, tracks=chosen.ctc), _watched)
    _tell_left_out(done)
    _tell_channels([done])
    print(f"written: {done.job.output} ({_objects(done)}, {done.model})")
    if chosen.ctc is not None:
        print(f"written: {chosen.ctc}")
    if chosen.alpha is not None:
        print(f"written: {chosen.alpha}")


def _watched(items: Sequence[Any], word: str) -> Iterable[Any]:
    from tqdm import tqdm

    return tqdm(items, unit=word)  # type: ignore[no-any-return]


# -- a folder ----------------------------------------------------------------------------------------------------------


def _segment_folder(chosen: argparse.Namespace) -> None:
    from napari_clickseg.batch.segment import check_finds
    from napari_clickseg.core.jobs import connected
    from napari_clickseg.models.load import load_model

    if chosen.alpha is not None:
        raise ValueError(f"--alpha takes one image, but {chosen.image} is a folder of images; name one of them.")
    if chosen.ctc is not None:
        raise ValueError(f"--ctc takes one movie, but {chosen.image} is a folder of images; name one of them.")
    if chosen.clicks is None:
        check_finds(load_model(chosen.model, chosen.device))  # refused once, not for each image
    with connected(chosen.scheduler) as cluster:
        jobs = _jobs_of(chosen)
        waiting = [job for job in jobs if chosen.force or not job.output.exists()]
        if len(waiting) < len(jobs):
            print(f"{len(jobs) - len(waiting)} of {len(jobs)} images are done already (--force does them again).")
        _make_folders(chosen, waiting)
        faults = _work(waiting, chosen.jobs, cluster)
    print(f"written: {len(waiting) - len(faults)} files of labels below {chosen.output}")
    if faults:
        raise Unfinished(f"{len(faults)} of {len(waiting)} images could not be segmented.")


def _make_folders(chosen: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """Make the folders that labels go into, and mark them, so that a later run does not take labels for images."""
    from napari_clickseg.storage.image_label_pairs import MARKER

    for job in jobs:
        job.output.parent.mkdir(parents=True, exist_ok=True)
    if jobs and chosen.output.resolve() not in chosen.image.resolve().parents:
        (chosen.output / MARKER).write_text("Labels that clickseg segment wrote; no images.\n", encoding="utf-8")


def _work(jobs: Sequence[Job], processes: int, cluster: Any | None) -> list[Done]:
    """Do the jobs; report each that fails, and return those."""
    from tqdm import tqdm

    from napari_clickseg.batch.segment import Done, attempt
    from napari_clickseg.core.jobs import Lost, results

    faults: list[Done] = []
    worked: list[Done] = []
    with tqdm(total=len(jobs), unit="image") as bar, closing(results(attempt, jobs, processes, cluster)) as answers:
        for answer in answers:
            bar.update()
            done = Done(answer.job, fault=f"{answer.why} {GO_ON}") if isinstance(answer, Lost) else answer
            _tell_left_out(done)
            (faults if done.fault else worked).append(done)
    _tell_channels(worked)
    for done in faults:
        named = "" if str(done.job.image) in done.fault else f"{done.job.image}: "
        print(f"clickseg segment: {named}{done.fault}", file=sys.stderr)
    return faults


def _tell_channels(done: Sequence[Done]) -> None:
    """Return which channels were looked at of images that have more, once for all that have as many."""
    counted = {one.channels: one for one in done if one.job.channel is None}
    for channels, one in sorted(counted.items()):
        warn("segment", channels_seen(channels, one.job.image.name))


def _jobs_of(chosen: argparse.Namespace) -> list[Job]:
    """One job per image below the folder; tables of clicks and labels lie below theirs under the same names."""
    from napari_clickseg.batch.segment import find_images
    from napari_clickseg.storage.image_label_pairs import tables_of

    folder, output = chosen.image.resolve(), chosen.output.resolve()
    if folder == output:
        raise ValueError(
            f"--output {chosen.output} is the folder of the images: labels would destroy images of the same name, or "
            "be taken for images later; name another folder."
        )
    images = find_images(folder, output)
    priors = _priors(chosen.labels, images, folder) if chosen.labels is not None else {}
    tables = None if chosen.clicks is None else tables_of(images, folder, chosen.clicks.resolve())
    jobs: dict[Path, Job] = {}
    for image in images if tables is None else tables:
        stem = image.relative_to(folder).with_suffix("")
        place = (output / stem).with_name(stem.name + chosen.format)
        if place in jobs:
            raise ValueError(f"{jobs[place].image} and {image} would both become {place}; rename one of them.")
        clicks = None if tables is None else tables[image]
        jobs[place] = _job(chosen, image=image, output=place, clicks=clicks, labels=priors.get(image))
    if not jobs:
        raise FileNotFoundError(f"There is no table of clicks for any image: wanted is {chosen.clicks}/NAME.csv.")
    check_many([*images, *priors.values(), *(tables or {}).values()], jobs)
    if tables is not None and len(tables) < len(images):
        without = len(images) - len(tables)
        warn("segment", f"{without} images have no table in {chosen.clicks} and are left out.")
    return list(jobs.values())


def _priors(labels: Path, images: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """The labels to begin with by image; report images that have none."""
    from napari_clickseg.storage.image_label_pairs import labels_of

    found = labels_of(images, folder, labels.resolve())
    if not found:
        raise FileNotFoundError(f"{labels} holds no labels of these images: wanted is {labels}/NAME.tif or the like.")
    if len(found) < len(images):
        without = len(images) - len(found)
        warn("segment", f"{without} of {len(images)} images have no labels in {labels} and begin empty.")
    return found


def _tell_left_out(done: Done) -> None:
    from tqdm import tqdm

    for number in done.left_out:
        tqdm.write(
            f"clickseg segment: {done.job.image.name}: object {number} is left out, its clicks give no pixels.",
            file=sys.stderr,
        )
    if done.blank:
        shown = "; ".join(",".join(map(str, frame)) for frame in done.blank[:SHOWN])
        more = " .." if len(done.blank) > SHOWN else ""
        tqdm.write(
            f"clickseg segment: {done.job.image.name}: {len(done.blank)} frames hold one value, or none, and get no "
            f"objects: {shown}{more}.",
            file=sys.stderr,
        )


def _objects(done: Done) -> str:
    verb = "found" if done.job.clicks is None else "clicked"
    return f"{done.objects} object{'' if done.objects == 1 else 's'} {verb}"


COMMAND = Command(
    "segment",
    "Segment an image, or a folder of images, by tables of clicks or by a model that finds objects itself.",
    run_segment,
    (
        Option.of(
            "image",
            role="reads",
            type=a_path,
            metavar="IMAGE",
            help="TIFF, PNG, JPEG, .npy, zarr; or a folder of them",
        ),
        Option.of(
            "--clicks",
            role="reads",
            type=a_path,
            metavar="CSV",
            help="table: object, positive, then a column per axis (t, z, y, x); or a folder of tables, NAME.csv each",
        ),
        Option.of(
            "--output",
            role=lambda chosen: "folder" if is_folder_of_images(chosen.image) else "labels",
            type=a_path,
            required=True,
            metavar="LABELS",
            help="labels to write: .tif, .zarr, .png, .npy; or a folder for them",
        ),
        Option.of(
            "--labels",
            role="reads",
            type=a_path,
            metavar="PRIOR",
            help="labels to start from; clicked ids are corrected",
        ),
        replace(BACKGROUND, needs="--labels"),
        Option.of(
            "--alpha",
            role="file",
            type=a_path,
            metavar="TIFF",
            help="also write how much of each pixel belongs to an object that was clicked, 0 to 1",
        ),
        CTC,
        MODEL,
        DEVICE,
        AXES,
        CHANNEL,
        Option.of(
            "--min-quality",
            type=share,
            metavar="Q",
            help="without --clicks: take suggested objects of at least this quality, 0 to 1 (default: 0.6)",
        ),
        Option.of("--diameter", type=size, metavar="PIXELS", help="expected object diameter; else estimated"),
        Option.of(
            "--format",
            choices=(".tif", ".zarr", ".png", ".npy"),
            default=ENDING,
            help="of the labels of a folder" + DEFAULT,
        ),
        Option.of("--force", action="store_true", help="of a folder, do also the images whose labels are there"),
        Option.of("--jobs", type=count, default=1, metavar="N", help="worker processes for a folder" + DEFAULT),
        Option.of(
            "--scheduler", type=address, metavar="ADDRESS", help="of a dask cluster that works on a folder instead"
        ),
    ),
)
