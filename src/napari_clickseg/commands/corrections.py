"""clickseg bench --correct: models find all objects of whole images, and clicks correct what failed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_clickseg.commands.named import find_named

if TYPE_CHECKING:
    from napari_clickseg.benchmark.conversion import Corrector, Row
    from napari_clickseg.benchmark.layouts import Item

TABLE = "conversion.csv"


def bench_corrections(chosen: argparse.Namespace) -> None:
    """Correct what failed on a sample of images, and tell what the clicks brought."""
    from napari_clickseg.benchmark.conversion import correctors, read_corrections, run_corrections
    from napari_clickseg.benchmark.gains import aims_table, failures_table, gains_table

    images = _images(chosen)
    names = [find_named(name).name if not Path(name).is_file() else name for name in chosen.models]
    by = correctors(names, chosen.device)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / TABLE
    run_corrections(images, by, path, chosen.failures, chosen.device)
    rows = read_corrections(path)
    print("\n\n".join(told(rows) for told in (aims_table, gains_table, failures_table)))
    print(f"written: {path}")
    if chosen.record:
        _record(rows, by)


def _images(chosen: argparse.Namespace) -> list[Item]:
    from napari_clickseg.benchmark.conversion import sample_images
    from napari_clickseg.benchmark.datasets import find_sources, read_items
    from napari_clickseg.storage.image_label_pairs import find_data

    sources = find_sources(find_data(chosen.data), chosen.sources)
    items = [item for source, folder in sources.items() for item in read_items(source, folder, chosen.split)]
    images = sample_images(items, chosen.images, chosen.seed)
    if not images:
        raise ValueError(f"There are no planes with objects in the split {chosen.split!r} of {', '.join(sources)}.")
    return images


def _record(rows: Sequence[Row], by: Sequence[Corrector]) -> None:
    """Tell the cards of models that corrected their own labels what they find before any click."""
    from napari_clickseg.benchmark.gains import found_metrics
    from napari_clickseg.models.card import record_metrics
    from napari_clickseg.models.registry import find_model

    for entry in (find_model(who.model) for who in by if who.labels == who.model):
        if entry.path is not None and not entry.switches:
            record_metrics(entry.path, found_metrics(rows, entry.name))
            print(f"recorded in the card of {entry.path}")
