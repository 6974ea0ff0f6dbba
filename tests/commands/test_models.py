"""clickseg models: the table of models, and the card of one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from command_lines import refused
from napari_clickseg.cli import main
from napari_clickseg.models.card import ModelCard


def test_models_are_listed_with_where_they_come_from(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSEG_MODELS", str(here))
    (here / "mine.safetensors").write_bytes(b"")
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "geodesic" in said
    assert "mine (damaged)" in said
    assert str(here) in said


TINY = ModelCard(
    name="tiny",
    title="Tiny",
    description="For tests.",
    network="clicknet",
    network_options={"guidance": 6},
    side=32,
    encoding={"clicks": "disk", "sizes": [5.0]},
    object_share=0.5,
    refinements=("obey",),
    data={"cells": "Somebody (2020), CC0"},
    recipe={"name": "tiny", "side": 32, "losses": {"bce": 1.0}, "sources": {}, "credits": {"cells": "CC0"}},
    metrics={"cells": {"objects": 100.0, "noc@90": 3.25}, "yeast": {"objects": 7.0}},
    budget="5 steps",
)


def test_a_models_card_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"weight": np.zeros(2, np.float32)}, "tiny.safetensors", metadata=TINY.to_metadata())
    assert main(["models", "tiny.safetensors"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "tiny (user): Tiny",
        "For tests.",
        "",
        "Weights",
        "  file         tiny.safetensors (0.0 MB)",
        "  licence      BSD-3-Clause",
        "  network      clicknet guidance=6",
        "  window       32 x 32 pixels, an object 50 % of it",
        '  encoding     clicks "disk", sizes [5.0]',
        "  refinements  obey",
        "  budget       5 steps",
        "",
        "Trained on",
        "  cells  Somebody (2020), CC0",
        "",
        "Recipe",
        "  side        32",
        "  losses.bce  1.0",
        "  sources     {}",
        "",
        "Measured on the test parts of",
        "         objects   noc@90",
        "  cells      100     3.25",
        "  yeast        7         ",
    ]


def test_a_part_that_a_card_leaves_empty_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    bare = replace(TINY, data={}, recipe={}, metrics={}, budget="")
    save_file({"weight": np.zeros(2, np.float32)}, "tiny.safetensors", metadata=bare.to_metadata())
    assert main(["models", "tiny.safetensors"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  refinements  obey"


def test_refinements_that_are_switched_are_told_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "default:obey=off:flip=on:closer=on"]) == 0
    assert "refinements  closer, flip\n" in capsys.readouterr().out


def test_a_model_without_weights_has_a_description_and_no_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "geodesic"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "geodesic (weightless): Geodesic distance"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("resnet", "There is no model 'resnet'; there are default"), ("mine", "mine.safetensors is no readable weights")],
)
def test_a_card_that_cannot_be_read_is_one_sentence(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.setenv("CLICKSEG_MODELS", str(here))
    (here / "mine.safetensors").write_bytes(b"")
    assert sentence in refused(capsys, main(["models", name]))


def test_a_weights_file_is_added_under_the_name_of_its_card(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSEG_MODELS", str(here / "mine"))
    save_file({"w": np.zeros(1, np.float32)}, here / "download.safetensors", TINY.to_metadata())
    for _ in range(2):  # the same file again is no fault
        assert main(["models", "--add", str(here / "download.safetensors")]) == 0
        assert f"added: {here / 'mine' / 'tiny.safetensors'}" in capsys.readouterr().out
    save_file({"w": np.ones(1, np.float32)}, here / "other.safetensors", TINY.to_metadata())
    assert "There is another model 'tiny'" in refused(
        capsys, main(["models", "--add", str(here / "other.safetensors")])
    )


def test_a_file_without_a_card_is_not_added(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / "bad.safetensors").write_bytes(b"nothing")
    assert "is no readable weights file" in refused(capsys, main(["models", "--add", str(here / "bad.safetensors")]))
