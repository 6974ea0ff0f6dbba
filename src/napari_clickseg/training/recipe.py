"""Recipe: everything that decides how a model is made, read from one TOML file under recipes/."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Limit:
    """Numbers from `low` to `high`, both included; above `low` alone where it is `above`.

    Attributes
    ----------
    step : int or None
        Only whole multiples of this.
    """

    low: float = 0.0
    high: float = math.inf
    above: bool = False
    step: int | None = None

    def holds(self, value: object) -> bool:
        """Return whether a value is such a number.

        >>> [Limit(16, step=16).holds(value) for value in (96, 100, "96", True)]
        [True, False, False, False]
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        if self.step is not None and (not isinstance(value, int) or value % self.step):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        """What is wanted, in words."""
        kind = {None: "a number", 1: "a whole number"}.get(self.step, f"a multiple of {self.step}")
        if self.high < math.inf:
            return f"{kind} from {self.low:g} to {self.high:g}"
        return f"{kind} above {self.low:g}" if self.above else f"{kind} from {self.low:g} on"


SHARE, AMOUNT, POSITIVE = Limit(0, 1), Limit(), Limit(above=True)
COUNT = Limit(1, step=1)
LIMITS: Mapping[str, Limit] = {
    "side": Limit(16, step=16),  # coarse levels of a network are halves of halves, down to a sixteenth
    "auxiliary": AMOUNT,
    "clicks.rounds": COUNT,
    "clicks.from_mask": SHARE,
    "clicks.first_spread": SHARE,
    "schedule.steps": COUNT,
    "schedule.batch": COUNT,
    "schedule.rate": POSITIVE,
    "schedule.weight_decay": AMOUNT,
    "schedule.encoder_rate": AMOUNT,
    "schedule.warm_up": COUNT,
    "schedule.average": SHARE,
    "schedule.coarse_until": SHARE,
    "schedule.drawn_until": SHARE,
}
WEIGHTS = ("losses", "sources", "clicks.robots")
"""Tables of names, each with a weight."""
NEEDED = ("losses", "clicks.robots")
"""Those in which something must have a weight."""
SHARES = {"typical": POSITIVE, "octaves": AMOUNT, "uniform": SHARE}
"""The three numbers of `Recipe.shares`."""


def check_numbers(recipe: Mapping[str, Any]) -> None:
    """Look at every number of a recipe, given as plain values.

    Raises
    ------
    ValueError
        With one sentence, for what is no number or lies beyond its limit.
    """
    if len(recipe["shares"]) != len(SHARES):
        raise ValueError(f"A recipe's shares are {len(SHARES)} numbers ({', '.join(SHARES)}), not {recipe['shares']}.")
    for key, value, limit in _limited(recipe):
        if not limit.holds(value):
            raise ValueError(f"A recipe's {key} is {value!r}; wanted is {limit}.")
    for key in NEEDED:
        if not any(_at(recipe, key).values()):
            raise ValueError(f"A recipe's {key} are all without weight; wanted is one above 0.")


def _limited(recipe: Mapping[str, Any]) -> Iterator[tuple[str, object, Limit]]:
    """Each number, its key with dots, and its limit."""
    for key, limit in LIMITS.items():
        yield key, _at(recipe, key), limit
    for key in WEIGHTS:
        for name, weight in _at(recipe, key).items():
            yield f"{key}.{name}", weight, AMOUNT
    for (name, limit), value in zip(SHARES.items(), recipe["shares"], strict=True):
        yield f"shares ({name})", value, limit


def _at(recipe: Mapping[str, Any], key: str) -> Any:
    """The value of a key with dots."""
    value: Any = recipe
    for name in key.split("."):
        value = value[name]
    return value


RECIPES = Path(__file__).parent / "recipes"
SYNTHETIC = "synthetic"
"""The source that stands for drawn planes."""
MATTES = "mattes"
"""The source that stands for planes composed of cut-outs with a true alpha (Forte et al.)."""
DRAWN = (SYNTHETIC, MATTES)
"""Sources that are made, not read."""
DEFAULT = "default"
"""The name of the default recipe's model: what is made of it for folders of one's own bears their names alone."""
DIGITS = 6
"""Of how often a source is drawn, as far as it is computed."""
TUNING_STEPS, TUNING_RATE = 400, 0.5
"""How long and how fast weights are tuned that are trained already; docs/training.md shows what a tenth of it does."""


@dataclass(frozen=True, slots=True)
class Clicks:
    """How clicks are simulated.

    Attributes
    ----------
    user : str
        How clicks come about, a name in `training.simulated_training.USERS`.
    rounds : int
        Most corrective clicks per batch, where the user corrects.
    from_mask : float
        Share of objects that start from a damaged mask instead of from nothing.
    first_spread : float
        How far off-centre first clicks are: 0 at the centre, 1 anywhere on the object.
    robots : mapping of str to float
        Which robots correct, and how often each.
    """

    user: str = "correcting"
    rounds: int = 4
    from_mask: float = 0.25
    first_spread: float = 0.8
    robots: Mapping[str, float] = field(default_factory=lambda: {"eroded": 0.5, "centre": 0.25, "human": 0.25})


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast. `batch` windows a step; the rate falls along a half cosine after a short rise.

    Attributes
    ----------
    optimiser : str
        A name in `training.checkpoint.OPTIMISERS`.
    encoder_rate : float
        The rate of weights that were pretrained, over that of the others.
    norm_decay : float or None
        Weight decay of normalisation, where it differs from that of convolutions.
    average : float
        Decay of the moving average of the weights, which is what comes out.
    coarse_until : float
        Up to this share of the run only the last auxiliary output is graded, as BRS trains its coarse decoder first.
    drawn_until : float
        Up to this share of the run only drawn planes are shown, as Forte et al. train on composites before real images.
    """

    optimiser: str = "adamw"
    steps: int = 20000
    batch: int = 16
    rate: float = 1e-3
    weight_decay: float = 1e-4
    encoder_rate: float = 1.0
    norm_decay: float | None = None
    warm_up: int = 200
    average: float = 0.999
    coarse_until: float = 0.0
    drawn_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way of making a model.

    Attributes
    ----------
    name : str
        Also the name of the weights file that comes out.
    network, network_options : str, mapping
        As in `networks.catalogue`, without the guidance's channels, which follow from `encoding`.
    encoding : mapping
        How clicks and the prior become channels, as in `inference.guidance.Encoding`.
    refinements : tuple of str
        What the engine does to the network's answers, names in `models.card.REFINEMENTS`.
    side : int
        Side of the window that the network sees, in its own pixels.
    shares : (float, float, float)
        Object diameter over window side: centre of the drawn log-normal, its deviation in octaves, and how often it is
        drawn uniformly instead.
    sources : mapping of str to float
        Folders of the data pack, and how often each is drawn; "synthetic" stands for drawn images.
    credits : mapping of str to str
        Licence and credit of each source, for the model card.
    losses : mapping of str to float
        Weights of the losses in `training.losses`.
    auxiliary : float
        Weight of the same losses on a network's auxiliary outputs.
    gpu : mapping
        What training on one device adds or does otherwise, as in `training.gpu.settings.GpuSettings`.
    """

    name: str
    title: str
    description: str
    network: str = "clicknet"
    network_options: Mapping[str, Any] = field(default_factory=dict)
    encoding: Mapping[str, Any] = field(default_factory=dict)
    refinements: tuple[str, ...] = ("closer", "obey")
    side: int = 192
    shares: tuple[float, float, float] = (0.36, 0.5, 0.35)
    sources: Mapping[str, float] = field(default_factory=dict)
    credits: Mapping[str, str] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=lambda: {"bce": 1.0, "soft_iou": 1.0, "click": 0.1})
    auxiliary: float = 0.0
    clicks: Clicks = Clicks()
    schedule: Schedule = Schedule()
    gpu: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_toml(cls, text: str, folder: Path = Path()) -> Recipe:
        """Return the recipe written in TOML.

        It may name another recipe in `extends`, one of the package or the path of a TOML file, seen from `folder`. What
        it then does not name of `INHERITED` is as there.

        Raises
        ------
        ValueError
            For text that is no TOML; for keys that no recipe has and names that stand for nothing, with those that it
            may have; for numbers beyond their limits (`training.recipe`); for a recipe to extend that is not there, or
            that extends this one.
        """
        return cls.from_table(_extended(_parsed(text), folder, ()))

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Recipe:
        """Return the recipe of a table of plain values.

        Raises
        ------
        ValueError
            As `from_toml`.
        """
        values = dict(table)
        values["clicks"] = _table_to(Clicks, values.get("clicks", {}))
        values["schedule"] = _table_to(Schedule, values.get("schedule", {}))
        for key in ("refinements", "shares"):
            if key in values:
                values[key] = tuple(values[key])
        recipe: Recipe = _table_to(cls, values)
        _check(recipe)
        return recipe

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain values, for a model card."""
        return asdict(self)


def for_sources(recipe: Recipe, names: Sequence[str], beside: bool = False) -> Recipe:
    """Return the recipe for sources of one's own, each as often as the others, with the recipe's share of drawn planes.

    It is named for the sources, and for the recipe too where that is not the default.

    Parameters
    ----------
    beside : bool
        Half of the real images still come from the recipe's own sources.
    """
    drawn = {name: weight for name, weight in recipe.sources.items() if name in DRAWN}
    real = {name: weight for name, weight in recipe.sources.items() if name not in DRAWN}
    kept = {name: round(weight / 2, DIGITS) for name, weight in real.items()} if beside else {}
    each = round(((sum(real.values()) or 1.0) - sum(kept.values())) / len(names), DIGITS)
    listed = ", ".join(names)
    return replace(
        recipe,
        name="-".join(names if recipe.name == DEFAULT else (recipe.name, *names)),
        title=f"{recipe.title} for {listed}",
        description=f"Trained on the images in {listed}.",
        sources={**dict.fromkeys(names, each), **kept, **drawn},
        credits={**dict.fromkeys(names, "the user's own images"), **(recipe.credits if beside else {})},
    )


def for_start(recipe: Recipe) -> Recipe:
    """Return the recipe for weights that are trained already: TUNING_STEPS, at a TUNING_RATE of the recipe's rate."""
    schedule = recipe.schedule
    gentle = replace(
        schedule,
        steps=min(schedule.steps, TUNING_STEPS),
        rate=schedule.rate * TUNING_RATE,
        warm_up=min(schedule.warm_up, TUNING_STEPS // 20),
        coarse_until=0.0,
        drawn_until=0.0,
    )
    return replace(recipe, schedule=gentle)


INHERITED = ("side", "shares", "sources", "credits", "schedule")
"""What `extends` takes over: the windows, the data and the budget, key by key; never the system itself."""
TABLES = {
    "network": "napari_clickseg.networks.catalogue:NETWORKS",
    "refinement": "napari_clickseg.models.card:REFINEMENTS",
    "loss": "napari_clickseg.training.losses:LOSSES",
    "simulated user": "napari_clickseg.training.simulated_training:USERS",
    "robot": "napari_clickseg.core.simulated_user:ROBOTS",
    "optimiser": "napari_clickseg.training.checkpoint:OPTIMISERS",
}
"""What a recipe names, and where the table of such names lies. Imported when a recipe is read."""


def _check(recipe: Recipe) -> None:
    """Look up every name, check every number and build the network; nobody else's random numbers are drawn for it."""
    import torch

    from napari_clickseg.inference.guidance import Encoding
    from napari_clickseg.models.load import new_network
    from napari_clickseg.networks.catalogue import switch_filter
    from napari_clickseg.training.gpu.settings import GpuSettings

    named: dict[str, Iterable[str]] = {
        "network": (recipe.network,),
        "refinement": recipe.refinements,
        "loss": recipe.losses,
        "simulated user": (recipe.clicks.user,),
        "robot": recipe.clicks.robots,
        "optimiser": (recipe.schedule.optimiser,),
    }
    for what, names in named.items():
        module, attribute = TABLES[what].split(":")
        table = getattr(import_module(module), attribute)
        unknown = [name for name in names if name not in table]
        if unknown:
            raise ValueError(
                f"There is no {what} {', '.join(map(repr, unknown))} for a recipe; there are {', '.join(table)}."
            )
    check_numbers(recipe.to_json())
    GpuSettings.from_table(recipe.gpu)
    with torch.random.fork_rng(devices=[]):
        network = new_network(recipe.network, recipe.network_options, Encoding.from_mapping(recipe.encoding))
    switch_filter(network, "guided" in recipe.refinements)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"A recipe is written in TOML, and this is none: {error}.") from None


def _read(path: Path) -> dict[str, Any]:
    """The table of a file, which a sentence names where it is none."""
    try:
        return _parsed(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no recipe: it is no text.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _extended(table: dict[str, Any], folder: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Add what is inherited; `above` are the files that, one after the other, extend this table."""
    named = table.pop("extends", None)
    if named is None:
        return table
    path = _locate(named, folder)
    if path in above:
        raise ValueError(f"The recipe {path} extends itself.")
    base = Recipe.from_table(_extended(_read(path), path.parent, (*above, path))).to_json()
    merged = {key: base[key] for key in INHERITED} | table
    merged["schedule"] = base["schedule"] | table.get("schedule", {})
    return merged


def _table_to(kind: Any, table: Mapping[str, Any]) -> Any:
    known = {f.name: f.default is MISSING and f.default_factory is MISSING for f in fields(kind)}
    what = kind.__name__.lower()
    whose = "A recipe" if kind is Recipe else f"A recipe's {what}"
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ValueError(f"{whose} has no {', '.join(unknown)}; it may have {', '.join(known)}.")
    missing = [name for name, needed in known.items() if needed and name not in table]
    if missing:
        raise ValueError(f"{whose} needs {', '.join(missing)}, which are missing here.")
    return kind(**table)


def list_recipes() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def read_recipe(name_or_path: str) -> Recipe:
    """Return a recipe of the package by its name, or any by the path of its TOML file.

    Raises
    ------
    ValueError
        Where there is none, with the names that there are; as `Recipe.from_toml`.
    """
    path = _locate(name_or_path, Path())
    return Recipe.from_table(_extended(_read(path), path.parent, ()))


def _locate(name_or_path: str, folder: Path) -> Path:
    """The TOML file of a recipe; of a path, seen from a folder."""
    names = list_recipes()
    path = RECIPES / f"{name_or_path}.toml" if name_or_path in names else folder / name_or_path
    if not path.is_file():
        raise ValueError(f"There is no recipe {str(name_or_path)!r}: give a TOML file, or one of {', '.join(names)}.")
    return path.resolve()
