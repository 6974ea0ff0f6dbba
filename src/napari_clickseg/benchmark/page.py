"""Page: the tables of docs/benchmark.md, made anew from the results that lie beside it.

A page holds places `<!-- NAME: begin -->` .. `<!-- NAME: end -->`; what stands between is replaced, the rest is prose.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_clickseg.benchmark.click_runs import read_rows
from napari_clickseg.benchmark.conversion import Row, read_corrections
from napari_clickseg.benchmark.correction_tables import aims_table, backpropagation_table, failures_table, gains_table
from napari_clickseg.benchmark.costs import read_peaks
from napari_clickseg.benchmark.results import Results, collect
from napari_clickseg.benchmark.sequence_tables import LEDGERS, TABLES
from napari_clickseg.benchmark.sequence_tables import aims_table as sequence_aims
from napari_clickseg.benchmark.system_tables import first_corrections_table, systems_table
from napari_clickseg.benchmark.tables import (
    AUC,
    AVERAGED,
    COSTLY_CLICKS,
    FEW,
    Column,
    average_table,
    main_table,
    ranking,
    speed_table,
    table,
)
from napari_clickseg.core.metrics import clicks_to_reach, mean_interval
from napari_clickseg.models.registry import WEIGHTLESS

CLICKS = 20
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


@dataclass(frozen=True, slots=True)
class Claim:
    """A part of a system that is to save clicks, and the model with it and without it.

    Attributes
    ----------
    better, worse : str
        Models: that which the claim says needs fewer clicks, and the other.
    robot : str
        Who clicked.
    """

    paper: str
    says: str
    better: str
    worse: str
    robot: str = "centre"


CLAIMS = (
    Claim("RITM", "averaging with the mirror image", "ritm", "ritm:flip=off"),
    Claim("RITM", "zoom-in", "ritm", "ritm:zoom=off"),
    Claim("Getting to 99 %", "the guided filter", "forte99", "forte99:guided=off"),
    Claim("default", "obeying clicks", "default", "default:obey=off"),
    Claim("default", "looking closer at corrections", "default", "default:closer=off"),
)
BRS_CLAIMS = (
    Claim("BRS", "backpropagating refinement", "brs:brs=on", "brs:brs=off"),
    Claim("BRS", "beyond obeying clicks locally", "brs:brs=on", "brs:brs=off:obey=on"),
)
FIVE = ("itis", "spbox", "forte99", "ritm", "brs")
MODELS = ("default", *FIVE, *WEIGHTLESS)


TITLES: Mapping[str, str] = {
    "dsb2018": "nuclei: fluorescence, histology, brightfield (DSB 2018)",
    "usiigaci_phase": "adherent cells, phase contrast (Usiigaci)",
    "neuroproof_fibsem": "neurites, FIB-SEM (FlyEM)",
    "tma_hdab_nuclei": "nuclei, H-DAB histology *",
    "wbc_dataset1": "white blood cells, stained smear *",
    "omnipose_bacteria": "bacteria, phase contrast *",
    "isbi2012_membrane": "neurites, ssTEM (ISBI 2012) *",
    "qcanet_embryo_nuclei": "embryo nuclei, 3D fluorescence by plane *",
    "ctc_fluo_n2dl_hela_01": "HeLa nuclei, time-lapse *",
    "usiigaci_t98g_timelapse": "T98G cells, phase contrast time-lapse *",
    "coelho2009_u2os": "U2OS nuclei, dim fluorescence *",
}
"""Microscopy for people; a star marks sources of which no image was trained on."""


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """The results beside a page; each file is read once, however many tables come from it."""

    path: Path
    _read: dict[tuple[str, str], Results] = field(default_factory=dict)

    def results(self, name: str, robot: str = "centre") -> Results:
        """What can be compared in one of its files of clicks."""
        if (name, robot) not in self._read:
            self._read[name, robot] = collect(read_rows(self.path / f"{name}.csv.gz"), robot, CLICKS)
        return self._read[name, robot]


def fill(page: str, folder: Path) -> str:
    """Return a page with the text of each place that it has replaced by what the results in the folder say.

    Raises
    ------
    ValueError
        Where the page has a place that nothing fills.
    """
    names = re.findall(BEGIN.format("([a-z ]+)"), page)
    unknown = [name for name in names if name not in PLACES]
    if unknown:
        raise ValueError(f"Nothing fills {', '.join(unknown)} on the page; it may have {', '.join(PLACES)}.")
    results = Folder(folder)
    for name in names:
        before, _, rest = page.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        page = f"{before}{BEGIN.format(name)}\n{PLACES[name](results)}\n{end}{after}"
    return page


# -- places ------------------------------------------------------------------------------------------------------------


def _sources(target: float) -> Callable[[Folder], str]:
    def text(folder: Folder) -> str:
        results = folder.results("clicks")
        return main_table(results, _plain(results), target)

    return text


def _averages(folder: Folder) -> str:
    results = folder.results("clicks")
    return average_table(results, _plain(results), AVERAGED)


def _aims(folder: Folder) -> str:
    """What the default was to reach against the five systems, and what it reached."""
    results = folder.results("clicks")
    lines = []
    for target in (0.85, 0.90):
        means = {
            name: np.mean([_needed(results, source, name, target).mean() for source in results.microscopy])
            for name in ("default", *_five(results))
        }
        best = min(_five(results), key=lambda name: means[name])
        lines.append(
            [
                f"NoC@{100 * target:.0f}",
                f"{means['default']:.2f}",
                f"{means[best]:.2f} (`{best}`)",
                f"{100 * means['default'] / means[best]:.0f} %",
                f"{_ahead(results, target)} of {len(results.microscopy)}",
            ]
        )
    head = [
        "average over microscopy",
        "default",
        "best of the five",
        "share",
        "sources on which the default is best or tied",
    ]
    return table(head, lines)


def _five(results: Results) -> list[str]:
    """Those of the five systems that clicked on all microscopy sources."""
    return [name for name in FIVE if all(name in results.scratch(source).models for source in results.microscopy)]


def _ahead(results: Results, target: float) -> int:
    """On how many microscopy sources no other model needs fewer clicks than the default beyond doubt."""
    ahead = 0
    for source in results.microscopy:
        ours = _needed(results, source, "default", target)
        others = [_needed(results, source, name, target) for name in _plain(results) if name != "default"]
        ahead += all(mean_interval(ours - other)[0] <= 0 for other in others)
    return ahead


def _summary(folder: Folder) -> str:
    """The default in few columns, beside the best of the five systems."""
    results = folder.results("clicks")
    lines, numbers = [], []
    for source, title in TITLES.items():
        if source not in results.sources:
            continue
        there = results.scratch(source).models
        ious = there["default"].ious
        nocs = [_needed(results, source, "default", target).mean() for target in (0.85, 0.90)]
        best = [min(_needed(results, source, n, t).mean() for n in FIVE if n in there) for t in (0.85, 0.90)]
        numbers.append([ious[:, 0].mean(), ious[:, 2].mean(), *nocs, *best])
        lines.append([title, str(len(ious)), *_few(numbers[-1])])
    lines.append(["**average**", "", *_few(np.mean(numbers, axis=0))])
    head = ["images", "objects", "IoU after 1 click", "after 3", "NoC@85", "NoC@90"]
    return table([*head, "best of the five: NoC@85", "NoC@90"], lines)


def _few(numbers: Sequence[float]) -> list[str]:
    """Two IoUs, then numbers of clicks."""
    return [f"{number:.2f}" if place < 2 else f"{number:.1f}" for place, number in enumerate(numbers)]


def _claims(claims: Sequence[Claim], name: str) -> Callable[[Folder], str]:
    def text(folder: Folder) -> str:
        head = ["of", "what it brings", "objects", "NoC@90 without", "with", "AuC without", "with"]
        head += ["AuC gained (95 %)", "costly clicks without, %", "with, %", "here"]
        return table(head, (_judged(claim, folder.results(name, claim.robot)) for claim in claims), words=2)

    return text


def _judged(claim: Claim, results: Results) -> list[str]:
    """Means over the sources of both, the paired difference of AuC, and whether that says that the part helps."""
    there = [results.scratch(source).models for source in results.microscopy]
    pairs = [(m[claim.better], m[claim.worse]) for m in there if {claim.better, claim.worse} <= set(m)]
    gains = [AUC.values(better) - AUC.values(worse) for better, worse in pairs]
    low, high = mean_interval(*gains)
    count = sum(len(better.objects) for better, _ in pairs)
    verdict = "helps" if low > 0 else "harms" if high < 0 else "not shown"

    def both(column: Column) -> list[str]:
        return [column.written(float(np.mean([column.mean(pair[k]) for pair in pairs]))) for k in (1, 0)]

    needed = Column("", lambda measured: clicks_to_reach(measured.ious, 0.90), "{:.2f}")
    gained = f"{np.mean([g.mean() for g in gains]):+.3f} ({low:+.3f} to {high:+.3f})"
    cells = [*both(needed), *both(AUC), gained, *both(COSTLY_CLICKS)]
    return [claim.paper, claim.says, str(count), *cells, verdict if count >= FEW else "too few objects"]


def _systems(folder: Folder) -> str:
    names = ("clicks", "robots", "brs", "baselines")
    rows = [row for name in names for row in read_rows(folder.path / f"{name}.csv.gz")]
    return systems_table(rows, MODELS)


def _first_corrections(folder: Folder) -> str:
    return first_corrections_table(read_rows(folder.path / "starts.csv.gz"), MODELS)


def _speed(folder: Folder) -> str:
    results = folder.results("speed")
    return speed_table(results, ranking(results), read_peaks([folder.path / "memory.csv"]))


def _corrected(made: Callable[[list[Row]], str]) -> Callable[[Folder], str]:
    return lambda folder: made(read_corrections(folder.path / "conversion.csv.gz"))


def _formats(folder: Folder) -> str:
    """How far answers of converted files are from the original network's."""
    with open(folder.path / "formats.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    head = ["network", "format", "largest difference of a probability", "pixels that differ", "MB", "refused"]
    return table(head, [list(row.values()) for row in rows], words=2)


def _sequences(what: str) -> Callable[[Folder], str]:
    return lambda folder: TABLES[what](_measured(folder, what))


def _measured(folder: Folder, what: str) -> list[Row]:
    ledger = LEDGERS[what]
    return ledger.read(folder.path / f"{ledger.file}.csv.gz")


def _sequence_aims(folder: Folder) -> str:
    return sequence_aims(*(_measured(folder, what) for what in ("effort", "review", "cost")))


PLACES: dict[str, Callable[[Folder], str]] = {
    "sources at ninety": _sources(0.90),
    "sources at eighty five": _sources(0.85),
    "averages": _averages,
    "aims": _aims,
    "summary": _summary,
    "systems": _systems,
    "first corrections": _first_corrections,
    "refinements": _claims(CLAIMS, "refinements"),
    "brs": _claims(BRS_CLAIMS, "backpropagation"),
    "backpropagation": lambda folder: backpropagation_table(folder.results("backpropagation")),
    "conversion formats": _formats,
    "conversion aims": _corrected(aims_table),
    "conversion gains": _corrected(gains_table),
    "conversion failures": _corrected(failures_table),
    "speed": _speed,
    "sequence effort": _sequences("effort"),
    "review order": _sequences("review"),
    "carrying cost": _sequences("cost"),
    "sequence aims": _sequence_aims,
}


def _plain(results: Results) -> list[str]:
    """Models as they are made, the best first; those with switched refinements have a table of their own."""
    return [name for name in ranking(results) if "=" not in name]


def _needed(results: Results, source: str, name: str, target: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return clicks_to_reach(results.scratch(source).models[name].ious, target)
