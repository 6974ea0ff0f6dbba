"""Where a user's models and journals lie: as the platform wants it, or where a variable says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_clickseg.storage.paths import home, user_data

PLACES = {"linux": ".local/share", "darwin": "Library/Application Support", "win32": "AppData/Local"}


def test_the_platform_says_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    folder = PLACES.get(sys.platform, ".local/share")
    assert user_data("models", "NO_SUCH_VARIABLE") == Path(f"~/{folder}/napari-clickseg/models").expanduser()


def test_variables_name_other_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert user_data("models", "NO_SUCH_VARIABLE") == tmp_path / "napari-clickseg" / "models"
    monkeypatch.setenv("MY_MODELS", str(tmp_path / "mine"))
    assert user_data("models", "MY_MODELS") == tmp_path / "mine"


def test_without_a_home_there_is_a_place_that_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(path: object) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobody)
    monkeypatch.setattr(Path, "home", lambda: nobody(None))
    place = user_data("models", "NO_SUCH_VARIABLE")
    assert not place.exists()
    with pytest.raises(OSError, match="mine"):
        (place / "mine").mkdir(parents=True)
    assert home() is None
