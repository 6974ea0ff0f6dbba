"""Act: one thing that was done to a session, as a value. A session tells its acts and can do them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """What was done, by the name of the session's method or setting, and with what.

    Attributes
    ----------
    name : str
        "set_clicks", "apply", "commit", "edit", "threshold" .. : the names in `Session.ACTS`.
    arguments : mapping of str to anything
        Plain numbers and strings, and the package's values: clicks, frames, regions, arrays, predictions, edits.

    Examples
    --------
    >>> Act("resume", {"label": 3, "position": None}).name
    'resume'
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: NONE)
