"""Folders that a user names, as the sources of a recipe.

What lies in them, `data` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_clickseg.storage.image_label_pairs import IMAGES, is_source
from napari_clickseg.training.recipe import SYNTHETIC, Recipe, for_sources


def find_folders(recipe: Recipe, folders: Sequence[Path]) -> tuple[Recipe, dict[str, Path]]:
    """Return the recipe for these folders, and the folder of each source.

    A folder is a source of one's own (images and labels), or a data pack: a folder of sources. Of a pack those that the
    recipe names are taken; where it has none of them, all are one's own.

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.
    ValueError
        Where the folders hold no source, not all that the recipe wants, or two of the same name.
    """
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}.")
    wanted = {name.partition(":")[0] for name in recipe.sources if name != SYNTHETIC}
    own = [folder.resolve() for folder in folders if _is_own(folder)]
    packs = [folder for folder in folders if not _is_own(folder)]
    known = {name: pack / name for pack in packs for name in wanted if (pack / name).is_dir()}
    if not known:
        own += [inner.resolve() for pack in packs for inner in sorted(pack.iterdir()) if _is_own(inner)]
    elif wanted - known.keys():
        raise ValueError(
            f"The recipe {recipe.name} draws from {', '.join(sorted(wanted))}, but {', '.join(map(str, packs))} "
            f"has no {', '.join(sorted(wanted - known.keys()))}."
        )
    if not known and not own:
        raise ValueError(
            f"{', '.join(map(str, folders))} has no images with labels: "
            "wanted are images/ and labels/, label images beside the images, or a folder of such folders."
        )
    places = _named(own, known)
    return (for_sources(recipe, list(places)[len(known) :], beside=bool(known)) if own else recipe), places


def _is_own(folder: Path) -> bool:
    return (folder / IMAGES).is_dir() or is_source(folder)


def _named(own: Sequence[Path], known: Mapping[str, Path]) -> dict[str, Path]:
    """The known places, then those of one's own by the name of their folder."""
    places = dict(known)
    for folder in own:
        name = folder.name.replace(":", "_")
        if name in places or name == SYNTHETIC:
            raise ValueError(f"{folder} needs another name: there is a source {name!r} already.")
        places[name] = folder
    return places
