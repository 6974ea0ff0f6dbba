"""Guesses: what running a network shows of its conventions, each with its reason; what the file tells goes before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from foreign_files import exported, scripted
from foreign_networks import Habit, Picky, Volumes, seeded
from napari_clickseg.models.import_model import examine
from napari_clickseg.models.infer_spec import guess
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.loaded import Adapter, Opened


class Apply(nn.Module):
    """A convolution, the same every time, then any function."""

    def __init__(self, function: Callable[[Tensor], Tensor], channels: int = 1, outputs: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.only = nn.Conv2d(channels, outputs, 3, padding=1)
        self.function = function

    def forward(self, image: Tensor) -> Tensor:
        return self.function(self.only(image))


def guessed(network: nn.Module, **more: Any) -> tuple[Conventions, dict[str, str]]:
    return guess(Opened(network.eval(), "state dict", {}, **more))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_channels_follow_from_the_first_convolution(channels: int) -> None:
    rules, reasons = guessed(seeded(channels=channels))
    assert (rules.ndim, rules.channels) == (2, channels)
    assert reasons["channels"].startswith(f"it runs with {channels} input channel")


def test_sides_are_multiples_of_what_the_network_halves() -> None:
    rules, reasons = guessed(seeded())
    assert (rules.divisible, rules.smallest_side, rules.tile) == (4, 4, 512)
    assert reasons["divisible"] == "it takes sides that are multiples of 4"


def test_a_network_without_halving_takes_any_side() -> None:
    rules, _ = guessed(Apply(torch.relu))
    assert (rules.divisible, rules.smallest_side) == (1, 1)


class Valid(nn.Module):
    """A U-Net without padding: its answer lacks ten pixels on every side, and its sides are multiples of 4 plus 2."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.steps = nn.ModuleList([nn.Conv2d(1, 1, 3) for _ in range(5)])

    def forward(self, image: Tensor) -> Tensor:
        for step, convolution in enumerate(self.steps):
            image = convolution(image)
            if step < 2:
                image = nn.functional.max_pool2d(image, 2)
            elif step < 4:
                image = nn.functional.interpolate(image, scale_factor=2)
        return image


def test_a_network_without_padding_sees_the_image_go_on() -> None:
    network = Valid()
    rules, reasons = guessed(network)
    assert rules.border == (10, 12)
    assert rules.divisible == 4
    assert rules.halo >= 10
    assert reasons["border"] == "its answer lacks 10 pixels on every side"
    image = torch.rand((1, 1, 80, 80), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole, plain = Adapter(network, border=rules.border)(image), network(image[..., 2:, 2:])
    assert whole.shape == image.shape
    assert torch.allclose(whole[..., 12:70, 12:70], plain)


@pytest.mark.parametrize("kernel", [3, 5, (3, 3, 3)])
def test_what_a_convolution_lacks_is_what_it_sees_on_either_side(kernel: int | tuple[int, ...]) -> None:
    network = nn.Conv3d(1, 1, kernel) if isinstance(kernel, tuple) else nn.Conv2d(1, 1, kernel)
    lack = 1 if isinstance(kernel, tuple) else kernel // 2
    assert guessed(network)[0].border == (lack, lack)


@pytest.mark.parametrize(
    "network",
    [nn.Conv2d(1, 1, 4), nn.Conv2d(1, 1, (3, 5)), nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.Conv2d(1, 1, (1, 3))],
)
def test_a_border_that_cannot_be_computed_is_refused_in_one_sentence(network: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"must be as large as its input, or lack the same border on every side\.$"):
        guessed(network)


def test_an_odd_number_of_channels_may_be_planes_and_the_reason_says_so() -> None:
    assert "neighbouring planes" in guessed(seeded(channels=5))[1]["planes"]
    assert "planes" not in guessed(seeded(channels=1))[1]


def test_a_network_of_one_size_gets_tiles_of_that_size() -> None:
    rules, reasons = guessed(Habit("fixed"))
    assert (rules.divisible, rules.smallest_side, rules.tile) == (96, 96, 96)
    assert reasons["tile"] == "of the sides that were tried it takes 96 alone"


def test_volumes_are_told_from_planes_by_their_convolutions() -> None:
    rules, _ = guessed(Volumes())
    assert (rules.ndim, rules.channels, rules.tile) == (3, 1, 96)


@pytest.mark.parametrize(
    ("network", "activation", "objects", "boundary"),
    [
        (Apply(lambda x: 5 * x), "logits", (0,), None),
        (Apply(lambda x: 0.5 + 0.05 * x), "logits", (0,), None),
        (Apply(torch.sigmoid), "probability", (0,), None),
        (Apply(lambda x: 5 * x, outputs=2), "softmax", (1,), None),
        (Apply(lambda x: torch.softmax(x, 1), outputs=2), "probability", (1,), None),
        (Apply(torch.sigmoid, outputs=2), "probability", (0,), 1),
        (Apply(lambda x: 5 * x, outputs=3), "softmax", (1,), 2),
        (Apply(lambda x: torch.softmax(x, 1), outputs=3), "probability", (1,), 2),
        (Apply(lambda x: 5 * x, outputs=5), "softmax", (1, 2, 3, 4), None),
    ],
)
def test_the_output_is_told_by_its_channels_and_its_values(
    network: nn.Module, activation: str, objects: tuple[int, ...], boundary: int | None
) -> None:
    rules, reasons = guessed(network)
    assert (rules.activation, rules.objects, rules.boundary) == (activation, objects, boundary)
    assert reasons["activation"].startswith("its values on noise lie between ")


def test_of_several_outputs_the_first_that_is_a_map_is_taken() -> None:
    rules, reasons = guessed(Habit("pair"))
    assert rules.output == 1
    assert reasons["output"] == "output 1 is its first that is as large as the image"


def test_sides_that_a_script_refuses_are_not_the_smallest(tmp_path: Path) -> None:
    rules = examine(scripted(tmp_path, Picky()).path, trust=True).conventions
    assert (rules.divisible, rules.smallest_side) == (1, 16)


@pytest.mark.parametrize(("reach", "halo"), [(1, 8), (5, 8), (9, 16), (20, 24)])
def test_the_halo_is_how_far_an_output_pixel_sees(reach: int, halo: int) -> None:
    network = nn.Conv2d(1, 1, 2 * reach + 1, padding=reach)
    nn.init.constant_(network.weight, 1.0)
    rules, _ = guessed(nn.Sequential(network))
    assert rules.halo == halo


def test_what_the_file_tells_goes_before_what_running_shows() -> None:
    declared = {"objects": ([0], "the file says so"), "normalise": ("mean-sd", "the file says so")}
    rules, reasons = guessed(seeded(outputs=3), declared=declared)
    assert (rules.objects, rules.normalise, rules.boundary) == ((0,), "mean-sd", 2)
    assert reasons["objects"] == reasons["normalise"] == "the file says so"


def test_what_nothing_tells_is_said_to_be_so() -> None:
    _, reasons = guessed(seeded())
    assert reasons["normalise"] == "nothing tells how its images were normalised: try another where the answer is wrong"


def test_a_program_exported_for_sides_up_to_a_length_gets_tiles_no_longer(tmp_path: Path) -> None:
    side = 4 * torch.export.Dim("side", min=4, max=64)
    program = torch.export.export(seeded(), (torch.zeros(1, 1, 32, 32),), dynamic_shapes=({2: side, 3: side},))
    torch.export.save(program, tmp_path / "net.pt2")
    rules = examine(tmp_path / "net.pt2", trust=True).conventions
    assert (rules.tile, rules.divisible) == (256, 4)


def test_a_program_of_any_side_gets_the_usual_tile(tmp_path: Path) -> None:
    assert examine(exported(tmp_path, seeded()).path, trust=True).conventions.tile == 512


@pytest.mark.parametrize(
    ("axes", "shape"), [("bcyx", (1, 1, 2, 3)), ("byxc", (1, 2, 3, 1)), ("cyx", (1, 2, 3)), ("yxc", (2, 3, 1))]
)
def test_axes_in_another_order_are_turned_there_and_back(axes: str, shape: tuple[int, ...]) -> None:
    seen: list[tuple[int, ...]] = []

    class Looking(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            seen.append(tuple(image.shape))
            return 2 * image

    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert torch.equal(Adapter(Looking(), axes)(image), 2 * image)
    assert seen == [shape]


def test_a_converted_network_stays_as_it_is_when_told_to_train() -> None:
    network = Adapter(seeded())
    assert not network.train().training
    assert not network.module.training
    assert not any(weight.requires_grad for weight in network.parameters())


def rays(x: Tensor) -> Tensor:
    """As StarDist answers: an object probability, then distances along rays."""
    return torch.cat([torch.sigmoid(x[:, :1]), 3 * x[:, 1:].abs() + 2], dim=1)


def test_a_probability_beside_distances_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        ValueError, match=r"a probability in channel 0 and 32 channels of other values, .*\.$"
    ) as refused:
        guessed(Apply(rays, outputs=33))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("finish", [torch.sigmoid, lambda x: x, lambda x: torch.softmax(x, 1)])
def test_channels_of_one_kind_are_taken(finish: Callable[[Tensor], Tensor]) -> None:
    assert guessed(Apply(finish, outputs=3))[0].objects == (1,)


@pytest.mark.parametrize("name", ["cellpose.resnet_torch:CPnet", "stardist.models:StarDist2D"])
def test_classes_of_programs_with_a_rule_of_their_own_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="of which objects are made by a rule of its own"):
        guessed(Apply(torch.relu, outputs=3), class_path=name)
