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
    CTC,
    DEFAULT,
    DEVICE,
    MODEL,
    Command,
    Option,
    Unfinished,
    count,
    find_named,
    size,
)

if TYPE_CHECKING:
    from napari_clickseg.batch.segment import Done, Job

ENDING = ".tif"


def run_segment(chosen: argparse.Namespace) -> None:
    """Segment an image, or every image of a folder, and write the labels."""
    find_named(chosen.model)  # refused before an image is read
    if chosen.image.is_dir() and chosen.image.suffix.lower() != ".zarr":
        _segment_folder(chosen)
    else:
        _segment_one(chosen)


def _job(chosen: argparse.Namespace, **paths: Any) -> Job:
    """The job of these paths; a weights file is named so that other processes find it."""
    from napari_clickseg.batch.segment import Job

    settings = {name: getattr(chosen, name) for name in ("device", "axes", "channel", "diameter")}
    model = str(Path(chosen.model).resolve()) if Path(chosen.model).is_file() else chosen.model
    return Job(**paths, **settings, model=model)


def _segment_one(chosen: argparse.Namespace) -> None:
    from napari_clickseg.batch.segment import segment_image

    paths = {name: getattr(chosen, name) for name in ("image", "output", "clicks", "labels")}
    done = segment_image(_job(chosen, **paths, tracks=chosen.ctc), _watched)
    _tell_left_out(done)
    print(f"written: {done.job.output} ({_objects(done)}, {done.model})")
    if chosen.ctc is not None:
        print(f"written: {chosen.ctc}")


def _watched(items: Sequence[Any], word: str) -> Iterable[Any]:
    from tqdm import tqdm

    return tqdm(items, unit=word)  # type: ignore[no-any-return]


# -- a folder ----------------------------------------------------------------------------------------------------------


def _segment_folder(chosen: argparse.Namespace) -> None:
    from napari_clickseg.batch.segment import check_finds
    from napari_clickseg.core.jobs import connected
    from napari_clickseg.models.load import load_model

    if chosen.ctc is not None:
        raise ValueError(f"--ctc takes one movie, but {chosen.image} is a folder of images; name one of them.")
    if chosen.clicks is None:
        check_finds(load_model(chosen.model, chosen.device))  # refused once, not for each image
    with connected(chosen.scheduler) as cluster:
        jobs = _jobs_of(chosen)
        waiting = [job for job in jobs if chosen.force or not job.output.exists()]
        if len(waiting) < len(jobs):
            print(f"{len(jobs) - len(waiting)} of {len(jobs)} images are done already (--force does them again).")
        for job in waiting:
            job.output.parent.mkdir(parents=True, exist_ok=True)
        faults = _work(waiting, chosen.jobs, cluster)
    print(f"written: {len(waiting) - len(faults)} files of labels below {chosen.output}")
    if faults:
        raise Unfinished(f"{len(faults)} of {len(waiting)} images could not be segmented.")


def _work(jobs: Sequence[Job], processes: int, cluster: Any | None) -> list[Done]:
    """Do the jobs; tell of each that fails, and return those."""
    from tqdm import tqdm

    from napari_clickseg.batch.segment import attempt
    from napari_clickseg.core.jobs import results

    faults = []
    with tqdm(total=len(jobs), unit="image") as bar, closing(results(attempt, jobs, processes, cluster)) as answers:
        for done in answers:
            bar.update()
            _tell_left_out(done)
            if done.fault:
                faults.append(done)
    for done in faults:
        print(f"clickseg segment: {done.job.image}: {done.fault}", file=sys.stderr)
    return faults


def _jobs_of(chosen: argparse.Namespace) -> list[Job]:
    """One job per image below the folder; tables of clicks and labels lie below theirs under the same names."""
    from napari_clickseg.batch.segment import find_images

    folder = chosen.image.resolve()
    jobs: dict[Path, Job] = {}
    without = 0
    for image in find_images(folder):
        stem = image.relative_to(folder).with_suffix("")
        output = (chosen.output.resolve() / stem).with_name(stem.name + chosen.format)
        if output in jobs:
            raise ValueError(f"{jobs[output].image} and {image} would both become {output}; rename one of them.")
        job = _job(chosen, image=image, output=output, clicks=None, labels=_beside(chosen.labels, stem))
        if chosen.clicks is not None:
            job = replace(job, clicks=(chosen.clicks.resolve() / stem).with_name(f"{stem.name}.csv"))
            if not (job.clicks and job.clicks.is_file()):
                without += 1
                continue
        jobs[output] = job
    if not jobs:
        raise FileNotFoundError(f"There is no table of clicks for any image: wanted is {chosen.clicks}/NAME.csv.")
    if without:
        print(f"clickseg segment: {without} images have no table in {chosen.clicks} and are left out.", file=sys.stderr)
    return list(jobs.values())


def _beside(folder: Path | None, stem: Path) -> Path | None:
    """The labels of an image, in a folder of labels; None where it has none."""
    if folder is None:
        return None
    found = sorted((folder.resolve() / stem).parent.glob(f"{stem.name}.*"))
    return found[0] if found else None


def _tell_left_out(done: Done) -> None:
    from tqdm import tqdm

    for number in done.left_out:
        tqdm.write(
            f"clickseg segment: {done.job.image.name}: object {number} is left out, its clicks give no pixels.",
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
        Option.of("image", type=Path, metavar="IMAGE", help="TIFF, PNG, JPEG, .npy, zarr; or a folder of them"),
        Option.of(
            "--clicks",
            type=Path,
            metavar="CSV",
            help="table: object, positive, then a column per axis (t, z, y, x); or a folder of tables, NAME.csv each",
        ),
        Option.of(
            "--output",
            type=Path,
            required=True,
            metavar="LABELS",
            help="labels to write: .tif, .zarr, .png, .npy; or a folder for them",
        ),
        Option.of("--labels", type=Path, metavar="PRIOR", help="labels to start from; clicked ids are corrected"),
        CTC,
        MODEL,
        DEVICE,
        Option.of("--axes", metavar="TZCYX", help="the image's axes, where the file does not tell"),
        Option.of("--channel", type=int, metavar="N", help="the one channel to use, counted from 0"),
        Option.of("--diameter", type=size, metavar="PIXELS", help="expected object diameter; else estimated"),
        Option.of(
            "--format",
            choices=(".tif", ".zarr", ".png", ".npy"),
            default=ENDING,
            help="of the labels of a folder" + DEFAULT,
        ),
        Option.of("--force", action="store_true", help="of a folder, do also the images whose labels are there"),
        Option.of("--jobs", type=count, default=1, metavar="N", help="worker processes for a folder" + DEFAULT),
        Option.of("--scheduler", metavar="ADDRESS", help="of a dask cluster that works on a folder instead"),
    ),
)
