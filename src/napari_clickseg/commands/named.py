"""Named: the model that an option names, and what to do where the name is a recipe's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_clickseg.models.registry import ModelEntry


def find_named(name: str) -> ModelEntry:
    """Return the row of a model's name or path in the table of models, as `find_model`.

    Raises
    ------
    ValueError, FileNotFoundError
        As `find_model`; where a recipe has this name, the sentence tells how it is made into a model.
    """
    from napari_clickseg.models.registry import find_model
    from napari_clickseg.training.recipe import list_recipes

    recipe = name.partition(":")[0]
    try:
        return find_model(name)
    except ValueError as error:
        if recipe not in list_recipes() or recipe in _models():
            raise
        raise ValueError(f"{error} {recipe} is a recipe: `clickseg train {recipe}` makes it.") from error


def _models() -> set[str]:
    from napari_clickseg.models.registry import list_models

    return {entry.name for entry in list_models()}
