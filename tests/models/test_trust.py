"""Trust: remembered per content and computer, and asked again where the memory is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_clickseg.models.registry import list_models
from napari_clickseg.models.state_dict import Blueprint
from napari_clickseg.models.trust import Untrusted, digest, remember, trusted


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_what_was_remembered_is_trusted_and_nothing_else() -> None:
    remember(digest(b"mine"))
    remember(digest(b"too"))
    remember(digest(b"mine"))
    assert [trusted(digest(content)) for content in (b"mine", b"too", b"other")] == [True, True, False]


def test_the_memory_is_no_model(models: Path) -> None:
    before = list_models()
    remember(digest(b"mine"))
    assert list_models() == before


@pytest.mark.parametrize("damage", ["", "{", "7", '{"a": 1}', "[1, null]"])
def test_a_damaged_memory_trusts_nobody_and_is_written_anew(models: Path, damage: str) -> None:
    models.mkdir()
    (models / "trusted.json").write_text(damage)
    assert not trusted(digest(b"mine"))
    remember(digest(b"mine"))
    assert trusted(digest(b"mine"))


def test_the_question_tells_what_could_happen_and_the_first_digits() -> None:
    question = Untrusted("net.pt", digest(b"mine"))
    assert "net.pt is a program that can do on this computer whatever you can do" in str(question)
    assert digest(b"mine")[:12] in str(question)
    assert question.sha256 == digest(b"mine")


def test_source_that_came_along_needs_trust_under_whatever_name() -> None:
    ours = "napari_clickseg.networks.unet:UNet"
    assert Blueprint(ours).permission == ""
    assert Blueprint(ours, code="import os").permission
    assert Blueprint(ours, code="import os").permission != Blueprint(ours, code="import sys").permission
    assert Blueprint("napari_clickseg.networksmith:Net").permission
