"""User data: where a platform keeps what belongs to a user: models, journals."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path


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
    return user_data_path("napari-clickseg", appauthor=False) / name


MODELS_VARIABLE = "CLICKSEG_MODELS"


def user_folder() -> Path:
    """Return the folder of the user's own models: $CLICKSEG_MODELS, else one in the platform's user data."""
    return user_data("models", MODELS_VARIABLE)


JOURNALS_VARIABLE = "CLICKSEG_JOURNALS"


def journals_folder() -> Path:
    """Return the folder of the journals: $CLICKSEG_JOURNALS, else one in the platform's user data."""
    return user_data("journals", JOURNALS_VARIABLE)
