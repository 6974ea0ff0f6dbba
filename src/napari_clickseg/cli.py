"""clickseg: the command line. A table of commands; what a command needs is imported when it runs.

Only this module prints. Bad input ends with exit code 2 and one sentence, and files are written whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg import __version__

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_clickseg.benchmark.run import Job
    from napari_clickseg.clicks import Click
    from napari_clickseg.images import Image
    from napari_clickseg.questions import Stop
    from napari_clickseg.session import Session
    from napari_clickseg.training.recipe import Recipe
    from napari_clickseg.training.trainer import Plan, Progress

BAD_INPUT, INTERRUPTED = 2, 130
CLICKS_TABLE, MEMORY_TABLE = "clicks.csv", "memory.csv"


@dataclass(frozen=True, slots=True)
class Option:
    """One argument of a command: its names, and what argparse is told of it."""

    names: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, *names: str, **settings: Any) -> Option:
        """Return the option with these names; settings as in `ArgumentParser.add_argument`."""
        return cls(names, settings)


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table of commands; `run` raises ValueError or OSError with a sentence where the input is bad."""

    name: str
    summary: str
    run: Callable[[argparse.Namespace], None]
    options: tuple[Option, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0, 2 after bad input, 130 after Ctrl+C."""
    chosen = build_parser().parse_args(argv)
    try:
        chosen.run(chosen)
    except (ValueError, OSError) as error:
        print(f"clickseg {chosen.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"clickseg {chosen.command}: stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the table of commands."""
    parser = argparse.ArgumentParser(
        "clickseg", description="Segment cells by clicking, and correct masks by clicking."
    )
    parser.add_argument("--version", action="version", version=f"clickseg {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        described = commands.add_parser(command.name, help=command.summary, description=command.summary)
        for option in command.options:
            described.add_argument(*option.names, **option.settings)
        described.set_defaults(run=command.run)
    return parser


# -- demo --------------------------------------------------------------------------------------------------------------


def run_demo(chosen: argparse.Namespace) -> None:
    """Let the robot segment the shipped sample, or open it in napari."""
    if chosen.gui:
        return _open_napari()
    from tqdm import tqdm

    from napari_clickseg.demo import read_sample, segment_sample, write_results
    from napari_clickseg.models.registry import load_model

    predictor = load_model(chosen.model, chosen.device)
    image, truth = read_sample()
    done = segment_sample(image, truth, predictor, lambda labels: tqdm(labels, unit="object"))
    print(f"{predictor.name} on {predictor.device}, {len(done.curves)} objects")
    for line in done.lines():
        print(line)
    for path in write_results(chosen.output, done):
        print(f"written: {path}")
    return None


def _open_napari() -> None:
    import napari

    from napari_clickseg.demo import read_sample

    image, _ = read_sample()
    viewer = napari.Viewer()
    viewer.add_image(image.array, name="nuclei")
    viewer.window.add_plugin_dock_widget("napari-clickseg")
    napari.run()


# -- segment -----------------------------------------------------------------------------------------------------------


def run_segment(chosen: argparse.Namespace) -> None:
    """Replay a table of clicks on an image and write the labels."""
    from napari_clickseg.files import check_labels_path, read_image, write_labels
    from napari_clickseg.models.registry import load_model
    from napari_clickseg.session import Session

    check_labels_path(chosen.output)
    image = read_image(chosen.image, chosen.axes, chosen.channel)
    objects = _read_clicks(chosen.clicks, image)
    prior = None if chosen.labels is None else _read_labels(chosen.labels, image)
    predictor = load_model(chosen.model, chosen.device)
    session = Session(image, predictor, prior, diameter=chosen.diameter)
    _replay(session, objects)
    write_labels(chosen.output, session.labels, image.label_axes, image.spacing)
    print(f"written: {chosen.output} ({len(objects)} objects clicked, {predictor.name} on {predictor.device})")


def _read_clicks(path: Path, image: Image) -> dict[int, list[Click]]:
    """Read the clicks of each object, in the order of the ids, and make sure that all lie inside the image."""
    from napari_clickseg.clicks import read_clicks_csv
    from napari_clickseg.regions import Region

    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    objects = read_clicks_csv(path, image.label_axes)
    if not objects:
        raise ValueError(f"{path} holds no clicks.")
    whole = Region.whole(image.shape)
    for number, clicks in sorted(objects.items()):
        for click in clicks:
            if not whole.contains(click.position):
                where = ", ".join(f"{p:g}" for p in click.position)
                raise ValueError(f"Object {number}: the click ({where}) lies outside the image of shape {image.shape}.")
    return dict(sorted(objects.items()))


def _read_labels(path: Path, image: Image) -> npt.NDArray[np.integer[Any]]:
    """Read labels into memory, wide enough for any id."""
    import numpy as np

    from napari_clickseg.files import read_image

    labels = read_image(path, image.label_axes).array
    if np.dtype(labels.dtype).kind not in "iu":
        raise ValueError(f"{path} holds {labels.dtype}, but labels must be integers.")
    return np.array(labels, np.int64 if labels.dtype.itemsize >= 4 else np.int32)


def _replay(session: Session, objects: Mapping[int, Sequence[Click]]) -> None:
    """Segment the objects in the order of their ids; those that the labels hold already are taken up."""
    import numpy as np
    from tqdm import tqdm

    there = set(np.unique(session.labels).tolist())
    for number, clicks in tqdm(objects.items(), unit="object"):
        if number in there:
            session.resume(number)
        else:
            session.start_new(number)
        for click in clicks:
            session.click(click.position, click.positive)
        if number in there or session.area():
            session.commit()
        else:
            session.cancel()
            tqdm.write(f"clickseg segment: object {number} is left out, its clicks give no pixels.", file=sys.stderr)


# -- models ------------------------------------------------------------------------------------------------------------


def run_models(chosen: argparse.Namespace) -> None:
    """List the models."""
    from napari_clickseg.models.registry import list_models, user_folder

    entries = list_models()
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        print(f"{entry.name:{width}}  {entry.kind:10}  {entry.title}: {entry.description}")
    print(f"Your own models: {user_folder()}")


# -- train -------------------------------------------------------------------------------------------------------------


def run_train(chosen: argparse.Namespace) -> None:
    """Train a model from a recipe; a run that was stopped goes on from its last checkpoint."""
    if chosen.list:
        return _list_recipes()
    from napari_clickseg.training.parallel import leads
    from napari_clickseg.training.trainer import train

    recipe, plan = _train_plan(chosen)
    shared = None if chosen.no_install else _place_of_model(recipe.name, plan.out, chosen.replace)
    if not leads():
        train(recipe, plan)
        return None
    _tell_of_tensorboard()
    with _progress_bar() as show, _stopped_by_interrupt() as stop:
        weights = train(recipe, plan, show, stop)
    print(f"written: {weights}")
    if shared is not None:
        _install(weights, shared)
    return None


def _list_recipes() -> None:
    from napari_clickseg.training.recipe import list_recipes, read_recipe

    names = list_recipes()
    width = max(map(len, names))
    for name in names:
        recipe = read_recipe(name)
        print(f"{name:{width}}  {recipe.title}: {recipe.description}")


def _train_plan(chosen: argparse.Namespace) -> tuple[Recipe, Plan]:
    """Return the recipe with what the options change in it, and the run."""
    from dataclasses import replace

    from napari_clickseg.benchmark.datasets import find_data
    from napari_clickseg.training.folders import find_folders
    from napari_clickseg.training.recipe import for_start, read_recipe
    from napari_clickseg.training.trainer import CHECKPOINT, Plan

    folders = chosen.data or [find_data()]
    recipe, places = find_folders(read_recipe(chosen.recipe), folders)
    start = None if chosen.start is None else _weights_of(chosen.start)
    recipe = recipe if start is None else for_start(recipe)
    if chosen.steps is not None:
        recipe = replace(recipe, schedule=replace(recipe.schedule, steps=chosen.steps))
    if chosen.name is not None:
        recipe = replace(recipe, name=_file_name(chosen.name), title=chosen.name)
    out = chosen.out or Path("clickseg-train") / recipe.name
    if chosen.resume and not (out / CHECKPOINT).is_file():
        raise FileNotFoundError(f"There is no run in {out} to resume: it has no {CHECKPOINT}.")
    resume = chosen.resume is not False
    plan = Plan(
        folders[0], out, chosen.device, start, chosen.minutes, chosen.jobs, chosen.seed, resume=resume, places=places
    )
    return recipe, plan


def _weights_of(name: str) -> Path:
    """Return the weights file of a model's name, or the path itself."""
    from napari_clickseg.models.registry import find_model

    entry = find_model(name)
    if entry.path is None:
        raise ValueError(f"{name!r} has no weights to start from.")
    return entry.path


def _file_name(name: str) -> str:
    if not name.strip() or Path(name).name != name:
        raise ValueError(f"{name!r} is no name for a model: wanted is one that can be a file's name.")
    return name


def _tell_of_tensorboard() -> None:
    from napari_clickseg.training.logs import has_tensorboard

    if not has_tensorboard():
        print('The log is a CSV only: TensorBoard is not installed (pip install "napari-clickseg[train]").')


@contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None]]:
    from tqdm import tqdm

    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:
        bar.set_description("reading and drawing images")

        def show(progress: Progress) -> None:
            bar.set_description(f"step {progress.step}", refresh=False)
            bar.update(100 * progress.share - bar.n)
            bar.set_postfix({name: f"{value:.4g}" for name, value in progress.row.items()}, refresh=False)

        yield show


@contextmanager
def _stopped_by_interrupt() -> Iterator[Stop]:
    """Give a stop that the first Ctrl+C requests, so that a checkpoint is written; the second one ends at once."""
    import signal

    from napari_clickseg.questions import Stop, Stopped

    stop, usual = Stop(), signal.getsignal(signal.SIGINT)

    def on_interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, usual)
        stop.request()

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    except Stopped:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, usual)


def _place_of_model(name: str, out: Path, replaces: bool) -> Path:
    """Return where the picker finds a model of this name; a model that another run put there is not lost unasked."""
    from filecmp import cmp

    from napari_clickseg.models.registry import SUFFIX, user_folder

    place, own = user_folder() / f"{name}{SUFFIX}", out / f"{name}{SUFFIX}"
    if place.exists() and not replaces and not (own.is_file() and cmp(place, own, shallow=False)):
        raise ValueError(
            f"{place} is a model of another run: choose another --name, or give --replace or --no-install."
        )
    return place


def _install(weights: Path, place: Path) -> None:
    from shutil import copyfile

    from napari_clickseg.files import written_whole
    from napari_clickseg.models.registry import list_models

    place.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(place) as unfinished:
        copyfile(weights, unfinished)
    name = next(entry.name for entry in list_models() if entry.path == place)
    print(f"In the model picker and for --model it is {name!r} ({place}).")


# -- bench -------------------------------------------------------------------------------------------------------------


def run_bench(chosen: argparse.Namespace) -> None:
    """Measure clicks to quality over labelled images, or the panel's speed; or tell anew what was measured."""
    if chosen.page is not None:
        return _bench_page(chosen.page)
    if chosen.report:
        return _bench_report(chosen)
    return _bench_gui(chosen) if chosen.gui else _bench(chosen)


def _bench(chosen: argparse.Namespace) -> None:
    from napari_clickseg.benchmark.memory import record_peaks
    from napari_clickseg.benchmark.run import read_rows, run_jobs
    from napari_clickseg.benchmark.starts import SCRATCH
    from napari_clickseg.models.registry import find_model

    models = [find_model(name).name if not Path(name).is_file() else name for name in chosen.models]
    jobs = _bench_jobs(chosen, models)
    chosen.out.mkdir(parents=True, exist_ok=True)
    rows, peaks = chosen.out / CLICKS_TABLE, chosen.out / MEMORY_TABLE
    run_jobs(jobs, rows, chosen.jobs, chosen.scheduler)
    record_peaks(models, peaks, chosen.device)
    print(f"written: {rows}, {peaks}")
    if any((row["robot"], row["start"]) == (chosen.robot[0], SCRATCH) for row in read_rows(rows)):
        _write_report(chosen, [rows], [peaks], models if chosen.record else [])
    else:
        print(f"There is no report yet: its tables need clicks of the robot {chosen.robot[0]!r} from scratch.")


def _bench_jobs(chosen: argparse.Namespace, models: Sequence[str]) -> list[Job]:
    """Return every sampled object for every model, robot and start."""
    from napari_clickseg.benchmark.datasets import find_data, find_sources, list_targets, read_items, sample_targets
    from napari_clickseg.benchmark.run import Job
    from napari_clickseg.benchmark.starts import STARTS
    from napari_clickseg.robot import ROBOTS

    for what, names, there in (("robot", chosen.robot, ROBOTS), ("start", chosen.start, STARTS)):
        unknown = [name for name in names if name not in there]
        if unknown or not names:
            raise ValueError(f"There is no {what} {', '.join(map(repr, unknown))}; there are {', '.join(there)}.")
    sources = find_sources(find_data(chosen.data), chosen.sources)
    items = [item for source, folder in sources.items() for item in read_items(source, folder, chosen.split)]
    targets = sample_targets(list_targets(items), chosen.objects, chosen.seed)
    if not targets:
        raise ValueError(f"There are no objects in the split {chosen.split!r} of {', '.join(sources)}.")
    return [
        Job(target, model, robot, chosen.max_clicks, chosen.device, start)
        for start, robot, model, target in product(chosen.start, chosen.robot, models, targets)
    ]


def _bench_report(chosen: argparse.Namespace) -> None:
    """Make the report anew from the tables of earlier runs: folders, or the tables of clicks themselves."""
    tables = [_clicks_table(path) for path in chosen.report]
    peaks = [table.with_name(MEMORY_TABLE) for table in tables]
    chosen.out.mkdir(parents=True, exist_ok=True)
    _write_report(chosen, tables, [path for path in dict.fromkeys(peaks) if path.is_file()])


def _bench_page(page: Path) -> None:
    """Fill the tables of a page from the results in the folder `results` beside it."""
    from napari_clickseg.benchmark.page import fill
    from napari_clickseg.files import written_whole

    text = fill(page.read_text(encoding="utf-8"), page.parent / "results")
    with written_whole(page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    print(f"written: {page}")


def _clicks_table(path: Path) -> Path:
    places = [path / name for name in (CLICKS_TABLE, f"{CLICKS_TABLE}.gz")] if path.is_dir() else [path]
    there = [place for place in places if place.is_file()]
    if not there:
        raise FileNotFoundError(f"There is no {' or '.join(map(str, places))}.")
    return there[0]


def _write_report(
    chosen: argparse.Namespace, tables: Sequence[Path], peaks: Sequence[Path], recorded: Sequence[str] = ()
) -> None:
    """Write report and plots into the folder; tell the cards of some models what was measured of them."""
    from napari_clickseg.benchmark.curves import collect, read_peaks
    from napari_clickseg.benchmark.plots import draw_curves
    from napari_clickseg.benchmark.report import card_metrics, report
    from napari_clickseg.benchmark.run import read_rows
    from napari_clickseg.files import written_whole
    from napari_clickseg.models.card import record_metrics
    from napari_clickseg.models.registry import find_model

    results = collect([row for table in tables for row in read_rows(table)], chosen.robot[0], chosen.max_clicks)
    page, text = chosen.out / "report.md", report(results, read_peaks(peaks))
    with written_whole(page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    print(text)
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

    from napari_clickseg.benchmark.latency import measure
    from napari_clickseg.benchmark.yardstick import measure_yardstick

    rows = [asdict(row) for model in chosen.models for row in measure(model)]
    yardstick = asdict(measure_yardstick())
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, table in (("latency.csv", rows), ("yardstick.csv", [yardstick])):
        _write_table(chosen.out / name, table)
    for row in [*rows, yardstick]:
        print(
            ", ".join(
                f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
            )
        )
    print(f"written: {chosen.out / 'latency.csv'}, {chosen.out / 'yardstick.csv'}")


def _write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    import csv

    from napari_clickseg.files import written_whole

    with written_whole(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


# -- the table ---------------------------------------------------------------------------------------------------------


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return number


def _size(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a positive number")
    return number


DEFAULT = " (default: %(default)s)"
MODEL = Option.of("--model", default="default", metavar="NAME_OR_PATH", help="see `clickseg models`" + DEFAULT)
DEVICE = Option.of("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps" + DEFAULT)

COMMANDS = (
    Command(
        "demo",
        "Segment the shipped sample with a robot's clicks; write labels and an overlay.",
        run_demo,
        (
            Option.of(
                "--output", type=Path, default=Path("clickseg-demo"), metavar="FOLDER", help="where to write" + DEFAULT
            ),
            MODEL,
            DEVICE,
            Option.of("--gui", action="store_true", help="open the sample in napari with the panel instead"),
        ),
    ),
    Command(
        "segment",
        "Segment an image by a table of clicks.",
        run_segment,
        (
            Option.of("image", type=Path, metavar="IMAGE", help="TIFF, PNG, JPEG, .npy, zarr"),
            Option.of(
                "--clicks", type=Path, required=True, help="CSV: object, positive, then a column per axis (y, x)"
            ),
            Option.of("--output", type=Path, required=True, metavar="LABELS", help="labels to write: .tif, .png, .npy"),
            Option.of("--labels", type=Path, metavar="PRIOR", help="labels to start from; clicked ids are corrected"),
            MODEL,
            DEVICE,
            Option.of("--axes", metavar="TZCYX", help="the image's axes, where the file does not tell"),
            Option.of("--channel", type=int, metavar="N", help="the one channel to use, counted from 0"),
            Option.of("--diameter", type=_size, metavar="PIXELS", help="expected object diameter; else estimated"),
        ),
    ),
    Command("models", "List the models there are.", run_models, ()),
    Command(
        "train",
        "Train a model from a recipe on annotated images. The same command goes on where it was stopped.",
        run_train,
        (
            Option.of(
                "recipe",
                nargs="?",
                default="clickseg",
                metavar="RECIPE",
                help="name or TOML file" + DEFAULT,
            ),
            Option.of("--list", action="store_true", help="tell the recipes that there are, and train nothing"),
            Option.of(
                "--data",
                type=Path,
                nargs="+",
                metavar="FOLDER",
                help="folders with images and labels of your own, or a folder of the recipe's sources",
            ),
            Option.of("--out", type=Path, metavar="FOLDER", help="where to write (default: clickseg-train/NAME)"),
            Option.of("--from", dest="start", metavar="MODEL", help="begin with this model's weights (name or file)"),
            Option.of(
                "--name", metavar="NAME", help="of the model that comes out (default: the recipe's, or your folder's)"
            ),
            Option.of(
                "--steps",
                type=_count,
                metavar="N",
                help="updates of the weights (default: the recipe's; fewer after --from)",
            ),
            Option.of("--minutes", type=_size, metavar="M", help="train for this long instead of for steps"),
            Option.of("--seed", type=int, default=0, metavar="N", help="of the random choices" + DEFAULT),
            Option.of(
                "--resume",
                action="store_true",
                default=None,
                help="go on where the run in --out stopped, as without this option, but only if there is one",
            ),
            Option.of(
                "--anew", dest="resume", action="store_false", help="start anew even where there is a checkpoint"
            ),
            Option.of("--replace", action="store_true", help="replace your model of the same name"),
            Option.of("--no-install", action="store_true", help="leave the model in --out, out of the model picker"),
            DEVICE,
            Option.of("--jobs", type=int, default=0, metavar="N", help="extra processes that place clicks" + DEFAULT),
        ),
    ),
    Command(
        "bench",
        "Measure how many clicks models need on labelled images. The same command goes on where it was stopped.",
        run_bench,
        (
            Option.of(
                "--models",
                type=_names,
                default=["default"],
                metavar="A,B",
                help="names or weights files, with refinements to switch as in ritm:flip=off (default: default)",
            ),
            Option.of(
                "--data", type=Path, metavar="FOLDER", help="one source (images/, labels/) or a folder of sources"
            ),
            Option.of("--sources", type=_names, default=[], metavar="A,B", help="only these sources"),
            Option.of("--split", default="test", help="train, val or test" + DEFAULT),
            Option.of(
                "--robot",
                type=_names,
                default=["centre"],
                metavar="A,B",
                help="centre, cluster, random, eroded, human, pair; the report is about the first (default: centre)",
            ),
            Option.of(
                "--start",
                type=_names,
                default=["scratch"],
                metavar="A,B",
                help="scratch; or a mask to correct: damaged, automatic (default: scratch)",
            ),
            Option.of("--objects", type=_count, default=100, metavar="N", help="sampled objects per source" + DEFAULT),
            Option.of("--max-clicks", type=_count, default=20, metavar="N", help="clicks per object" + DEFAULT),
            Option.of("--seed", type=int, default=0, metavar="N", help="of the sample" + DEFAULT),
            Option.of(
                "--out", type=Path, default=Path("clickseg-bench"), metavar="FOLDER", help="where to write" + DEFAULT
            ),
            DEVICE,
            Option.of(
                "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="worker processes" + DEFAULT
            ),
            Option.of("--scheduler", metavar="ADDRESS", help="of a dask cluster that works instead of this machine"),
            Option.of(
                "--report",
                type=Path,
                nargs="+",
                metavar="FOLDER_OR_CSV",
                help="measure nothing, only make report and plots anew from what was measured",
            ),
            Option.of(
                "--page",
                type=Path,
                metavar="PAGE",
                help="measure nothing, fill a page from the folder results beside it",
            ),
            Option.of("--record", action="store_true", help="write the result into the cards of the models' weights"),
            Option.of("--gui", action="store_true", help="measure the panel in a real window instead"),
        ),
    ),
)

if __name__ == "__main__":
    sys.exit(main())
