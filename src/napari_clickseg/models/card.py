"""ModelCard: all that is needed to run a model and to know where it comes from, stored inside its weights file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from napari_clickseg.files import written_whole

KEY = "clickseg"
FORMAT = 2
REFINEMENTS = {
    "closer": "at corrections, looks again at a window where the network sees the image's own pixels (zoom-in of RITM)",
    "flip": "averages the answers to the window and to its mirror image (RITM)",
    "guided": "ends with the guided-filter layer (Forte et al.)",
    "obey": "gives every clicked pixel and its surroundings their label, whatever the network answers",
    "brs": "changes the click maps until the network's answer obeys the clicks (Jang and Kim)",
    "fbrs": "changes a scale and a bias per channel inside the network until its answer obeys the clicks (f-BRS)",
}
"""What the engine can do to a network's answers; which of them a model has on is part of its card."""
READABLE = 0o644
"""Weights are written so that others on the same computer can read them."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a weights file says of itself.

    Attributes
    ----------
    name, title, description : str
        As the model picker and `clickseg models` show them.
    network, network_options : str, mapping
        As in `networks.catalogue`, without the guidance's channels, which follow from `encoding`.
    side : int
        Side of the square window that the network sees, in its own pixels.
    encoding : mapping
        How clicks and the prior become channels, as in `engine.guidance.Encoding`.
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

        It names that model, keeps its licence, its sources with their licences and credits, and tells both budgets.
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
    def from_metadata(cls, metadata: Mapping[str, str] | None) -> ModelCard:
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
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in values.items() if key in known}
        return cls(**{**values, "refinements": tuple(values["refinements"])})


def record_metrics(path: str | Path, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Write what was measured into the card of a weights file; the file is replaced as a whole, the weights stay.

    Raises
    ------
    ValueError
        As `read_card`.
    """
    card = replace(read_card(path), metrics=metrics)
    with written_whole(Path(path)) as unfinished:
        save_file(load_file(str(path)), str(unfinished), metadata=card.to_metadata())
        unfinished.chmod(READABLE)


def read_card(path: str | Path) -> ModelCard:
    """Return the card inside a weights file, without reading the weights.

    Raises
    ------
    ValueError
        With one sentence, where the file is missing, corrupt or carries no card.
    """
    try:
        with safe_open(str(path), framework="np") as weights:
            return ModelCard.from_metadata(weights.metadata())
    except FileNotFoundError:
        raise ValueError(f"There is no weights file {path}.") from None
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no readable weights file ({error}).") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be used: {error}.") from None
