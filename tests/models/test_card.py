"""Model cards: what a weights file says of itself, read without the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from napari_clickseg.models.card import ModelCard, read_card, record_metrics

CARD = ModelCard(
    "small",
    "Small",
    "For tests.",
    "clicknet",
    {},
    32,
    {"clicks": "disk", "sizes": [5]},
    0.4,
    ("flip",),
    data={"discs": "CC0"},
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_file({"a": np.arange(4, dtype=np.float16)}, str(path), metadata=CARD.to_metadata())
    return path


def test_card_is_read_as_it_was_written(weights: Path):
    assert read_card(weights) == CARD


def test_recorded_metrics_are_in_the_card_and_the_weights_are_as_before(weights: Path):
    record_metrics(weights, {"dsb2018": {"noc@90": 3.2}})
    assert read_card(weights) == replace(CARD, metrics={"dsb2018": {"noc@90": 3.2}})
    np.testing.assert_array_equal(load_file(str(weights))["a"], np.arange(4, dtype=np.float16))
    assert list(weights.parent.iterdir()) == [weights]


def test_a_tuned_model_names_its_origin_and_keeps_the_licence_credits_and_budget_of_its_start():
    start = replace(CARD, licence="CC-BY-4.0", budget="9 steps")
    mine = replace(CARD, name="mine", data={"cells": "my own"}, budget="2 steps").tuned_from(start)
    assert (mine.origin, mine.licence, mine.budget) == ("tuned from 'small'", "CC-BY-4.0", "2 steps, after 9 steps")
    assert mine.data == {"discs": "CC0", "cells": "my own"}
    again = replace(CARD, data={"discs": "my own"}).tuned_from(mine)
    assert again.origin == "tuned from 'mine', which was tuned from 'small'"
    assert again.data == {"discs": "CC0; my own", "cells": "my own"}


def test_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"There is no weights file .*nothing\.safetensors"):
        read_card(tmp_path / "nothing.safetensors")


def test_file_without_a_card_is_refused(tmp_path: Path):
    save_file({"a": np.zeros(1, np.float16)}, str(tmp_path / "bare.safetensors"))
    with pytest.raises(ValueError, match="carries no napari-clickseg model card"):
        read_card(tmp_path / "bare.safetensors")


def test_card_of_a_later_format_asks_for_an_update(tmp_path: Path):
    later = {"clickseg": CARD.to_metadata()["clickseg"].replace('"format": 2', '"format": 99')}
    save_file({"a": np.zeros(1, np.float16)}, str(tmp_path / "later.safetensors"), metadata=later)
    with pytest.raises(ValueError, match="update napari-clickseg"):
        read_card(tmp_path / "later.safetensors")


def test_truncated_file_is_refused(weights: Path):
    weights.write_bytes(weights.read_bytes()[:20])
    with pytest.raises(ValueError, match="no readable weights file"):
        read_card(weights)
