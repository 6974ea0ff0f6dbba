"""Settings of training on one GPU: the table `[gpu]` of a recipe, beside what both ways of training share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from napari_clickseg.training.gpu.windows import Placing


@dataclass(frozen=True, slots=True)
class GpuSettings:
    """How a model is trained on one device.

    Attributes
    ----------
    batch, targets : int
        Windows per step, and objects of each that are clicked on the same features.
    plans : mapping of str to float
        How many rounds a step has, as "ungraded+graded", and how often.
    drawn : float
        Share of windows from drawn scenes.
    slots, slot_side : int
        How many drawn planes are kept, and their side.
    from_mask : float
        Share of targets that begin with a mask that errs.
    forgotten : float
        How often the mask shown is kept from the network.
    rate, encoder_rate, weight_decay, warm_up, average : float
        Of AdamW, at its highest; the encoder's share of it; steps of the rise; decay of the weights' average.
    quality, dense : float
        Weights of these losses beside the answers' own.
    incomplete : tuple of str
        Sources in which not every object carries a label: what carries none is not graded there.
    """

    batch: int = 128
    targets: int = 3
    plans: Mapping[str, float] = field(
        default_factory=lambda: {"0+2": 0.3, "0+3": 0.25, "1+2": 0.15, "3+2": 0.18, "6+2": 0.12}
    )
    drawn: float = 0.33
    slots: int = 4000
    slot_side: int = 256
    from_mask: float = 0.27
    forgotten: float = 0.1
    rate: float = 1.5e-3
    encoder_rate: float = 0.5
    weight_decay: float = 1e-3
    warm_up: int = 200
    average: float = 0.999
    quality: float = 0.5
    dense: float = 0.5
    any_scale: float = 0.2
    lowest: float = 0.06
    highest: float = 1.8
    shift: float = 0.22
    incomplete: tuple[str, ...] = ()

    def placing(self, share: float, octaves: float) -> Placing:
        """Return how windows lie, for a recipe's usual share and its deviation."""
        return Placing(share, octaves, self.any_scale, self.lowest, self.highest, self.shift)

    def rounds(self) -> list[tuple[int, int, float]]:
        """Return (ungraded rounds, graded rounds, how often) of each plan; the last add up to 1."""
        total = sum(self.plans.values())
        return [(*map(int, name.split("+")), often / total) for name, often in self.plans.items()]  # type: ignore[misc]

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> GpuSettings:
        """Return the settings of a table of TOML.

        Raises
        ------
        ValueError
            For keys that there are not, with those that there are; for a plan that is no "ungraded+graded".
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise ValueError(f"A recipe's gpu table has no {', '.join(unknown)}; it may have {', '.join(known)}.")
        settings = cls(**{**table, "incomplete": tuple(table.get("incomplete", ()))})
        for plan in settings.plans:
            parts = plan.split("+")
            if len(parts) != 2 or not all(part.isdigit() for part in parts) or int(parts[1]) < 1:
                raise ValueError(f"A plan of rounds is {plan!r}; wanted is ungraded+graded rounds, such as '1+2'.")
        return settings
