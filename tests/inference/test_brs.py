"""Backpropagating refinement: energies worked by hand, a descent that never rises, weights that nobody touches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop, Stopped
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.inference import brs
from napari_clickseg.inference import click_predictor as predictor_module
from napari_clickseg.inference.brs import (
    INERTIA,
    VARIABLES,
    Asked,
    Budget,
    Clicked,
    Curvature,
    Variables,
    descend,
    feature_scales,
    look_at,
    refine,
)
from napari_clickseg.inference.click_predictor import ClickPredictor
from napari_clickseg.inference.guidance import Encoding
from napari_clickseg.models.card import REFINEMENTS, ModelCard
from napari_clickseg.models.load import load_model, new_network, save_model
from napari_clickseg.networks.catalogue import streams_of
from napari_clickseg.networks.unet import UNet
from napari_clickseg.training.recipe import list_recipes, read_recipe


@pytest.fixture(autouse=True)
def small_images(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Toy networks hardly look at their maps: the inertial energy counts as little as in one small image."""
    monkeypatch.setattr(brs, "PAPER_PIXELS", 64 * 64)


PATIENT = Budget(seconds=math.inf, looks=60)
CLOSED = Budget(seconds=math.inf, looks=0)


def identity(logits: list[list[float]]) -> Variables:
    """A network of one layer: the logits are what may be changed."""
    return Variables(torch.tensor([[logits]]), lambda place: place)


def convolved(seed: int) -> Variables:
    """Two random convolutions of two random maps."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(shape, generator=generator) / 3 for shape in ((4, 2, 3, 3), (1, 4, 3, 3)))
    start = torch.rand((1, 2, 12, 12), generator=generator)
    return Variables(
        start, lambda maps: functional.conv2d(torch.tanh(functional.conv2d(maps, first, padding=1)), second, padding=1)
    )


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


# -- clicks and energies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 9), (5, 5), (23, 17)])
def test_logits_at_clicks_are_those_of_the_answer_on_the_frames_pixels(shape: tuple[int, int]):
    logits = torch.randn((1, 1, 9, 9), generator=torch.Generator().manual_seed(0))
    resampled = functional.interpolate(logits, size=shape, mode="bilinear", align_corners=False)[0, 0]
    pixels = [(y, x) for y in range(shape[0]) for x in range(shape[1])]
    places = [tuple((p + 0.5) * 9 / n - 0.5 for p, n in zip(pixel, shape, strict=True)) for pixel in pixels]
    clicked = Clicked.of([(place, True) for place in places], (9, 9))
    torch.testing.assert_close(clicked.read(logits), resampled.flatten())


def test_energy_is_the_square_of_what_clicks_lack_plus_the_inertia():
    variables = identity([[-2.0, 0.0], [3.0, 1.0]])
    clicked = Clicked.of([((0, 0), True), ((1, 0), False)], (2, 2))
    moved = variables.start + torch.tensor([[[[0.5, 0.0], [0.0, 2.0]]]])
    expected = (1 - sigmoid(-1.5)) ** 2 + sigmoid(3.0) ** 2 + INERTIA * (0.25 + 4.0)
    assert look_at(variables, clicked, moved).energy == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_finite_differences(seed: int):
    variables = convolved(seed)
    clicked = Clicked.of([((3, 4), True), ((8, 2.5), False), ((5, 9), True)], (12, 12))
    place = variables.start + 0.3
    gradient, size = look_at(variables, clicked, place).gradient(), 1e-2
    for index in ((0, 0, 3, 4), (0, 1, 8, 3), (0, 1, 5, 9), (0, 0, 0, 0)):
        step = torch.zeros_like(place)
        step[index] = size
        higher, lower = (look_at(variables, clicked, place + sign * step).energy for sign in (1, -1))
        assert float(gradient[index]) == pytest.approx((higher - lower) / (2 * size), abs=1e-4)


# -- descent -----------------------------------------------------------------------------------------------------------


def test_first_step_through_a_linear_network_ends_one_logit_beyond_the_border():
    variables = identity([[-2.0, -2.0], [-2.0, -2.0]])
    start, end = descend(variables, Clicked.of([((0, 1), True)], (2, 2)), iter(range(9)), NEVER)
    torch.testing.assert_close(end.logits, torch.tensor([[[[-2.0, 1.0], [-2.0, -2.0]]]]))
    assert start.energy == pytest.approx((1 - sigmoid(-2)) ** 2)
    assert end.energy == pytest.approx((1 - sigmoid(1)) ** 2 + INERTIA * 9)


def test_clicks_that_contradict_each_other_end_at_the_optimum_between_them():
    variables = identity([[-1.5]])
    clicked = Clicked.of([((0, 0), True), ((0, 0), False)], (1, 1))
    reached = refine(variables, clicked, iter(range(60)), NEVER)
    grid = torch.linspace(-2, 2, 4001)
    energies = (1 - torch.sigmoid(grid)) ** 2 + torch.sigmoid(grid) ** 2 + INERTIA * (grid + 1.5) ** 2
    assert float(reached) == pytest.approx(float(grid[energies.argmin()]), abs=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_energy_only_falls_until_every_click_has_its_label(seed: int):
    clicked = Clicked.of([((2, 2), True), ((9, 9), False), ((2, 9), False), ((9, 2), True), ((6, 6), True)], (12, 12))
    looks = list(descend(convolved(seed), clicked, iter(range(60)), NEVER))
    energies = [look.energy for look in looks]
    assert all(later < earlier for earlier, later in pairwise(energies))
    assert not clicked.wrong(looks[-1].at_clicks).any()
    assert all(clicked.wrong(look.at_clicks).any() for look in looks[:-1])


def test_two_steps_tell_lbfgs_all_of_a_quadratic_of_two_variables():
    curvature = Curvature().after(torch.tensor([1.0, 0.0]), torch.tensor([4.0, 0.0]))
    curvature = curvature.after(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(curvature.newton(torch.tensor([8.0, 3.0])), torch.tensor([-2.0, -6.0]))


def test_where_the_energy_curves_down_all_curvature_is_forgotten():
    curvature = Curvature().after(torch.ones(2), torch.ones(2)).after(torch.ones(2), -torch.ones(2))
    gradient = torch.tensor([8.0, 3.0])
    assert not curvature.steps
    torch.testing.assert_close(curvature.newton(gradient), -gradient)


def test_steps_to_where_the_network_answers_with_no_number_are_shortened():
    variables = Variables(torch.full((1, 1, 1, 1), -1.0), lambda z: torch.where(z > 0.5, torch.nan, z))
    assert 0 < float(refine(variables, Clicked.of([((0, 0), True)], (1, 1)), iter(range(60)), NEVER)) <= 0.5


def test_descent_ends_where_the_network_does_not_depend_on_what_is_changed():
    asked = []
    variables = Variables(torch.zeros(3), lambda z: asked.append(z) or torch.full((1, 1, 2, 2), -1.0))
    assert len(list(descend(variables, Clicked.of([((0, 0), True)], (2, 2)), iter(range(60)), NEVER))) == 1
    assert len(asked) == 1


@pytest.mark.parametrize("points", [[], [((0, 0), True)]], ids=["no clicks", "obeyed clicks"])
def test_without_clicks_and_with_obeyed_ones_nothing_is_changed(points: list[tuple[tuple[int, int], bool]]):
    variables = identity([[1.0, -1.0]])
    (only,) = descend(variables, Clicked.of(points, (1, 2)), iter(range(9)), NEVER)
    torch.testing.assert_close(only.logits, variables.start)


# -- budget and stop ---------------------------------------------------------------------------------------------------


def ticking(*seconds: float) -> Callable[[], float]:
    return iter(seconds).__next__


def test_budget_ends_with_its_seconds_or_its_looks():
    assert list(Budget(0.5, 60, ticking(7.0, 7.1, 7.4, 7.5)).spend()) == [0, 1]
    assert list(Budget(0.5, 2, ticking(7.0, 7.1, 7.2)).spend()) == [0, 1]


def test_default_budget_is_half_a_second_on_the_cpu_and_a_tenth_on_a_gpu():
    assert [Budget.of_device(torch.device(name)).seconds for name in ("cpu", "cuda", "mps")] == [0.5, 0.1, 0.1]


@pytest.mark.parametrize("looks", range(5))
def test_end_of_the_budget_returns_the_lowest_energy_so_far(looks: int):
    hopeless = Clicked.of([((4, 4), True), ((4, 4), False), ((8, 8), True)], (12, 12))
    every = list(descend(convolved(1), hopeless, iter(range(looks)), NEVER))
    reached = refine(convolved(1), hopeless, iter(range(looks)), NEVER)
    torch.testing.assert_close(reached, min(every, key=lambda look: look.energy).logits)


def test_stop_is_heard_between_looks():
    stop, asked = Stop(), []

    def respond(place: Tensor) -> Tensor:
        asked.append(place)
        if len(asked) == 3:
            stop.request()
        return torch.tanh(place) - 3

    with pytest.raises(Stopped):
        refine(
            Variables(torch.zeros((1, 1, 2, 2)), respond), Clicked.of([((0, 0), True)], (2, 2)), iter(range(60)), stop
        )
    assert len(asked) == 3


# -- what is changed ---------------------------------------------------------------------------------------------------

SIDE = 64
WHOLE = Region((0, 0), (SIDE, SIDE))
PLACES = ((20.0, 20.0), (40.0, 44.0))
Points = list[tuple[tuple[float, float], bool]]


@cache
def untrained(name: str) -> ClickPredictor:
    """A recipe's model before training, with smaller windows and nothing done to its answers."""
    torch.manual_seed(0)
    recipe = read_recipe(name)
    network = new_network(recipe.network, recipe.network_options, Encoding.from_mapping(recipe.encoding))
    card = ModelCard(name, name, name, recipe.network, recipe.network_options, SIDE, recipe.encoding, recipe.shares[0])
    return replace(ClickPredictor.of(network, card, torch.device("cpu")), budget=PATIENT)


@pytest.fixture(scope="module")
def image() -> Image:
    return Image.of(np.random.default_rng(0).normal(size=WHOLE.shape).astype(np.float32))


def contradiction(predictor: ClickPredictor, image: Image) -> tuple[Points, Prediction]:
    """Two clicks of a kind, and a model's answer on the whole image that contradicts them."""
    for positive in (True, False):
        points = [(place, positive) for place in PLACES]
        answer = predictor._look(image, Request((), ()), WHOLE, points, None, NEVER)
        if not all(obeyed(answer, points)):
            return points, answer
    raise AssertionError("The model obeys clicks of both kinds.")


def obeyed(answer: Prediction, points: Points) -> list[bool]:
    return [bool(answer.mask()[int(y), int(x)] == positive) for (y, x), positive in points]


def state(network: nn.Module) -> list[bytes]:
    """The bytes of all weights and buffers, in a precision that loses nothing."""
    return [value.double().numpy().tobytes() for value in network.state_dict().values()]


@pytest.mark.parametrize("refinement", VARIABLES)
@pytest.mark.parametrize("name", list_recipes())
def test_every_recipes_network_can_be_refined_and_its_weights_are_bit_identical_afterwards(
    name: str, refinement: str, image: Image
):
    predictor = untrained(name).with_refinements({refinement: True})
    before = state(predictor.network)
    points, answer = contradiction(predictor, image)
    changed = predictor._insist(image, Request((), ()), points, answer, None, iter(range(4)), NEVER)
    assert np.isfinite(changed.logits).all()
    assert state(predictor.network) == before
    assert all(weight.grad is None and not weight.requires_grad for weight in predictor.network.parameters())


@pytest.mark.parametrize("refinement", VARIABLES)
@pytest.mark.parametrize("name", list_recipes())
def test_before_the_first_look_the_answer_is_the_networks_own(name: str, refinement: str, image: Image):
    predictor = untrained(name).with_refinements({refinement: True})
    points, answer = contradiction(predictor, image)
    same = predictor._insist(image, Request((), ()), points, answer, None, iter(range(0)), NEVER)
    np.testing.assert_allclose(same.logits, answer.logits, atol=0.02)


class Layers(nn.Module):
    """Three convolutions, of which the second may be changed."""

    refined_layer = "middle.1"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3 + 2, 8, 3, padding=1)
        self.middle = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        entered = self.first(torch.cat((image, 5 * guidance), dim=1))
        answer: Tensor = 9 * self.last(self.middle(entered))
        return answer


class Streams(Layers):
    """The same in two streams, without a layer's name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Conv2d(3, 3, 3, padding=1)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.seen(image),)

    def decode(self, features: tuple[Tensor, ...], guidance: Tensor) -> Tensor:
        return self(features[0], guidance)


class Nameless(nn.Module):
    """Answers with the map of the positive clicks and the image, and names no layer."""

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        return guidance[:, :1] + image[:, :1] - 3


CARD = ModelCard(
    "small", "Small", "For tests.", "layers", {}, SIDE, {"clicks": "disk", "sizes": [3], "prior": "none"}, 0.4
)


def model(network: nn.Module, *refinements: str, budget: Budget = PATIENT) -> ClickPredictor:
    card = replace(CARD, refinements=refinements)
    return replace(ClickPredictor.of(network, card, torch.device("cpu")), budget=budget)


@pytest.mark.parametrize("flip", [(), ("flip",)], ids=["straight", "flipped"])
@pytest.mark.parametrize(
    ("network", "refinement"),
    [(Nameless, "brs"), (Layers, "brs"), (Layers, "fbrs"), (Streams, "brs"), (Streams, "fbrs")],
)
def test_network_itself_obeys_after_refinement(
    network: type[nn.Module], refinement: str, flip: tuple[str, ...], image: Image
):
    predictor = model(network(), refinement, *flip)
    points, answer = contradiction(predictor, image)
    changed = predictor._insist(image, Request((), ()), points, answer, None, iter(range(60)), NEVER)
    assert obeyed(changed, points) == [True, True]


def test_what_lies_before_the_changed_layer_runs_once_for_all_looks():
    network, runs = Layers(), []
    network.first.register_forward_hook(lambda *call: runs.append("first"))
    network.last.register_forward_hook(lambda *call: runs.append("last"))
    image, maps = torch.rand((1, 3, 8, 8)), torch.rand((1, 2, 8, 8))
    variables = feature_scales(Asked(network, (image,), maps, 2, lambda n, f, m: streams_of(n).decode(f, m)))
    for _ in range(3):
        torch.testing.assert_close(variables.respond(variables.start), network(image, maps))
    assert runs.count("first") == 1 + 3
    assert runs.count("last") == 1 + 3 + 3


def test_changed_layer_answers_scaled_and_shifted():
    network = Layers()
    image, maps = torch.rand((1, 3, 8, 8)), torch.rand((1, 2, 8, 8))
    variables = feature_scales(Asked(network, (image,), maps, 2, lambda n, f, m: streams_of(n).decode(f, m)))
    changed = variables.start * 2 + 0.5
    entered = network.first(torch.cat((image, 5 * maps), dim=1))
    expected = 9 * network.last(torch.relu(2.5 * network.middle[1](torch.relu(entered)) + 0.5))
    torch.testing.assert_close(variables.respond(changed), expected)


def test_parts_that_run_several_times_for_one_answer_run_each_time():
    """An ordinary U-Net halves and enlarges with one part each, before the changed layer and after it."""
    network = UNet(width=8, depth=2).eval().requires_grad_(False)
    image = torch.rand((1, 3, 16, 24))
    variables = feature_scales(Asked(network, (image,), torch.zeros(0), 2, lambda n, f, m: n(*f)))
    for _ in range(2):
        torch.testing.assert_close(variables.respond(variables.start), network(image))
    assert not torch.allclose(variables.respond(2 * variables.start), network(image))


def test_prior_channels_stay_as_they_are():
    asked = Asked(Nameless(), (), torch.rand((1, 3, 4, 4)), 2, lambda network, features, maps: maps[:, 2:])
    variables = VARIABLES["brs"](asked)
    assert variables.start.shape == (1, 2, 4, 4)
    torch.testing.assert_close(variables.respond(variables.start + 1), asked.maps[:, 2:])


def test_network_without_a_layer_to_change_is_refused_for_fbrs_only():
    with pytest.raises(ValueError, match="The network Nameless names no layer whose features f-BRS could change"):
        model(Nameless(), "fbrs")
    with pytest.raises(ValueError, match="The network Nameless names no layer"):
        model(Nameless(), "brs").with_refinements({"fbrs": True})


def test_a_layer_that_has_no_part_in_the_answer_is_refused(image: Image):
    network = Layers()
    network.refined_layer, network.spare = "spare", nn.Conv2d(1, 1, 1)
    predictor = model(network, "fbrs")
    points, answer = contradiction(predictor, image)
    with pytest.raises(ValueError, match="The layer Conv2d that f-BRS would change has no part in the answer"):
        predictor._insist(image, Request((), ()), points, answer, None, iter(range(1)), NEVER)


# -- as a part of the predictor ----------------------------------------------------------------------------------------


@pytest.fixture
def refinements(monkeypatch: pytest.MonkeyPatch) -> list[Clicked]:
    """The clicks of every refinement that was begun."""
    begun: list[Clicked] = []

    def noted(variables: Variables, clicked: Clicked, looks: Iterator[int], stop: Stop) -> Tensor:
        begun.append(clicked)
        return refine(variables, clicked, looks, stop)

    monkeypatch.setattr(predictor_module, "refine", noted)
    return begun


class Stubborn(nn.Module):
    """Answers background everywhere, with a slope that promises better."""

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        return torch.tanh(guidance[:, :1]) - 3


def question(clicks: int, prior: Prediction | None = None) -> Request:
    return Request((), tuple(Click((20.0 + 12 * n, 20.0 + 12 * n)) for n in range(clicks)), prior, 20.0)


def test_without_clicks_nothing_is_refined(image: Image, refinements: list[Clicked]):
    prior = Prediction.from_mask(np.hypot(*(np.indices(WHOLE.shape) - 32)) < 12, WHOLE)
    model(Nameless(), "brs").predict(image, question(0, prior))
    assert refinements == []


def test_an_obedient_answer_comes_back_as_it_is(image: Image):
    predictor = model(Nameless(), "brs")
    points = [(place, False) for place in PLACES]
    answer = predictor._look(image, Request((), ()), WHOLE, points, None, NEVER)
    assert predictor._insist(image, Request((), ()), points, answer, None, iter(range(9)), NEVER) is answer


@pytest.mark.parametrize("refinement", VARIABLES)
def test_what_refinement_leaves_disobeyed_is_corrected_locally(refinement: str, image: Image):
    network = Layers() if refinement == "fbrs" else Stubborn()
    mask = model(network, refinement, budget=CLOSED).predict(image, question(3)).full_mask(WHOLE.shape)
    assert [bool(mask[n, n]) for n in (20, 32, 44)] == [True] * 3


def test_refined_answer_lies_on_the_same_window_and_obeys_by_itself(
    image: Image, refinements: list[Clicked], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(predictor_module, "OBEDIENT", frozenset())
    straight, changed = (model(Nameless(), *on).predict(image, question(2)) for on in ((), ("brs",)))
    assert (changed.window, changed.region) == (straight.window, straight.region)
    assert not straight.full_mask(WHOLE.shape)[20, 20]
    assert changed.full_mask(WHOLE.shape)[20, 20]
    assert changed.full_mask(WHOLE.shape)[32, 32]
    assert len(refinements) == 1


def test_closer_look_is_refined_too_within_the_same_budget(refinements: list[Clicked], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictor_module, "PASSES", 1)
    wide = Image.of(np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32))
    y, x = np.indices((200, 200)) - 100
    window = Region((0, 0), (200, 200))
    prior = replace(Prediction.from_mask(np.hypot(y, x) < 40, window), window=window)
    asked: list[object] = []
    monkeypatch.setattr(brs, "look_at", lambda *place: asked.append(place) or look_at(*place))
    predictor = model(Stubborn(), "brs", "closer", budget=Budget(math.inf, looks=2))
    predictor.predict(wide, Request((), (Click((100.0, 100.0)), Click((110.0, 100.0))), prior, 80.0))
    assert len(refinements) == 2
    assert len(asked) == 2 + 1


def test_stop_ends_an_answer_under_refinement(image: Image, monkeypatch: pytest.MonkeyPatch):
    stop = Stop()

    def stopped(*place: object) -> object:
        stop.request()
        return look_at(*place)

    monkeypatch.setattr(brs, "look_at", stopped)
    with pytest.raises(Stopped):
        model(Nameless(), "brs").predict(image, question(2), stop)


def test_refinements_are_switched_by_name(tmp_path: Path):
    recipe = read_recipe("brs")
    network = new_network(recipe.network, recipe.network_options, Encoding.from_mapping(recipe.encoding))
    card = ModelCard("a", "A", "", recipe.network, {}, SIDE, recipe.encoding, 0.4, recipe.refinements)
    save_model(tmp_path / "a.safetensors", network, card)
    names = ("", ":brs=off", ":brs=off:fbrs=on", ":flip=on")
    found = [load_model(f"{tmp_path / 'a.safetensors'}{name}", "cpu").card.refinements for name in names]
    assert found == [("brs",), (), ("fbrs",), ("brs", "flip")]
    assert set(VARIABLES) <= set(REFINEMENTS)


def test_inertia_counts_for_more_where_fewer_pixels_are_summed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(brs, "PAPER_PIXELS", 480 * 320)
    asked = Asked(Nameless(), (), torch.rand((1, 3, 128, 128)), 2, lambda network, features, maps: maps[:, 2:])
    assert brs.click_maps(asked).inertia == pytest.approx(INERTIA * 9.375)
