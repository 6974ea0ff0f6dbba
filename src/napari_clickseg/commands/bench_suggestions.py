"""clickseg bench --suggest: how many of the objects of images are suggested without clicks, and what that spares."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_clickseg.benchmark.annotation_formats import Item
    from napari_clickseg.core.clicks import Frame

TABLE, JOBS = "suggestions.csv", "whole_job.csv"
NETWORK = "unet-sample"
"""A segmentation network, converted, to compare with."""


def items_of(chosen: argparse.Namespace) -> list[Item]:
    """Return the annotated images that the options of bench name."""
    from napari_clickseg.benchmark.datasets import find_items
    from napari_clickseg.storage.image_label_pairs import find_data

    return find_items(find_data(chosen.data), chosen.sources, chosen.split, chosen.background)


def bench_suggestions(chosen: argparse.Namespace) -> None:
    """Suggest all objects in crops of each source, and print a table; what is in the CSV already is not done again.

    Raises
    ------
    ValueError
        Where more than one model is named, or there are no planes with objects.
    """
    from functools import partial

    from napari_clickseg.benchmark.row_tables import append_rows, read_rows
    from napari_clickseg.benchmark.suggestion_runs import (
        KEPT,
        SIDE,
        SuggestionRow,
        run_item,
        sample_planes,
        suggestion_table,
    )
    from napari_clickseg.benchmark.whole_job import JobRow, job_table, run_jobs
    from napari_clickseg.core.requests import Segmenter
    from napari_clickseg.models.load import load_model

    if len(chosen.models) != 1:
        raise ValueError(f"--suggest measures one model, but got {len(chosen.models)}: {', '.join(chosen.models)}.")
    predictor = load_model(chosen.models[0], chosen.device)
    planes = sample_planes(items_of(chosen), chosen.suggest, chosen.seed)
    if not planes:
        raise ValueError(f"There are no planes with objects in the split {chosen.split!r}.")
    chosen.out.mkdir(parents=True, exist_ok=True)
    kind: type[JobRow] | type[SuggestionRow]
    measure: Callable[[Item, Frame], Iterable[JobRow | SuggestionRow]]
    if chosen.whole_job:
        path, kind = chosen.out / JOBS, JobRow
        measure = partial(run_jobs, predictor, side=SIDE, seed=chosen.seed)
    else:
        network = load_model(NETWORK, chosen.device)
        assert isinstance(network, Segmenter), f"{NETWORK} segments frames by itself"
        path, kind = chosen.out / TABLE, SuggestionRow
        measure = partial(run_item, predictor, side=SIDE, kept=KEPT, seed=chosen.seed, network=network)
    done = {(row.source, row.image, row.frame) for row in read_rows(path, kind)}
    for item, frame in planes:
        if (item.source, item.name, " ".join(map(str, frame))) not in done:
            print(f"{item.source} {item.name}", flush=True)
            append_rows(path, measure(item, frame))
    print(job_table(read_rows(path, JobRow)) if chosen.whole_job else suggestion_table(read_rows(path, SuggestionRow)))
    print(f"written: {path}")
