"""Where a user's models and journals lie: as the platform wants it, or where a variable says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_clickseg.storage.paths import user_data


@pytest.mark.parametrize(
    ("platform", "folder"),
    [("linux", ".local/share"), ("darwin", "Library/Application Support"), ("win32", "AppData/Local")],
)
def test_each_platform_has_its_own_place(platform: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert user_data("models", "NO_SUCH_VARIABLE") == Path(f"~/{folder}/napari-clickseg/models").expanduser()


def test_variables_name_other_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert user_data("models", "NO_SUCH_VARIABLE") == tmp_path / "napari-clickseg" / "models"
    monkeypatch.setenv("MY_MODELS", str(tmp_path / "mine"))
    assert user_data("models", "MY_MODELS") == tmp_path / "mine"
