"""clickseg bench: models and robots click through labelled images; tables, report and plots come out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from napari_clickseg.commands.bench_learning import bench_learning
from napari_clickseg.commands.bench_suggestions import bench_suggestions, items_of
from napari_clickseg.commands.options import (
    BACKGROUND,
    DEFAULT,
    DEVICE,
    Command,
    Option,
    a_path,
    address,
    comma_separated,
    count,
    find_named,
    from_zero,
    refuse_unused,
)

if TYPE_CHECKING:
    from napari_clickseg.benchmark.annotation_formats import Item
    from napari_clickseg.benchmark.click_runs import Job
    from napari_clickseg.benchmark.conversion import Corrector, Row
    from napari_clickseg.benchmark.datasets import Target


def bench_sequences(chosen: argparse.Namespace) -> None:
    """Measure what was asked for on each movie and model, and print its table.

    Raises
    ------
    ValueError
        Where nothing of this name can be measured, or a source is no movie or stack.
    """
    from napari_clickseg.benchmark.sequence_tables import LEDGERS, TABLES
    from napari_clickseg.benchmark.sequences import read_movie
    from napari_clickseg.models.load import load_model

    if chosen.sequences not in LEDGERS:
        raise ValueError(f"There is no measure {chosen.sequences!r} of sequences; there are {', '.join(LEDGERS)}.")
    ledger = LEDGERS[chosen.sequences]
    names = [find_named(name).name if not Path(name).is_file() else name for name in chosen.models]
    movies = [read_movie(item, chosen.frames, chosen.side) for item in items_of(chosen)]
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / f"{ledger.file}.csv"
    done = ledger.done(path)
    for name in names:
        predictor = load_model(name, chosen.device)
        for movie in movies:
            for part in ledger.parts:
                if (movie.source, movie.name, name, part) not in done:
                    print(f"{name} on {movie.source} {movie.name}: {part}", flush=True)
                    ledger.append(path, ledger.measure(movie, predictor, name, part))
    print(TABLES[chosen.sequences](ledger.read(path)))
    print(f"written: {path}")


TABLE = "conversion.csv"


def bench_corrections(chosen: argparse.Namespace) -> None:
    """Correct what failed on a sample of images, and print what the clicks brought."""
    from napari_clickseg.benchmark.conversion import correctors, read_corrections, run_corrections
    from napari_clickseg.benchmark.correction_tables import aims_table, failures_table, gains_table

    images = _images(chosen)
    names = [find_named(name).name if not Path(name).is_file() else name for name in chosen.models]
    by = correctors(names, chosen.device)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / TABLE
    run_corrections(images, by, path, chosen.failures, chosen.device)
    rows = read_corrections(path)
    print("\n\n".join(table(rows) for table in (aims_table, gains_table, failures_table)))
    print(f"written: {path}")
    if chosen.record:
        _record(rows, by)


def _images(chosen: argparse.Namespace) -> list[Item]:
    from napari_clickseg.benchmark.conversion import sample_images

    images = sample_images(items_of(chosen), chosen.images, chosen.seed)
    if not images:
        raise ValueError(f"There are no planes with objects in the split {chosen.split!r}.")
    return images


def _record(rows: Sequence[Row], by: Sequence[Corrector]) -> None:
    """Write into the cards of models that corrected their own labels what they find before any click."""
    from napari_clickseg.benchmark.correction_tables import found_metrics
    from napari_clickseg.models.card import record_metrics
    from napari_clickseg.models.registry import find_model

    for entry in (find_model(who.model) for who in by if who.labels == who.model):
        if entry.path is not None and not entry.switches:
            record_metrics(entry.path, found_metrics(rows, entry.name))
            print(f"recorded in the card of {entry.path}")


DATA = ("models", "data", "sources", "split", "background", "out", "device", "jobs")
USED = {
    "report": ("page", "out", "robot", "max_clicks"),
    "correct": (*DATA, "images", "failures", "seed", "record"),
    "sequences": (*DATA, "frames", "side"),
    "suggest": (*DATA, "seed", "whole_job"),
    "learn": (*DATA[1:], "seed"),
    "gui": ("models", "out"),
}
"""The options that count where bench does something else than to click, by what it is to do."""
CLICKS_TABLE, MEMORY_TABLE = "clicks.csv", "memory.csv"


def usable_cores() -> int:
    """Return how many processor cores this process may use, which may be fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_bench(chosen: argparse.Namespace) -> None:
    """Measure clicks to quality over labelled images, or the panel's speed; or print again what was measured."""
    for mode, used in USED.items():
        if getattr(chosen, mode):
            refuse_unused(chosen, f"--{mode}", {mode, *used})
    if chosen.page is not None:
        return _bench_page(chosen)
    if chosen.report:
        return _bench_report(chosen)
    if chosen.correct:
        return bench_corrections(chosen)
    if chosen.suggest:
        return bench_suggestions(chosen)
    if chosen.learn:
        return bench_learning(chosen)
    if chosen.sequences:
        return bench_sequences(chosen)
    return _bench_gui(chosen) if chosen.gui else _bench(chosen)


def _bench(chosen: argparse.Namespace) -> None:
    from napari_clickseg.benchmark.click_runs import read_rows, run_jobs
    from napari_clickseg.benchmark.costs import record_peaks
    from napari_clickseg.benchmark.starting_masks import SCRATCH

    models = [find_named(name).name if not Path(name).is_file() else name for name in chosen.models]
    jobs = _bench_jobs(chosen, models)
    chosen.out.mkdir(parents=True, exist_ok=True)
    rows, peaks = chosen.out / CLICKS_TABLE, chosen.out / MEMORY_TABLE
    run_jobs(jobs, rows, chosen.jobs, chosen.scheduler, lambda done: _tell_resumed(done, len(jobs), rows))
    record_peaks(models, peaks, chosen.device, _tell_weighing)
    print(f"written: {rows}, {peaks}")
    if any((row["robot"], row["start"]) == (chosen.robot[0], SCRATCH) for row in read_rows(rows)):
        _write_report(chosen, [rows], [peaks], models if chosen.record else [])
    else:
        print(f"There is no report yet: its tables need clicks of the robot {chosen.robot[0]!r} from scratch.")


def _tell_resumed(done: int, total: int, rows: Path) -> None:
    print(f"{done} of {total} objects (counted for each model, robot and start) are in {rows} already.")


def _tell_weighing(model: str) -> None:
    print(f"Measuring the memory that {model} needs, in a process of its own; this takes some seconds.")


def _bench_jobs(chosen: argparse.Namespace, models: Sequence[str]) -> list[Job]:
    """Return every sampled object for every model, robot and start."""
    from napari_clickseg.benchmark.click_runs import Job
    from napari_clickseg.benchmark.datasets import list_targets
    from napari_clickseg.benchmark.starting_masks import STARTS
    from napari_clickseg.core.simulated_user import ROBOTS

    for what, names, there in (("robot", chosen.robot, ROBOTS), ("start", chosen.start, STARTS)):
        unknown = ", ".join(repr(name) for name in names if name not in there)
        if unknown or not names:
            raise ValueError(f"There is no {what} {unknown or 'named'}; there are {', '.join(there)}.")
    objects = list_targets(items_of(chosen))
    sampled = {start: _sampled(chosen, objects, start) for start in chosen.start}
    if not all(sampled.values()):
        what = "movies and stacks with objects" if objects else "objects"
        raise ValueError(f"There are no {what} in the split {chosen.split!r}.")
    _check_images([target for sample in sampled.values() for target in sample])
    return [
        Job(target, model, robot, chosen.max_clicks, chosen.device, start)
        for start, robot, model in product(chosen.start, chosen.robot, models)
        for target in sampled[start]
    ]


def _sampled(chosen: argparse.Namespace, objects: Sequence[Target], start: str) -> list[Target]:
    """A sample of objects; with --worst, of each only the frame on which the mask to start from is worst."""
    from napari_clickseg.benchmark.datasets import sample_targets
    from napari_clickseg.benchmark.starting_masks import SCRATCH

    if not chosen.worst:
        return sample_targets(objects, chosen.objects, chosen.seed)
    if start == SCRATCH:
        raise ValueError("The worst frame is that of a bad mask; name what to start from (--start damaged).")
    from napari_clickseg.benchmark.sequences import worst_frames

    return worst_frames(objects, start, chosen.objects, chosen.seed)


def _check_images(targets: Sequence[Target]) -> None:
    """Read each sampled image once, so that one that does not fit its labels is refused before hours of work."""
    from napari_clickseg.benchmark.datasets import read_plane

    for item, frame in {target.item: target.frame for target in targets}.items():
        read_plane(item, frame)


def _bench_report(chosen: argparse.Namespace) -> None:
    """Make the report anew from the tables of earlier runs: folders, or the tables of clicks themselves."""
    tables = [_clicks_table(path) for path in chosen.report]
    peaks = [table.with_name(MEMORY_TABLE) for table in tables]
    chosen.out.mkdir(parents=True, exist_ok=True)
    _write_report(chosen, tables, [path for path in dict.fromkeys(peaks) if path.is_file()])


def _bench_page(chosen: argparse.Namespace) -> None:
    """Fill the tables of a page from the results in a folder."""
    from napari_clickseg.benchmark.page import fill
    from napari_clickseg.storage.atomic import written_whole

    if len(chosen.report or ()) != 1 or not chosen.report[0].is_dir():
        raise ValueError("A page is filled from one folder of results; name it (--report FOLDER).")
    page = chosen.page.read_text(encoding="utf-8")
    text = fill(page, chosen.report[0])
    if text == page:
        print(f"{chosen.page} stays as it is: it has nothing to fill that is not filled so already.")
        return
    with written_whole(chosen.page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    print(f"written: {chosen.page}")


def _clicks_table(path: Path) -> Path:
    places = [path / name for name in (CLICKS_TABLE, f"{CLICKS_TABLE}.gz")] if path.is_dir() else [path]
    there = [place for place in places if place.is_file()]
    if not there:
        raise FileNotFoundError(f"There is no {' or '.join(map(str, places))}.")
    return there[0]


def _write_report(
    chosen: argparse.Namespace, tables: Sequence[Path], peaks: Sequence[Path], recorded: Sequence[str] = ()
) -> None:
    """Write report and plots into the folder; write into the cards of some models what was measured."""
    from napari_clickseg.benchmark.click_runs import read_rows
    from napari_clickseg.benchmark.costs import read_peaks
    from napari_clickseg.benchmark.plots import draw_curves
    from napari_clickseg.benchmark.results import collect
    from napari_clickseg.benchmark.tables import card_metrics, main_part, ranking, report
    from napari_clickseg.models.card import record_metrics
    from napari_clickseg.models.registry import find_model
    from napari_clickseg.storage.atomic import written_whole

    results = collect([row for table in tables for row in read_rows(table)], chosen.robot[0], chosen.max_clicks)
    page, text = chosen.out / "report.md", report(results, read_peaks(peaks))
    with written_whole(page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    print("\n\n".join(main_part(results, ranking(results))), end="\n\n")
    plots = draw_curves(results, chosen.out) if find_spec("matplotlib") else []
    print(f"written: {', '.join(map(str, [page, *plots]))}")
    if not plots:
        print('There are no plots: they need matplotlib (pip install "napari-clickseg[bench]").')
    for entry in map(find_model, recorded):
        if entry.path is not None:
            record_metrics(entry.path, card_metrics(results, entry.name))
            print(f"recorded in the card of {entry.path}")


def _bench_gui(chosen: argparse.Namespace) -> None:
    """Measure clicks in a real window at each size of image, and a plain HRNet-18s beside them; milliseconds."""
    from dataclasses import asdict

    from napari_clickseg.benchmark.latency import measure, measure_panel
    from napari_clickseg.benchmark.yardstick import measure_yardstick
    from napari_clickseg.storage.tables import write_table

    rows = [asdict(row) for model in chosen.models for row in measure(model)]
    panel = [asdict(measure_panel(model)) for model in chosen.models]
    yardstick = asdict(measure_yardstick())
    chosen.out.mkdir(parents=True, exist_ok=True)
    tables = {"latency.csv": rows, "panel.csv": panel, "yardstick.csv": [yardstick]}
    for name, table in tables.items():
        write_table(chosen.out / name, table)
    for row in [*rows, *panel, yardstick]:
        print(
            ", ".join(
                f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
            )
        )
    print(f"written: {', '.join(str(chosen.out / name) for name in tables)}")


COMMAND = Command(
    "bench",
    "Measure how many clicks models need on labelled images. The same command goes on where it was stopped.",
    run_bench,
    (
        Option.of(
            "--models",
            role="model",
            type=comma_separated,
            default=["default"],
            metavar="A,B",
            help="names or weights files, with refinements to switch as in ritm:flip=off (default: default)",
        ),
        Option.of(
            "--data",
            role="reads",
            type=a_path,
            metavar="FOLDER",
            help="one source (images/, labels/) or a folder of sources",
        ),
        Option.of("--sources", type=comma_separated, default=[], metavar="A,B", help="only these sources"),
        Option.of("--split", default="test", help="train, val or test" + DEFAULT),
        BACKGROUND,
        Option.of(
            "--robot",
            type=comma_separated,
            default=["centre"],
            metavar="A,B",
            help="centre, cluster, random, eroded, human, pair; the report is about the first (default: centre)",
        ),
        Option.of(
            "--start",
            type=comma_separated,
            default=["scratch"],
            metavar="A,B",
            help="scratch; or a mask to correct: damaged, automatic, network (default: scratch)",
        ),
        Option.of("--objects", type=count, default=100, metavar="N", help="sampled objects per source" + DEFAULT),
        Option.of("--max-clicks", type=count, default=20, metavar="N", help="clicks per object" + DEFAULT),
        Option.of("--seed", type=from_zero, default=0, metavar="N", help="of the sample" + DEFAULT),
        Option.of(
            "--out",
            role="folder",
            type=a_path,
            default=Path("clickseg-bench"),
            metavar="FOLDER",
            help="where to write" + DEFAULT,
        ),
        DEVICE,
        Option.of("--jobs", type=count, default=usable_cores(), metavar="N", help="worker processes" + DEFAULT),
        Option.of(
            "--scheduler", type=address, metavar="ADDRESS", help="of a dask cluster that works instead of this machine"
        ),
        Option.of(
            "--report",
            role="reads",
            type=a_path,
            nargs="+",
            metavar="FOLDER_OR_CSV",
            help="measure nothing, only make report and plots anew from what was measured",
        ),
        Option.of(
            "--page",
            role="reads",
            needs="--report",
            type=a_path,
            metavar="PAGE",
            help="with --report FOLDER: fill the tables of a page like docs/benchmark.md from several results",
        ),
        Option.of("--record", action="store_true", help="write the result into the cards of the models' weights"),
        Option.of(
            "--correct",
            action="store_true",
            help="instead, let models find all objects of whole images and correct what failed: converted models "
            "their own labels, others those of the first converted one",
        ),
        Option.of(
            "--images",
            needs="--correct",
            type=count,
            default=20,
            metavar="N",
            help="with --correct: images per source" + DEFAULT,
        ),
        Option.of(
            "--failures",
            needs="--correct",
            type=count,
            default=10,
            metavar="N",
            help="with --correct: failures of an image that are corrected one by one" + DEFAULT,
        ),
        Option.of(
            "--suggest",
            type=count,
            metavar="N",
            help="instead, let one model suggest all objects in the middle of N planes per source",
        ),
        Option.of(
            "--whole-job",
            needs="--suggest",
            action="store_true",
            help="with --suggest: all clicks and keys until every object is good, beside drawing each from nothing",
        ),
        Option.of(
            "--learn",
            type=count,
            metavar="N",
            help="instead, learn from ten objects on each of N planes per source, and click on others",
        ),
        Option.of(
            "--worst",
            action="store_true",
            help="of each object of a sequence only the frame on which the mask to start from is worst; --objects "
            "counts sequences",
        ),
        Option.of(
            "--sequences",
            metavar="WHAT",
            help="instead, work on movies and stacks: effort (clicks to a good sequence, by carrying and review), "
            "review (how early it brings what is wrong), cost (seconds and memory of carrying)",
        ),
        Option.of(
            "--frames",
            needs="--sequences",
            type=count,
            default=12,
            metavar="N",
            help="with --sequences: frames of each" + DEFAULT,
        ),
        Option.of(
            "--side",
            needs="--sequences",
            type=count,
            default=1024,
            metavar="N",
            help="with --sequences: of each frame at most" + DEFAULT,
        ),
        Option.of("--gui", action="store_true", help="measure the panel in a real window instead"),
    ),
)
