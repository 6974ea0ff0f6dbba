"""State dicts: weights find their network whatever training put before their names, and nothing else is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from foreign_networks import TinyUNet, seeded
from napari_clickseg.models.loaded import Opened
from napari_clickseg.models.state_dict import Blueprint, open_state_dict

TINY = Blueprint("foreign_networks:TinyUNet")
IMAGE = torch.linspace(0, 1, 256).reshape(1, 1, 16, 16)


class Wrapped(nn.Module):
    """A network inside of another, as Lightning modules hold theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TinyUNet()

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)


def opened(folder: Path, checkpoint: object, blueprint: Blueprint = TINY) -> Opened:
    torch.save(checkpoint, folder / "a.pt")
    return open_state_dict(folder / "a.pt", blueprint, lambda permission: True)


def same_answer(network: nn.Module) -> bool:
    with torch.no_grad():
        return bool(torch.equal(network(IMAGE), seeded().eval()(IMAGE)))


def renamed(before: str, *, inner: str = "") -> dict[str, Tensor]:
    """The weights with a prefix, and with another text in the middle of some names."""
    return {
        before + (name.replace("top.", f"top.{inner}") if inner else name): v
        for name, v in seeded().state_dict().items()
    }


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "model._orig_mod.",
        "_orig_mod.module.",
        "module.model.",
        "net.backbone.network.",
        "a.b.c.d.e.",
        "student_7.",
    ],
)
@pytest.mark.parametrize("nested", [(), ("state_dict",), ("model_state_dict",), ("model", "state_dict"), ("ema_7",)])
def test_a_prefix_that_all_names_share_is_taken_off(tmp_path: Path, prefix: str, nested: tuple[str, ...]) -> None:
    checkpoint: object = renamed(prefix)
    for key in reversed(nested):
        checkpoint = {key: checkpoint, "epoch": 7, "optimizer_state": {"a": torch.ones(1)}}
    assert same_answer(opened(tmp_path, checkpoint).module)


@pytest.mark.parametrize("prefix", ["", "model."])
def test_parts_that_were_compiled_by_themselves_find_their_place(tmp_path: Path, prefix: str) -> None:
    assert same_answer(opened(tmp_path, renamed(prefix, inner="_orig_mod.")).module)


def test_weights_beside_the_networks_are_left_out(tmp_path: Path) -> None:
    checkpoint = renamed("model.") | {"loss.weight": torch.ones(2), "ema.decay": torch.ones(1)}
    assert same_answer(opened(tmp_path, checkpoint).module)


def test_a_class_that_wraps_the_network_takes_its_weights(tmp_path: Path) -> None:
    wrapped = Blueprint("tests_of_state_dict:Wrapped")
    import sys
    from types import ModuleType

    module = ModuleType("tests_of_state_dict")
    module.Wrapped = Wrapped  # type: ignore[attr-defined]
    sys.modules["tests_of_state_dict"] = module
    try:
        assert same_answer(opened(tmp_path, renamed(""), wrapped).module)
    finally:
        del sys.modules["tests_of_state_dict"]


@pytest.mark.parametrize("prefix", ["", "model._orig_mod."])
def test_missing_counters_of_batches_are_no_fault(tmp_path: Path, prefix: str) -> None:
    weights = {name: v for name, v in renamed(prefix).items() if not name.endswith("num_batches_tracked")}
    assert len(weights) < len(renamed(prefix))
    assert same_answer(opened(tmp_path, weights).module)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("leave.weight"), r"do not fit TinyUNet: 1 are missing, such as leave\.weight"),
        (lambda w: w.update({"extra.weight": torch.ones(1)}), r"1 are unknown to it, such as extra\.weight"),
        (lambda w: w.update({"leave.weight": torch.ones(1, 9, 1, 1)}), r"leave\.weight is \(1, 9, 1, 1\) in the file"),
        (lambda w: w.pop("top.1.running_mean"), r"1 are missing, such as top\.1\.running_mean"),
    ],
)
def test_what_does_not_fit_is_still_refused(tmp_path: Path, change: object, sentence: str) -> None:
    weights = dict(seeded().state_dict())
    change(weights)  # type: ignore[operator]
    with pytest.raises(ValueError, match=sentence):
        opened(tmp_path, weights)
