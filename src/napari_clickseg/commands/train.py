"""clickseg train: a recipe and annotated images become a model, which is put into the picker."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from napari_clickseg.commands.options import (
    BACKGROUND,
    DEFAULT,
    DEVICE,
    FOLDERS,
    RECIPE,
    Command,
    Option,
    a_path,
    count,
    from_zero,
    refuse_unused,
    size,
)
from napari_clickseg.training.recipe import Recipe

if TYPE_CHECKING:
    from tqdm import tqdm

    from napari_clickseg.core.jobs import Stop
    from napari_clickseg.training.checkpoint import Plan
    from napari_clickseg.training.trainer import Progress


PACKED = (
    "recipe",
    "pack",
    "out",
    "start",
    "name",
    "minutes",
    "settings",
    "seed",
    "replace",
    "no_install",
    "device",
    "jobs",
)
"""Arguments that count with a pack."""
PACKED_MINUTES = 10.0
BARE = re.compile(r"[^\W\d][\w -]*")
"""Words that need no quotes as the value of a setting."""
KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    ((list, tuple), "a list"),
    (Mapping, "a table"),
)


def changed(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with keys changed one after the other.

    Parameters
    ----------
    settings : iterable of str
        Each `KEY=VALUE`: a key of the recipe, with dots into its tables, and a value in TOML. A bare word is text.

    Raises
    ------
    ValueError
        For text that is no setting; for a value of another kind than the one it replaces; as `Recipe.from_toml`.

    Examples
    --------
    >>> from napari_clickseg.training.recipe import read_recipe
    >>> ritm = changed(read_recipe("ritm"), ["encoding.prior=none", "losses={bce=1.0}"])
    >>> ritm.encoding["prior"], ritm.losses
    ('none', {'bce': 1.0})
    """
    table = recipe.to_json()
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key and equals):
            raise ValueError(f"{setting!r} changes nothing: wanted is KEY=VALUE, as side=96 or encoding.prior=none.")
        _put(table, key, _value(key, value))
    return Recipe.from_table(table)


def _value(key: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if BARE.fullmatch(text):
            return text
        raise ValueError(f"The value of {key} is written in TOML, and {text!r} is none: {error}.") from None


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    """Write a value into tables in tables; one that is new there is looked up when the recipe is made of them."""
    *above, last = key.split(".")
    for name in above:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"A recipe has no {key}: its {name} is {_kind(table)}, not a table.")
    if last in table and table[last] is not None and _kind(table[last]) != _kind(value):
        raise ValueError(f"A recipe's {key} is {_kind(table[last])}, as {table[last]!r}, not {value!r}.")
    table[last] = value


def _kind(value: object) -> str:
    return next((name for kind, name in KINDS if isinstance(value, kind)), "a date")


def run_train(chosen: argparse.Namespace) -> None:
    """Train a model from a recipe; a run that was stopped goes on from its last checkpoint."""
    if chosen.list:
        refuse_unused(chosen, "--list", ("list",))
        return _list_recipes()
    if chosen.pack is not None:
        return _train_packed(chosen)
    from napari_clickseg.training.distributed import leads
    from napari_clickseg.training.trainer import train

    recipe, plan = _train_plan(chosen)
    shared = None if chosen.no_install else _place_of_model(recipe.name, plan.out, chosen.replace)
    if not leads():
        train(recipe, plan)
        return None
    _tell_of_tensorboard()
    with _progress_bar() as bar, _stopped_by_interrupt() as stop:
        weights = train(recipe, plan, partial(_show, bar), stop, bar.write)
    print(f"written: {weights}")
    if shared is not None:
        _install(weights, shared)
    return None


def _train_packed(chosen: argparse.Namespace) -> None:
    """Train on one device by the clock, from a pack of planes."""
    from napari_clickseg.inference.device import choose_device
    from napari_clickseg.training.gpu.trainer import GpuPlan, task_of, train_packed
    from napari_clickseg.training.recipe import read_recipe

    refuse_unused(chosen, "--pack", PACKED)
    recipe = changed(read_recipe(chosen.recipe), chosen.settings)
    recipe = recipe if chosen.name is None else replace(recipe, name=chosen.name, title=chosen.name)
    task_of(recipe)
    name = _file_name(recipe.name)
    out = chosen.out or Path("clickseg-train") / name
    start = None if chosen.start is None else _weights_of(chosen.start)
    _check_start(start, out, name)
    shared = None if chosen.no_install else _place_of_model(name, out, chosen.replace)
    seconds = 60 * (PACKED_MINUTES if chosen.minutes is None else chosen.minutes)
    device = str(choose_device(chosen.device))
    plan = GpuPlan(chosen.pack, out, seconds, start, device, chosen.jobs, seed=chosen.seed)
    with _stopped_by_interrupt() as stop:
        weights = train_packed(recipe, plan, print, stop)
    print(f"written: {weights}")
    if shared is not None:
        _install(weights, shared)


def _list_recipes() -> None:
    from napari_clickseg.training.recipe import list_recipes, read_recipe

    names = list_recipes()
    width = max(map(len, names))
    for name in names:
        recipe = read_recipe(name)
        print(f"{name:{width}}  {recipe.title}: {recipe.description}")


def _train_plan(chosen: argparse.Namespace) -> tuple[Recipe, Plan]:
    """Return the recipe with what the options change in it, and the run."""
    from napari_clickseg.storage.image_label_pairs import find_data
    from napari_clickseg.training.checkpoint import CHECKPOINT, Plan
    from napari_clickseg.training.folders import find_folders
    from napari_clickseg.training.recipe import for_start, read_recipe

    if chosen.steps is not None and chosen.minutes is not None:
        raise ValueError("--minutes trains by the clock instead of for --steps; name one of them.")
    folders = chosen.data or [find_data()]
    start = None if chosen.start is None else _weights_of(chosen.start)
    recipe = read_recipe(chosen.recipe)
    recipe = recipe if start is None else for_start(recipe)
    recipe = changed(recipe, chosen.settings) if chosen.settings else recipe
    recipe, places = find_folders(recipe, folders)
    if chosen.steps is not None:
        recipe = replace(recipe, schedule=replace(recipe.schedule, steps=chosen.steps))
    if chosen.name is not None:
        recipe = replace(recipe, name=chosen.name, title=chosen.name)
    name = _file_name(recipe.name)
    out = chosen.out or Path("clickseg-train") / name
    if chosen.resume and not (out / CHECKPOINT).is_file():
        raise FileNotFoundError(f"There is no run in {out} to resume: it has no {CHECKPOINT}.")
    resume = chosen.resume is not False
    plan = Plan(
        folders[0],
        out,
        chosen.device,
        start,
        _encoder(recipe) if start is None else None,
        chosen.minutes,
        chosen.jobs,
        chosen.seed,
        resume=resume,
        places=places,
        background=chosen.background,
    )
    _check_start(start, out, name)
    return recipe, plan


def _encoder(recipe: Recipe) -> Path | None:
    """The shipped default model, for networks that begin with its pretrained encoder; None for others."""
    from napari_clickseg.models.registry import DEFAULT, find_model
    from napari_clickseg.networks.catalogue import PRETRAINED

    return find_model(DEFAULT).path if recipe.network in PRETRAINED else None


def _check_start(start: Path | None, out: Path, name: str) -> None:
    """Raise ValueError where the weights that training begins with are the file that it writes."""
    from napari_clickseg.models.registry import SUFFIX
    from napari_clickseg.storage.output_checks import same

    weights = out / f"{name}{SUFFIX}"
    if start is not None and same(start, weights):
        raise ValueError(f"{weights} is what --from names, and would be written over: choose another --out or --name.")


def _weights_of(name: str) -> Path:
    """Return the weights file of a model's name, or the path itself; what this version cannot read is refused."""
    from napari_clickseg.models.card import read_click_card
    from napari_clickseg.models.load import check_version
    from napari_clickseg.models.registry import find_model

    entry = find_model(name)
    if entry.path is None:
        raise ValueError(f"{name!r} has no weights to start from.")
    if entry.switches:
        raise ValueError(f"--from takes weights as they are: leave out what switches refinements in {name}.")
    check_version(read_click_card(entry.path), entry.path)
    return entry.path


def _file_name(name: str) -> str:
    if not name.strip() or Path(name).name != name:
        raise ValueError(f"{name!r} is no name for a model: wanted is one that can be a file's name.")
    return name


def _tell_of_tensorboard() -> None:
    from napari_clickseg.training.checkpoint import has_tensorboard

    if not has_tensorboard():
        print('The log is a CSV only: TensorBoard is not installed (pip install "napari-clickseg[train]").')


@contextmanager
def _progress_bar() -> Iterator[tqdm[NoReturn]]:
    from tqdm import tqdm

    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:
        yield bar


def _show(bar: tqdm[NoReturn], progress: Progress) -> None:
    """Show what is read or drawn, then the step, the newest loss and what validation measured last."""
    measured = {name: f"{value:.4g}" for name, value in progress.row.items() if name not in ("step", "seconds")}
    bar.set_postfix(measured, refresh=False)
    bar.set_description(progress.doing or f"step {progress.step}", refresh=False)
    bar.update(100 * progress.share - bar.n)


@contextmanager
def _stopped_by_interrupt() -> Iterator[Stop]:
    """Give a stop that the first Ctrl+C requests, so that a checkpoint is written; the second one ends at once."""
    import signal

    from napari_clickseg.core.jobs import Stop, Stopped

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

    from napari_clickseg.models.registry import SUFFIX
    from napari_clickseg.storage.output_checks import check_folder
    from napari_clickseg.storage.paths import user_folder

    check_folder(user_folder())
    place, own = user_folder() / f"{name}{SUFFIX}", out / f"{name}{SUFFIX}"
    if place.exists() and not replaces and not (own.is_file() and cmp(place, own, shallow=False)):
        raise ValueError(
            f"{place} is a model of another run: choose another --name, or give --replace or --no-install."
        )
    return place


def _install(weights: Path, place: Path) -> None:
    from shutil import copyfile

    from napari_clickseg.models.registry import list_models
    from napari_clickseg.storage.atomic import written_whole

    place.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(place) as unfinished:
        copyfile(weights, unfinished)
    name = next(entry.name for entry in list_models() if entry.path == place)
    print(f"In the model picker and for --model it is {name!r} ({place}).")


COMMAND = Command(
    "train",
    "Train a model from a recipe on annotated images. The same command goes on where it was stopped.",
    run_train,
    (
        RECIPE,
        Option.of("--list", action="store_true", help="list the recipes, and train nothing"),
        FOLDERS,
        BACKGROUND,
        Option.of(
            "--out",
            role="folder",
            type=a_path,
            metavar="FOLDER",
            help="where to write (default: clickseg-train/NAME)",
        ),
        Option.of(
            "--from",
            dest="start",
            role="model",
            metavar="MODEL",
            help="begin with this model's weights (name or file)",
        ),
        Option.of(
            "--name", metavar="NAME", help="of the model that comes out (default: the recipe's, and your folder's)"
        ),
        Option.of(
            "--steps",
            type=count,
            metavar="N",
            help="updates of the weights (default: the recipe's; fewer after --from)",
        ),
        Option.of("--minutes", type=size, metavar="M", help="train for this long instead of for steps"),
        Option.of(
            "--pack",
            role="reads",
            type=a_path,
            metavar="ZIP",
            help="train by the clock (10 minutes) on one GPU, which holds all planes of this file of `clickseg pack`",
        ),
        Option.of(
            "--set",
            dest="settings",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="change a key of the recipe, as encoding.prior=none or 'losses={bce=1.0}'; may be given several times",
        ),
        Option.of("--seed", type=from_zero, default=0, metavar="N", help="of the random choices" + DEFAULT),
        Option.of(
            "--resume",
            action="store_true",
            default=None,
            help="go on where the run in --out stopped, as without this option, but only if there is one",
        ),
        Option.of("--anew", dest="resume", action="store_false", help="start anew even where there is a checkpoint"),
        Option.of("--replace", action="store_true", help="replace your model of the same name"),
        Option.of("--no-install", action="store_true", help="leave the model in --out, out of the model picker"),
        DEVICE,
        Option.of(
            "--jobs",
            type=from_zero,
            default=0,
            metavar="N",
            help="extra processes that place clicks, or draw scenes" + DEFAULT,
        ),
    ),
)
