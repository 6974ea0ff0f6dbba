"""clickseg pack: the annotated planes of a recipe's sources in one file, for `clickseg train --pack` on one device."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NoReturn

from napari_clickseg.commands.options import BACKGROUND, FOLDERS, RECIPE, Command, Option, a_path

if TYPE_CHECKING:
    from tqdm import tqdm

    from napari_clickseg.training.gpu.pack import PackedPlane


def run(chosen: argparse.Namespace) -> None:
    """Read the planes of the sources, and write the pack."""
    from tqdm import tqdm

    from napari_clickseg.storage.atomic import written_whole
    from napari_clickseg.storage.image_label_pairs import find_data
    from napari_clickseg.training.folders import find_folders
    from napari_clickseg.training.gpu.pack import write_pack
    from napari_clickseg.training.gpu.packing import planes_to_pack
    from napari_clickseg.training.gpu.settings import GpuSettings
    from napari_clickseg.training.recipe import read_recipe

    folders = chosen.data or [find_data()]
    recipe, places = find_folders(read_recipe(chosen.recipe), folders)
    incomplete = GpuSettings.from_table(recipe.gpu).incomplete
    with tqdm(unit=" planes") as bar, written_whole(chosen.output) as unfinished:
        planes = planes_to_pack(
            folders[0], recipe.sources, incomplete, places, tell=bar.set_description, background=chosen.background
        )
        count = write_pack(unfinished, _counted(planes, bar))
    print(f"written: {chosen.output} ({count} planes)")


def _counted(planes: Iterable[PackedPlane], bar: tqdm[NoReturn]) -> Iterator[PackedPlane]:
    for plane in planes:
        yield plane
        bar.update()


COMMAND = Command(
    "pack",
    "Write the annotated planes of a recipe's sources into one file, for `train --pack`.",
    run,
    (
        RECIPE,
        FOLDERS,
        BACKGROUND,
        Option.of("--output", role="file", type=a_path, required=True, metavar="ZIP", help="the pack to write"),
    ),
)
