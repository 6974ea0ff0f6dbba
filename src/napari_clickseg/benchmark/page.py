"""Page: the tables of docs/benchmark.md, made anew from the results that lie beside it.

A page holds places `<!-- NAME: begin -->` .. `<!-- NAME: end -->`; what stands between is replaced, the rest is prose.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_clickseg.benchmark.click_runs import read_rows
from napari_clickseg.benchmark.conversion import Row, read_corrections
from napari_clickseg.benchmark.correction_tables import aims_table, backpropagation_table, failures_table, gains_table
from napari_clickseg.benchmark.costs import read_peaks
from napari_clickseg.benchmark.results import NATURAL, Results, collect
from napari_clickseg.benchmark.sequence_tables import LEDGERS, TABLES, worst_table
from napari_clickseg.benchmark.sequence_tables import aims_table as sequence_aims
from napari_clickseg.benchmark.tables import (
    AVERAGED,
    average_table,
    main_table,
    ranking,
    robots_part,
    speed_table,
    starts_part,
    table,
)
from napari_clickseg.core.metrics import clicks_to_reach, mean_interval
from napari_clickseg.models.registry import WEIGHTLESS

CLICKS = 20
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a paper says of two ways, and the models that differ in nothing else.

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
    Claim("ITIS", "Gaussians need fewer clicks than distance maps", "ab-gaussian", "ab-distance"),
    Claim("Superpixel box", "the superpixel box saves clicks", "sp-box", "sp-maps", "pair"),
    Claim("Getting to 99 %", "interaction stream and mask feedback save clicks", "fo-full", "fo-single"),
    Claim("RITM", "the previous mask saves clicks", "ri-full", "ri-nomask"),
    Claim("RITM", "the normalised focal loss saves clicks over cross-entropy", "ri-full", "ri-bce"),
)
REFINEMENTS = (
    Claim("RITM", "averaging with the mirror image saves clicks", "ritm", "ritm:flip=off"),
    Claim("RITM", "looking closer at corrections saves clicks", "ritm", "ritm:closer=off"),
    Claim("Getting to 99 %", "the guided filter saves clicks", "forte99", "forte99:guided=off"),
    Claim("BRS", "backpropagating refinement saves clicks", "brs", "brs:brs=off"),
    Claim("BRS", "and does so beyond obeying the clicks locally", "brs", "brs:brs=off:obey=on"),
    Claim("default", "obeying clicks saves clicks", "default", "default:obey=off"),
    Claim("default", "looking closer at corrections saves clicks", "default", "default:closer=off"),
)
PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "itis": {"natural_grabcut": "5.60"},
    "spbox": {"natural_grabcut": "3.46"},
    "forte99": {"natural_grabcut": "2.54"},
    "ritm": {"natural_grabcut": "1.68", "natural_davis16_val": "5.98"},
    "brs": {"natural_grabcut": "3.60", "natural_davis16_val": "8.24"},
}
"""NoC@90 that the papers report: ITIS table 1, superpixel box table 2, Getting to 99 % table 2 (without its drawn
composites), RITM table 7 (HRNet-18s, trained on COCO and LVIS), BRS table 1."""


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
            for name in ("default", *PUBLISHED)
        }
        best = min(PUBLISHED, key=lambda name: means[name])
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


def _ahead(results: Results, target: float) -> int:
    """On how many microscopy sources no other model needs fewer clicks than the default beyond doubt."""
    ahead = 0
    for source in results.microscopy:
        ours = _needed(results, source, "default", target)
        others = [_needed(results, source, name, target) for name in _plain(results) if name != "default"]
        ahead += all(mean_interval(ours - other)[0] <= 0 for other in others)
    return ahead


def _summary(folder: Folder) -> str:
    """The default in few columns, beside the best of the five systems and of the models without weights."""
    results = folder.results("clicks")
    rivals = (tuple(PUBLISHED), tuple(WEIGHTLESS))
    lines, numbers = [], []
    for source, title in TITLES.items():
        if source not in results.sources:
            continue
        there = results.scratch(source).models
        ious = there["default"].ious
        nocs = [_needed(results, source, "default", target).mean() for target in (0.85, 0.90)]
        best = [min(_needed(results, source, n, 0.90).mean() for n in names if n in there) for names in rivals]
        numbers.append([ious[:, 0].mean(), ious[:, 2].mean(), *nocs, *best])
        lines.append([title, *_few(numbers[-1])])
    lines.append(["**average**", *_few(np.mean(numbers, axis=0))])
    head = [
        "images",
        "IoU after 1 click",
        "after 3",
        "NoC@85",
        "NoC@90",
        "best of the five: NoC@90",
        "best without weights",
    ]
    return table(head, lines)


def _few(numbers: Sequence[float]) -> list[str]:
    """Two IoUs, then numbers of clicks."""
    return [f"{number:.2f}" if place < 2 else f"{number:.1f}" for place, number in enumerate(numbers)]


def _photographs(folder: Folder) -> str:
    results = folder.results("clicks")
    sources = [source for source in results.sources if source.startswith(NATURAL)]
    lines = []
    for name in ("default", *PUBLISHED):
        cells = [name]
        for source in sources:
            needed = _needed(results, source, name, 0.90)
            low, high = mean_interval(needed)
            cells += [f"{needed.mean():.2f} ({low:.2f}-{high:.2f})", PUBLISHED.get(name, {}).get(source, "")]
        lines.append(cells)
    heads = [part for source in sources for part in (source.removeprefix(NATURAL), "paper")]
    return table(["NoC@90", *heads], lines)


def _claims(claims: Sequence[Claim], name: str) -> Callable[[Folder], str]:
    def text(folder: Folder) -> str:
        return table(
            ["paper", "claim", "with", "without", "difference (95 %)", "here"],
            (_judged(claim, folder.results(name, claim.robot)) for claim in claims),
            words=2,
        )

    return text


def _judged(claim: Claim, results: Results) -> list[str]:
    """Mean NoC@90 of both over the sources, the paired difference, and whether the claim holds."""
    both = [
        [_needed(results, source, name, 0.90) for name in (claim.better, claim.worse)]
        for source in results.microscopy
        if {claim.better, claim.worse} <= set(results.scratch(source).models)
    ]
    means = np.mean([[needed.mean() for needed in pair] for pair in both], axis=0)
    low, high = mean_interval(*(worse - better for better, worse in both))
    verdict = "holds" if low > 0 else "reversed" if high < 0 else "not shown"
    cells = [f"{mean:.2f}" for mean in means]
    return [claim.paper, claim.says, *cells, f"{means[1] - means[0]:+.2f} ({low:+.2f} to {high:+.2f})", verdict]


def _starts(folder: Folder) -> str:
    results = folder.results("starts")
    return _without_heading(starts_part("", results, results.microscopy, ranking(results)))


def _robots(folder: Folder) -> str:
    results = folder.results("robots")
    return _without_heading(robots_part("", results, results.microscopy, ranking(results)))


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


def _worst(folder: Folder) -> str:
    return worst_table(read_rows(folder.path / "worst.csv.gz"))


def _sequence_aims(folder: Folder) -> str:
    return sequence_aims(*(_measured(folder, what) for what in ("effort", "review", "cost")))


PLACES: dict[str, Callable[[Folder], str]] = {
    "sources at ninety": _sources(0.90),
    "sources at eighty five": _sources(0.85),
    "averages": _averages,
    "aims": _aims,
    "summary": _summary,
    "photographs": _photographs,
    "ablations": _claims(CLAIMS, "ablations"),
    "refinements": _claims(REFINEMENTS, "refinements"),
    "backpropagation": lambda folder: backpropagation_table(folder.results("backpropagation")),
    "conversion formats": _formats,
    "conversion aims": _corrected(aims_table),
    "conversion gains": _corrected(gains_table),
    "conversion failures": _corrected(failures_table),
    "starts": _starts,
    "robots": _robots,
    "speed": _speed,
    "worst frames": _worst,
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


def _without_heading(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)
