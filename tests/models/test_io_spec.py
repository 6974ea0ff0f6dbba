"""Conventions: they go to JSON and back, and what cannot be is refused in one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from napari_clickseg.models.io_spec import BOUNDS, KINDS, Conventions


@pytest.mark.parametrize(
    "conventions",
    [
        Conventions(),
        Conventions(ndim=3, channels=2, use=(2, 0), normalise="fixed", low=12.5, high=3.0, per_channel=False),
        Conventions(objects=(1, 2), boundary=3, activation="softmax", divisible=16, smallest_side=32, split=True),
    ],
)
def test_conventions_go_to_json_and_back(conventions: Conventions) -> None:
    assert Conventions.from_mapping(json.loads(json.dumps(conventions.to_mapping()))) == conventions


def test_what_is_not_named_keeps_its_default() -> None:
    assert Conventions.from_mapping({"halo": 8}) == Conventions(halo=8)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"ndim": 4}, r"^ndim=4 must lie between 2 and 3\.$"),
        ({"scale": 0}, r"^scale=0.0 must lie between 0.01 and 100\.$"),
        ({"scale": float("nan")}, r"^scale=nan must lie between"),
        ({"halo": 256}, r"^halo=256 on both sides leaves nothing of a tile of 512 pixels; it must be below 256\.$"),
        ({"tile": 20, "divisible": 16, "smallest_side": 32, "halo": 0}, r"^tile=20 holds no side that is a multiple"),
        ({"tile": 8, "divisible": 16, "halo": 0}, r"^tile=8 holds no side that is a multiple of 16"),
        ({"use": [0, 1]}, r"^use=\(0, 1\) must name 1 channels, as many as the network takes, or none\.$"),
        ({"use": [-1]}, r"^use=\(-1,\) must count channels from 0\.$"),
        ({"objects": []}, r"^objects must name at least one output channel\.$"),
        ({"objects": [1, 1]}, r"^objects=\(1, 1\) names a channel twice\.$"),
        ({"objects": [1], "boundary": 1}, r"^boundary=1 cannot be one of the objects' channels \(1,\)\.$"),
        ({"boundary": -1}, r"^boundary=\(-1,\) must count channels from 0\.$"),
        ({"normalise": "minmax"}, r"^normalise='minmax' must be percentile or mean-sd or fixed or range or none\.$"),
        ({"activation": "tanh"}, r"^activation='tanh' must be logits or softmax or probability\.$"),
        ({"low": 99.9}, r"^normalise=percentile needs 0 <= low < high <= 100, not 99.9 and 99.8\.$"),
        ({"normalise": "range", "low": 10.0, "high": 9.0}, r"^normalise=range needs low below high, not 10 and 9\.$"),
        ({"normalise": "fixed", "high": 0}, r"^normalise=fixed divides by high=0, which must be above 0\.$"),
        ({"low": float("inf")}, r"^low=inf and high=99.8 must be numbers\.$"),
        ({"stride": 2}, r"^There is no convention stride; there are ndim, channels"),
        ({"halo": 1.5}, r"^halo=1.5 must be a whole number\.$"),
        ({"halo": True}, r"^halo=True must be a whole number\.$"),
        ({"split": 1}, r"^split=1 must be true or false\.$"),
        ({"objects": 1}, r"^objects=1 must be a list of whole numbers\.$"),
        ({"scale": "2"}, r"^scale='2' must be a number\.$"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Conventions.from_mapping(values)


def test_every_number_with_bounds_is_a_convention_and_its_default_lies_within() -> None:
    for name, (low, high) in BOUNDS.items():
        assert KINDS[name] in ("int", "float")
        assert low <= getattr(Conventions(), name) <= high
