"""ModelCard, ConvertedCard: all that is needed to run a model and to know where it comes from, stored in its file.

The one is of networks that take clicks, the other of networks made elsewhere that know nothing of clicks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.storage.atomic import written_whole

KEY = "clickseg"
FORMAT = 2
REFINEMENTS = {
    "closer": "at corrections, looks again at a window where the network sees the image's own pixels",
    "zoom": "from the second click on, looks at the box of what it found so far, a little enlarged (zoom-in of RITM)",
    "merge": "where a given mask is corrected, changes only the pieces of it that clicks lie on",
    "flip": "averages the answers to the window and to its mirror image (RITM)",
    "guided": "ends with the guided-filter layer (Forte et al.)",
    "obey": "gives every clicked pixel and its surroundings their label, whatever the network answers",
    "brs": "changes the click maps until the network's answer obeys the clicks (Jang and Kim)",
    "fbrs": "changes a scale and a bias per channel inside the network until its answer obeys the clicks (f-BRS)",
}
"""What the engine can do to a network's answers; which of them a model has on is part of its card."""
READABLE = 0o644
"""Weights are written so that others on the same computer can read them."""
KIND, CONVERTED = "kind", "converted"
"""The entry of a card's JSON that marks a converted model's card."""
SIDES = (8, 4096)
"""The sides that windows may have."""
MOST_CHANNELS = 8192
MOST_STAGES = 64
"""Networks have no more stages, and none more channels or blocks than that."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a weights file declares about itself.

    Attributes
    ----------
    name, title, description : str
        As the model picker and `clickseg models` show them.
    network, network_options : str, mapping
        As in `networks.catalogue`, without the guidance's channels, which follow from `encoding`.
    side : int
        Side of the square window that the network sees, in its own pixels.
    encoding : mapping
        How clicks and the prior become channels, as in `inference.guidance.Encoding`.
    refinements : tuple of str
        What the engine does to the network's answers, names in `REFINEMENTS`.
    object_share : float
        Object diameter over window side for which the network was made.
    licence : str
        Of the weights.
    data : mapping of str to str
        Training sources, and the licence and credit of each.
    recipe : mapping
        The recipe, whole.
    metrics : mapping
        Per source, what the benchmark measured on the test split.
    budget : str
        What the training cost.
    origin : str
        The model whose weights the training began with, in words; empty where it began with none.
    """

    name: str
    title: str
    description: str
    network: str
    network_options: Mapping[str, Any]
    side: int
    encoding: Mapping[str, Any]
    object_share: float
    refinements: tuple[str, ...] = ()
    licence: str = "BSD-3-Clause"
    data: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    budget: str = ""
    origin: str = ""

    def tuned_from(self, start: ModelCard) -> ModelCard:
        """Return the card of a model whose training began with another one's weights.

        It names that model, keeps its licence, its sources with their licences and credits, and names both budgets.
        """
        before = f", which was {start.origin}" if start.origin else ""
        credits = {
            source: credit if start.data.get(source, credit) == credit else f"{start.data[source]}; {credit}"
            for source, credit in self.data.items()
        }
        return replace(
            self,
            origin=f"tuned from {start.name!r}{before}",
            licence=start.licence,
            data={**start.data, **credits},
            budget=", after ".join(filter(None, (self.budget, start.budget))),
        )

    def to_metadata(self) -> dict[str, str]:
        """Return the card as the metadata of a safetensors file."""
        return {KEY: json.dumps({"format": FORMAT, **asdict(self)})}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Return the card from the values of its JSON; names that this version does not know are left out."""
        known = {f.name for f in fields(cls)}
        chosen = {key: value for key, value in values.items() if key in known}
        card = cls(**{**chosen, "refinements": tuple(chosen["refinements"])})
        _check_sizes(card)
        return card


def _check_sizes(card: ModelCard) -> None:
    """Raise ValueError where a network of these sizes would fit no computer."""
    least, most = SIDES
    if type(card.side) is not int or not least <= card.side <= most:
        raise ValueError(f"its card gives windows a side of {card.side!r}, but sides lie between {least} and {most}")
    if not (isinstance(card.object_share, int | float) and 0 < card.object_share <= 1):
        raise ValueError(f"its card gives objects {card.object_share!r} of a window, but shares lie between 0 and 1")
    for name, value in card.network_options.items():
        numbers = value if isinstance(value, list | tuple) else [value]
        whole = [number for number in numbers if isinstance(number, int)]
        if len(numbers) > MOST_STAGES or any(abs(number) > MOST_CHANNELS for number in whole):
            raise ValueError(f"its card gives the network {name}={value!r:.60}, which fits no computer")


@dataclass(frozen=True, slots=True)
class ConvertedCard:
    """What the file of a converted model declares about itself.

    Attributes
    ----------
    name, title, description, licence : str
        As of a `ModelCard`.
    origin : str
        What it was converted from, in words: the file's name.
    format : str
        Its format, a name in `models.load.FORMATS`.
    sha256 : str
        Of the file that it was converted from, in hexadecimal digits.
    conventions : Conventions
        How images go in and objects come out.
    axes : str
        The order in which the network takes and gives its axes: b(atch), c(hannel), z, y, x.
    class_path, kwargs, code : str, mapping, str
        Of a state dict: the class of the network ("package.module:Class"), what it is called with, and its source text
        where that came along as a file.
    data, metrics : mapping
        As of a `ModelCard`.
    """

    name: str
    title: str
    description: str
    origin: str
    format: str
    sha256: str
    conventions: Conventions
    axes: str = "bcyx"
    class_path: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    licence: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """Return the card as the metadata of a safetensors file."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | {"conventions": self.conventions.to_mapping()}
        return {KEY: json.dumps({"format": FORMAT, KIND: CONVERTED, "made_from": values.pop("format"), **values})}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Return the card from the values of its JSON; names that this version does not know are left out."""
        known = {f.name for f in fields(cls)}
        chosen = {key: value for key, value in values.items() if key in known}
        conventions = Conventions.from_mapping(chosen.pop("conventions"))
        return cls(**chosen, format=values["made_from"], conventions=conventions)


def amend_card(path: str | Path, to: str | Path | None = None, **changes: Any) -> None:
    """Write changed fields into the card of a weights file; the file is replaced as a whole, the weights stay.

    Parameters
    ----------
    to : path, optional
        Where the changed file goes; the file itself then stays as it is.

    Raises
    ------
    ValueError
        As `read_card`.
    """
    card = replace(read_card(path), **changes)
    with written_whole(Path(path if to is None else to)) as unfinished:
        save_file(load_file(str(path)), str(unfinished), metadata=card.to_metadata())
        unfinished.chmod(READABLE)


def record_metrics(path: str | Path, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Write what was measured into the card of a weights file, as `amend_card`."""
    amend_card(path, metrics=metrics)


def read_card(path: str | Path) -> ModelCard | ConvertedCard:
    """Return the card inside a weights file, without reading the weights.

    Raises
    ------
    ValueError
        With one sentence, where the file is missing, corrupt or carries no card.
    """
    try:
        with safe_open(str(path), framework="np") as weights:
            return card_in(weights.metadata())
    except FileNotFoundError:
        raise ValueError(f"There is no weights file {path}.") from None
    except (SafetensorError, OSError):
        raise ValueError(f"{path} is no readable weights file: it is another format, or damaged.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be used: {str(error).rstrip('.')}.") from None


def read_click_card(path: str | Path) -> ModelCard:
    """Return the card of a network that takes clicks.

    Raises
    ------
    ValueError
        As `read_card`, and where the file holds a converted network.
    """
    card = read_card(path)
    if isinstance(card, ConvertedCard):
        raise ValueError(f"{path} is a converted network that takes no clicks as input; name a model that does.")
    return card


def card_in(metadata: Mapping[str, str] | None) -> ModelCard | ConvertedCard:
    """Return the card in the metadata of a safetensors file.

    Raises
    ------
    ValueError
        Where there is none, or it is of a format that this version does not know.
    """
    if not metadata or KEY not in metadata:
        raise ValueError("it carries no napari-clickseg model card")
    values = json.loads(metadata[KEY])
    if values.pop("format", None) != FORMAT:
        raise ValueError("its model card has a format that this version does not know; update napari-clickseg")
    return (ConvertedCard if values.get(KIND) == CONVERTED else ModelCard).from_values(values)
