"""clickseg train: recipes and their changes, tuning into the picker, going on, and what it says of bad input."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest

from command_lines import refused, segment
from napari_clickseg.cli import main
from napari_clickseg.models.card import read_card
from napari_clickseg.models.load import load_model
from napari_clickseg.models.registry import list_models
from napari_clickseg.training import checkpoint as logs
from napari_clickseg.training import trainer
from napari_clickseg.training import trainer as validation
from napari_clickseg.training.recipe import list_recipes

TINY = """
name = "tiny"
title = "Tiny"
description = "For tests."
side = 32

[network_options]
widths = [8, 8, 16, 16, 16]
depths = [1, 1, 1, 1]
features = [8, 8, 16, 16, 16]
click_widths = [8, 8, 16, 16, 16]

[sources]
elsewhere = 1.0

[clicks]
rounds = 1

[schedule]
batch = 2
steps = 5
"""


def train(*more: str) -> int:
    return main(["train", "tiny.toml", "--data", "pack", "--device", "cpu", *more])


@pytest.fixture
def tiny(pack: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny recipe and a folder of one's own; models are installed into models/."""
    monkeypatch.setattr(validation, "WINDOWS", 2)
    monkeypatch.setattr(validation, "BATCH", 2)
    monkeypatch.setenv("CLICKSEG_MODELS", "models")
    Path("tiny.toml").write_text(TINY)
    return pack


def test_train_tunes_a_model_to_a_folder_and_puts_it_into_the_picker(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--steps", "1", "--out", "base", "--no-install") == 0
    assert not Path("models").exists()
    assert train("--from", "base/tiny-pack.safetensors", "--steps", "2", "--name", "mine") == 0
    told = capsys.readouterr().out
    assert "In the model picker and for --model it is 'mine' (models/mine.safetensors)" in told
    assert re.search(r"clicks to 0\.9: before \d\.\d\d, after \d\.\d\d; IoU after 1 click: before 0\.\d\d, after", told)
    assert sorted(path.name for path in Path("clickseg-train/mine").iterdir()) == [
        "checkpoint.pt",
        "log.csv",
        "mine.safetensors",
        "tensorboard",
    ]
    entry = {entry.name: entry for entry in list_models()}["mine"]
    assert (entry.kind, entry.title) == ("user", "mine")
    card = load_model("mine", "cpu").card
    assert (card.data, card.origin) == ({"pack": "the user's own images"}, "tuned from 'tiny-pack'")
    assert segment("--model", "mine") == 0


def test_train_does_not_lose_a_model_of_the_same_name_unasked(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--steps", "1", "--out", "first") == 0
    first = Path("models/tiny-pack.safetensors").read_bytes()
    assert "is a model of another run: choose another --name" in refused(
        capsys, train("--seed", "1", "--out", "second")
    )
    assert not Path("second").exists()
    assert train("--steps", "2", "--out", "first") == 0
    assert Path("models/tiny-pack.safetensors").read_bytes() != first
    assert train("--steps", "1", "--out", "second", "--replace") == 0
    assert Path("models/tiny-pack.safetensors").read_bytes() == Path("second/tiny-pack.safetensors").read_bytes()


def test_train_changes_keys_of_the_recipe(tiny: Path) -> None:
    settings = ["--set", "encoding.prior=none", "--set", "losses={bce=1.0}", "--set", "schedule.steps=1"]
    assert train(*settings, "--out", "out", "--no-install") == 0
    card = read_card("out/tiny-pack.safetensors")
    assert card.encoding["prior"] == "none"
    assert card.recipe["losses"] == {"bce": 1.0}
    assert card.recipe["schedule"]["steps"] == 1


def test_what_is_set_stands_also_where_weights_are_tuned(tiny: Path) -> None:
    assert train("--steps", "1", "--out", "base", "--no-install") == 0
    tuned = ["--from", "base/tiny-pack.safetensors", "--steps", "1", "--set", "schedule.rate=0.25"]
    assert train(*tuned, "--out", "out", "--no-install") == 0
    assert read_card("out/tiny-pack.safetensors").recipe["schedule"]["rate"] == 0.25


def test_train_draws_from_several_folders_alike(tiny: Path) -> None:
    shutil.copytree("pack", "more/cells")
    assert main(["train", "tiny.toml", "--data", "pack", "more", "--steps", "1", "--out", "out", "--no-install"]) == 0
    card = read_card("out/tiny-pack-cells.safetensors")
    assert card.recipe["sources"] == {"pack": 0.5, "cells": 0.5}


def test_train_resumes_what_is_there_and_starts_anew_when_told(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no run in out to resume" in refused(capsys, train("--resume", "--out", "out"))
    assert train("--steps", "1", "--out", "out") == 0
    assert train("--steps", "2", "--out", "out", "--resume") == 0
    assert "The run in out goes on from step 1." in capsys.readouterr().out
    assert Path("out/log.csv").read_text().count("\n") == 3
    assert train("--steps", "2", "--out", "out", "--anew", "--replace") == 0
    assert Path("out/log.csv").read_text().count("\n") == 2


def test_ctrl_c_while_training_writes_the_checkpoint_first(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = trainer._step
    monkeypatch.setattr(trainer, "_step", lambda *given: signal.raise_signal(signal.SIGINT) or steps(*given))
    assert train("--out", "out") == 130
    assert "stopped" in capsys.readouterr().err
    assert [path.name for path in Path("out").glob("*.pt")] == ["checkpoint.pt"]


def test_train_without_tensorboard_says_so(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "find_spec", lambda name: None)
    assert train("--steps", "1") == 0
    assert "TensorBoard is not installed" in capsys.readouterr().out


def test_only_the_first_of_several_processes_speaks(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert train("--steps", "1") == 0
    assert capsys.readouterr() == ("", "")
    assert not Path("models").exists()


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_recipes()
    assert "Superpixel box" in lines[-1]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--data", "nowhere"], "There is no file or folder nowhere"),
        (["--data", "pack", "other"], "needs another name: there is a source 'pack' already"),
        (["--data", "result"], "result has no images with labels"),
        (["--from", "resnet"], "There is no model 'resnet'"),
        (["--from", "geodesic"], "'geodesic' has no weights to start from"),
        (["--from", "default"], "do not fit the network ClickNet"),
        (["--name", "a/b"], "'a/b' is no name for a model"),
        (["--set", "beads=10"], "A recipe has no beads; it may have name, title"),
        (["--set", "side"], "'side' changes nothing: wanted is KEY=VALUE"),
        (["--out", "tiny.toml"], "can be written to tiny.toml: tiny.toml is a file, and wanted is a folder"),
        (["--out", "tiny.toml/out"], "tiny.toml is a file, and wanted is a folder"),
        (["--device", "abacus"], "There is no device 'abacus'"),
    ],
)
def test_bad_options_of_train_end_with_one_sentence(
    tiny: Path, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    Path("result").mkdir()
    shutil.copytree("pack", "other/pack")
    assert sentence in refused(capsys, train(*more))
    assert not Path("models").exists()
    assert not Path("clickseg-train").exists()


def test_an_unknown_recipe_ends_with_the_recipes_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert "one of brs, clickseg, forte99" in refused(capsys, main(["train", "resnet", "--data", "."]))
