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
    return expanded(named) if named else expanded(user_data_path("napari-clickseg", appauthor=False)) / name


def expanded(path: str | Path) -> Path:
    """Return a path with ~ as the user's home folder; without a home, a place that holds nothing and takes nothing.

    Users of containers and clusters may have none. What would be read there is then absent, and what would be written
    there fails as in a folder that may not be written to.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(os.devnull, *Path(path).parts[1:])


def home() -> Path | None:
    """Return the user's home folder, None where there is none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


MODELS_VARIABLE = "CLICKSEG_MODELS"


def user_folder() -> Path:
    """Return the folder of the user's own models: $CLICKSEG_MODELS, else one in the platform's user data."""
    return user_data("models", MODELS_VARIABLE)


FIRST_STEPS_VARIABLE = "CLICKSEG_FIRST_STEPS"


def first_steps_marker() -> Path:
    """Return the file that says that the first steps were seen: $CLICKSEG_FIRST_STEPS, else one in the user data."""
    return user_data("first-steps", FIRST_STEPS_VARIABLE)


JOURNALS_VARIABLE = "CLICKSEG_JOURNALS"


def journals_folder() -> Path:
    """Return the folder of the journals: $CLICKSEG_JOURNALS, else one in the platform's user data."""
    return user_data("journals", JOURNALS_VARIABLE)


def learned_folder() -> Path:
    """Return where weights lie that were learned from kept objects: beside the journals that name them."""
    return journals_folder() / "learned"
