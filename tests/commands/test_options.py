"""Named models: found as in the table, and a recipe's name tells how it becomes a model."""

from __future__ import annotations

import pytest

from napari_clickseg.commands.options import find_named


def test_a_model_is_found_by_its_name() -> None:
    assert find_named("geodesic").name == "geodesic"


def test_a_recipe_without_weights_tells_how_they_are_made(no_weights: None) -> None:
    with pytest.raises(ValueError, match=r"There is no model 'spbox'; .* `clickseg train spbox` makes it"):
        find_named("spbox")


def test_a_name_that_is_nothing_is_no_recipe() -> None:
    with pytest.raises(ValueError, match="There is no model 'resnet'") as caught:
        find_named("resnet")
    assert "recipe" not in str(caught.value)
