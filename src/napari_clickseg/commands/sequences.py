"""clickseg bench --sequences: effort, review and cost of movies and stacks."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_clickseg.commands.named import find_named


def bench_sequences(chosen: argparse.Namespace) -> None:
    """Measure what was asked for on each movie and model, and print its table.

    Raises
    ------
    ValueError
        Where nothing of this name can be measured, or a source is no movie or stack.
    """
    from napari_clickseg.benchmark.datasets import find_sources, read_items
    from napari_clickseg.benchmark.ledgers import LEDGERS
    from napari_clickseg.benchmark.sequence_tables import TABLES
    from napari_clickseg.benchmark.sequences import read_movie
    from napari_clickseg.models.load import load_model
    from napari_clickseg.storage.image_label_pairs import find_data

    if chosen.sequences not in LEDGERS:
        raise ValueError(f"There is no measure {chosen.sequences!r} of sequences; there are {', '.join(LEDGERS)}.")
    ledger = LEDGERS[chosen.sequences]
    names = [find_named(name).name if not Path(name).is_file() else name for name in chosen.models]
    sources = find_sources(find_data(chosen.data), chosen.sources)
    items = [item for source, folder in sources.items() for item in read_items(source, folder, chosen.split)]
    movies = [read_movie(item, chosen.frames, chosen.side) for item in items]
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / f"{ledger.file}.csv"
    done = ledger.done(path)
    for name in names:
        predictor = load_model(name, chosen.device)
        for movie in movies:
            for part in ledger.parts:
                if (movie.source, name, part) not in done:
                    print(f"{name} on {movie.source}: {part}", flush=True)
                    ledger.append(path, ledger.measure(movie, predictor, name, part))
    print(TABLES[chosen.sequences](ledger.read(path)))
    print(f"written: {path}")
