"""User data: where a platform keeps what belongs to a user: models, journals."""

from __future__ import annotations

import os
import sys
from pathlib import Path

USER_DATA = {"darwin": "~/Library/Application Support", "win32": "~/AppData/Local"}
"""By platform; on all others $XDG_DATA_HOME or ~/.local/share."""


def user_data(name: str, variable: str) -> Path:
    """Return the folder of this name in the user's data of this package, or the one that a variable names instead.

    Parameters
    ----------
    variable : str
        Of the environment.
    """
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser()
    base = USER_DATA.get(sys.platform) or os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "napari-clickseg" / name


MODELS_VARIABLE = "CLICKSEG_MODELS"


def user_folder() -> Path:
    """Return the folder of the user's own models: $CLICKSEG_MODELS, else one in the platform's user data."""
    return user_data("models", MODELS_VARIABLE)


JOURNALS_VARIABLE = "CLICKSEG_JOURNALS"


def journals_folder() -> Path:
    """Return the folder of the journals: $CLICKSEG_JOURNALS, else one in the platform's user data."""
    return user_data("journals", JOURNALS_VARIABLE)
