"""ClickPredictor: window -> cut -> normalise -> image features (kept) -> guidance -> network -> put back -> refine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.requests import Request, check_content
from napari_clickseg.inference.brs import VARIABLES, Asked, Budget, Clicked, check_layer, refine
from napari_clickseg.inference.click_enforcement import contradicted, obey
from napari_clickseg.inference.device import (
    FeatureCache,
    Features,
    choose_precision,
    copy_on_cpu,
    on_device_or_cpu,
)
from napari_clickseg.inference.guidance import Encoding, Guidance, PointSet
from napari_clickseg.inference.local_change import merged
from napari_clickseg.inference.window import (
    Points,
    WindowRule,
    blended,
    choose_window,
    close_window,
    credibility,
    cut_logits,
    cut_others,
    cut_window,
    normalise,
    put_back,
    to_window,
    zoom_window,
)
from napari_clickseg.networks.catalogue import Filtering, streams_of, switch_filter

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.regions import Region
    from napari_clickseg.models.card import ModelCard

FINEST = 1024
"""The guided filter works on at most so many pixels of a window's side."""
IGNORED = "{name} ignores masks: it draws the object anew from the clicks alone."
PASSES = 3
"""How often a window may be chosen anew within one answer."""
SCALES = (-1.5, -0.5, 0.5, 1.5)
"""Octaves from an estimated diameter at which first clicks are looked at."""
RETHOUGHT = 3
"""Up to this click, an estimated diameter is doubted: other scales may answer instead of the window in use."""
DISOBEDIENCE_COST, CHANGE_COST = 0.5, 0.05
"""What clicks that an answer contradicts (all of them), and leaving the window in use, take from its credibility."""

OBEDIENT = frozenset(("obey", *VARIABLES))
"""Refinements after which a clicked pixel has its label in any case: what optimisation left is corrected locally."""


@dataclass(frozen=True, slots=True, eq=False)
class ClickPredictor:
    """Answers requests with a network. Its cache saves time and changes no answer.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, on its device and in its precision.
    card : ModelCard
        What the network was made for, and what is done to its answers.
    budget : Budget
        What backpropagating refinement may spend on a click, where the card has it on.
    """

    network: nn.Module
    card: ModelCard
    torch_device: torch.device
    precision: torch.dtype
    note: str = ""
    cache: FeatureCache = field(default_factory=FeatureCache)
    ndim: int = 2
    budget: Budget = field(default_factory=Budget)

    @classmethod
    def of(cls, network: nn.Module, card: ModelCard, device: torch.device, note: str = "") -> Self:
        """Return the predictor of a network, which is put on the device and made ready to answer."""
        precision = choose_precision(device)
        _fit(network, card)
        ready = fuse_batch_norms(network.eval()).requires_grad_(False)
        ready = ready.to(device=device, dtype=precision)
        ready = cast(nn.Module, ready.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
        return cls(ready, card, device, precision, note, budget=Budget.of_device(device))

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def device(self) -> str:
        return self.torch_device.type

    def free_features(self) -> None:
        """Forget the features that are kept on the device."""
        self.cache.clear()

    @property
    def guidance(self) -> Guidance:
        return Guidance(Encoding.from_mapping(self.card.encoding))

    def with_refinements(self, switches: Mapping[str, bool]) -> ClickPredictor:
        """Return the same model with refinements switched on or off (names in `REFINEMENTS`); this one stays as it is.

        Raises
        ------
        ValueError
            Where the guided filter, or a change of features, is asked for and the network has nothing of the kind.
        """
        on = {**dict.fromkeys(self.card.refinements, True), **switches}
        card = replace(self.card, refinements=tuple(name for name, wanted in on.items() if wanted))
        _fit(self.network, card)
        return replace(self, card=card, cache=FeatureCache())

    @property
    def rule(self) -> WindowRule:
        return WindowRule(object_share=self.card.object_share)

    check_request = check_content

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request; on a GPU that ran out of memory, on the CPU with a note."""
        return on_device_or_cpu(self, lambda able: able._predict(image, request, stop))

    def on_cpu(self, note: str) -> ClickPredictor:
        """Return a copy on the CPU whose answers carry this note."""
        return ClickPredictor.of(copy_on_cpu(self.network), self.card, torch.device("cpu"), note)

    def _predict(self, image: Image, request: Request, stop: Stop) -> Prediction:
        points = request.points(2)
        diameter = request.diameter or estimate_diameter(image, request.frame, 2)
        answer, prior = self._most_credible(image, request, points, diameter, stop)
        answer, prior = self._fitted(image, request, points, diameter, (answer, prior), stop)
        looks = self.budget.spend()
        answer = self._insist(image, request, points, answer, prior, looks, stop)
        answer = self._finish(image, request, points, diameter, answer, looks, stop)
        return replace(answer, note=self._note_on(request))

    def _finish(
        self,
        image: Image,
        request: Request,
        points: Points,
        diameter: float,
        answer: Prediction,
        looks: Iterator[int],
        stop: Stop,
    ) -> Prediction:
        """Look closer, keep what no click concerns, and obey, as far as the model's card has it on."""
        if request.prior is not None and "closer" in self.card.refinements:
            answer = self._look_closer(image, request, points, answer, looks, stop)
        if request.prior is not None and request.corrects and "merge" in self.card.refinements:
            answer = merged(answer, request.prior, points)
        return self._obedient(answer, points, diameter)

    def _note_on(self, request: Request) -> str:
        """What the user should know: the network's own sentence, or that it cannot see the mask it is to correct."""
        blind = request.initial is not None and self.guidance.encoding.prior == "none"
        return self.note or (IGNORED.format(name=self.name) if blind else "")

    def _fitted(
        self,
        image: Image,
        request: Request,
        points: Points,
        diameter: float,
        found: tuple[Prediction, Prediction | None],
        stop: Stop,
    ) -> tuple[Prediction, Prediction | None]:
        """Look again, from another window, where the object found does not fit into the one it was found in."""
        answer, prior = found
        windows, shape = [answer.window], image.frame_shape(2)
        for _ in range(PASSES - 1):
            better = choose_window(points, answer, diameter, shape, self.rule)
            if better in windows or not answer.mask().any():
                break
            windows.append(better)
            answer, prior = self._look(image, request, better, points, request.prior, stop), request.prior
        return answer, prior

    def _obedient(self, answer: Prediction, points: Points, diameter: float) -> Prediction:
        """Give every clicked pixel its label, where the model's card has it on."""
        if not OBEDIENT.intersection(self.card.refinements):
            return answer
        return replace(answer, logits=obey(answer.logits, answer.region, points, diameter))

    def _most_credible(
        self, image: Image, request: Request, points: Points, diameter: float, stop: Stop
    ) -> tuple[Prediction, Prediction | None]:
        """Look at the window in use and, while the scale is in doubt, at others; return the best and its prior."""
        shape, doubted = image.frame_shape(2), self._unsure(request)
        windows: dict[Region, float] = {}
        zoomed = self._zoomed(request, points)
        if zoomed is not None:
            return self._look(image, request, zoomed, points, request.prior, stop), request.prior
        if not doubted or request.prior is not None:
            windows[choose_window(points, request.prior, diameter, shape, self.rule)] = 0.0
        for window in self._other_windows(request, points, diameter, shape) if doubted else ():
            windows.setdefault(window, CHANGE_COST)
        answers = []
        for window, cost in windows.items():
            prior = request.prior if cost == 0 else None
            answer = self._look(image, request, window, points, prior, stop)
            answers.append((self._score(answer, points, shape) - cost, answer, prior))
        _, best, prior = max(answers, key=lambda scored: scored[0])
        return best, prior

    def _zoomed(self, request: Request, points: Points) -> Region | None:
        """The window of RITM's zoom-in, where the model's card has it on and there is a mask to zoom in on."""
        if "zoom" not in self.card.refinements or request.prior is None:
            return None
        return zoom_window(points, request.prior, self.rule)

    def _look_closer(
        self, image: Image, request: Request, points: Points, answer: Prediction, looks: Iterator[int], stop: Stop
    ) -> Prediction:
        """Where the window shows the frame too small for fine detail, look again around the last click, and blend."""
        close = close_window(answer.window, points, self.card.side)
        if close is None:
            return answer
        near = [(point, positive) for point, positive in points if close.contains(point)]
        look = self._look(image, request, close, near, answer, stop)
        look = self._insist(image, request, near, look, answer, looks, stop)
        return replace(answer, logits=blended(answer, look, points[-1][0], close.shape[0]))

    @staticmethod
    def _unsure(request: Request) -> bool:
        """Whether hardly more than an estimate is known of the object's size."""
        estimated = request.estimated or request.diameter is None
        return estimated and (request.prior is None or len(request.clicks) <= RETHOUGHT)

    def _other_windows(
        self, request: Request, points: Points, diameter: float, shape: tuple[int, ...]
    ) -> Iterator[Region]:
        """Windows at other scales around what was clicked first: those of the first click, whose features are kept."""
        start = points if request.prior is None else points[:1]
        for octave in SCALES:
            window = choose_window(start, None, diameter * 2**octave, shape, self.rule)
            if all(window.contains(point) for point, _ in points):
                yield window

    def _score(self, answer: Prediction, points: Points, shape: tuple[int, ...]) -> float:
        wrong = contradicted(answer.logits, answer.region, points)
        return credibility(answer, shape, self.rule) - DISOBEDIENCE_COST * len(wrong) / max(len(points), 1)

    def _look(
        self, image: Image, request: Request, window: Region, points: Points, prior: Prediction | None, stop: Stop
    ) -> Prediction:
        stop.check()
        with torch.inference_mode():
            features, maps = self._see(image, request, window, points, prior, stop)
            logits, quality = self._answer(features, maps)
            logits = self._filtered(image, request.frame, window, features, logits)
        region, values = put_back(logits, window, image.frame_shape(2))
        return Prediction(region, values, window=window, quality=None if quality is None else float(quality))

    def _insist(
        self,
        image: Image,
        request: Request,
        points: Points,
        answer: Prediction,
        prior: Prediction | None,
        looks: Iterator[int],
        stop: Stop,
    ) -> Prediction:
        """Where an answer contradicts clicks and the model refines by backpropagation, make the network obey them."""
        changed = next((name for name in VARIABLES if name in self.card.refinements), None)
        window, side = answer.window, self.card.side
        if changed is None or window is None or not contradicted(answer.logits, answer.region, points):
            return answer
        with torch.inference_mode():
            features, maps = self._see(image, request, window, points, prior, stop)
        features = tuple(feature.clone() for feature in features)
        asked = Asked(self.network, features, maps.clone(), self.guidance.encoding.click_channels, self._decode)
        pixels = [((round(y), round(x)), positive) for (y, x), positive in points if window.contains((y, x))]
        clicked = Clicked.of(to_window(pixels, window, side), (side, side), self.torch_device)
        logits = refine(VARIABLES[changed](asked), clicked, looks, stop)
        region, values = put_back(logits, window, image.frame_shape(2))
        return replace(answer, region=region, logits=values)

    def _see(
        self, image: Image, request: Request, window: Region, points: Points, prior: Prediction | None, stop: Stop
    ) -> tuple[Features, Tensor]:
        """Return what enters the network's second part: features of a window, and the guidance."""
        side, guidance, frame = self.card.side, self.guidance, request.frame
        features = self._features(image, frame, window)
        stop.check()
        clicks = PointSet.of([to_window(points, window, side)], self.torch_device)
        prior = self._fed(request, prior)
        mask = torch.zeros((1, 1, side, side)) if prior is None else torch.sigmoid(cut_logits(prior, window, side))
        has_mask = torch.full((1,), 0.0 if prior is None else 1.0, device=self.torch_device)
        others = self._others(request, window)
        maps = guidance(clicks, mask.to(self.torch_device), has_mask, features[: guidance.keeps], others)
        return features[guidance.keeps :], maps

    def _fed(self, request: Request, prior: Prediction | None) -> Prediction | None:
        """The mask that the network is shown, as its encoding of masks wants it."""
        feeds = self.guidance.encoding.feeds
        if feeds == "initial":
            return request.initial
        return prior if feeds == "latest" or request.initial is not None else None

    def _others(self, request: Request, window: Region) -> Tensor | None:
        """Where other objects lie in a window, where the network takes that and it is known."""
        if request.others is None or not self.guidance.encoding.others:
            return None
        return cut_others(request.others, window, self.card.side).to(self.torch_device)

    def _answer(self, features: Features, maps: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (batch, 1, y, x) and predicted IoU (batch,) of windows; no IoU where the network judges none."""
        logits, quality = streams_of(self.network).answer(features, self._ready(self._mirrored(maps)))
        if quality is None:
            return self._unmirrored(logits), None
        views = 2 if "flip" in self.card.refinements else 1
        return self._unmirrored(logits), torch.sigmoid(quality.float())[:, 0].reshape(views, -1).mean(0)

    def _filtered(self, image: Image, frame: Frame, window: Region, features: Features, logits: Tensor) -> Tensor:
        """Logits after the guided filter, at the image's own resolution where the window has more pixels than it shows.

        Where the network ends with a filter, it is off while the network runs.
        """
        if "guided" not in self.card.refinements:
            return logits
        side = min(window.shape[0], FINEST)
        fine = None if side <= self.card.side else self._ready(normalise(cut_window(image, frame, window, side)))
        filtering = cast(Filtering, self.network)
        return filtering.filtered(features[0][:1], logits.to(self.precision), fine)

    def _decode(self, network: nn.Module, features: Features, maps: Tensor) -> Tensor:
        return self._unmirrored(streams_of(network).decode(features, self._ready(self._mirrored(maps))))

    def _features(self, image: Image, frame: Frame, window: Region) -> Features:
        """What the network sees in a window, computed once for the same pixels."""
        seen = frame, window, image.checksum(frame, window)
        return self.cache.get(image, seen, lambda: self._encode(image, frame, window))

    def _encode(self, image: Image, frame: Frame, window: Region, side: int | None = None) -> Features:
        """What is kept of a window: what the guidance stands on, then the network's features."""
        cut = normalise(cut_window(image, frame, window, side or self.card.side))
        kept = self.guidance.prepare(cut.to(self.torch_device))
        return (*kept, *streams_of(self.network).encode(self._ready(self._mirrored(cut))))

    def _mirrored(self, maps: Tensor) -> Tensor:
        """The maps and their mirror images as a batch of two, where the model wants to see both."""
        return torch.cat((maps, maps.flip(-1))) if "flip" in self.card.refinements else maps

    def _unmirrored(self, logits: Tensor) -> Tensor:
        """Logits of the mean probability of both views."""
        if "flip" not in self.card.refinements:
            return logits
        straight, mirrored = torch.sigmoid(logits.float()).chunk(2)
        return torch.logit((straight + mirrored.flip(-1)) / 2, eps=1e-5)

    def _ready(self, maps: Tensor) -> Tensor:
        return maps.to(device=self.torch_device, dtype=self.precision, memory_format=torch.channels_last)


def _fit(network: nn.Module, card: ModelCard) -> None:
    """Make a network ready for its card's refinements, or refuse it with a ValueError."""
    if "guided" in card.refinements:
        switch_filter(network, True)  # refuses a network that has none
    switch_filter(network, False)
    if "fbrs" in card.refinements:
        check_layer(network)


def fuse_batch_norms(network: nn.Module) -> nn.Module:
    """Fold each batch normalisation into the convolution before it, in place; the answers stay the same."""
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1:
            first, second = module[0], module[1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[0] = fuse_conv_bn_eval(first, second)
                module[1] = nn.Identity()
    return network
