"""Runtime: which device and precision to compute with, and a cache of image features with a byte budget."""

from __future__ import annotations

import copy
import io
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image

Features = tuple[Tensor, ...]
CACHE_BYTES = 256 * 2**20
Answer = TypeVar("Answer")
Able = TypeVar("Able", bound="OnDevice")
ON_CPU = "The GPU ran out of memory, so this answer was computed on the CPU."


class OnDevice(Protocol):
    """What answers on a device, and can be copied to the CPU."""

    @property
    def device(self) -> str:
        """The kind of device: "cpu", "cuda", "mps"."""

    @property
    def torch_device(self) -> torch.device:
        """The device itself."""

    def free_features(self) -> None:
        """Forget the features that are kept on the device."""

    def on_cpu(self, note: str) -> Self:
        """Return a copy on the CPU whose answers carry this note."""


def on_device_or_cpu(predictor: Able, work: Callable[[Able], Answer]) -> Answer:
    """Return `work(predictor)`; where its GPU runs out of memory, that of a copy on the CPU, with a note.

    Raises
    ------
    RuntimeError
        What the work raised for any other reason.
    """
    try:
        return work(predictor)
    except RuntimeError as error:
        if predictor.device == "cpu" or not ran_out_of_memory(error):
            raise
        predictor.free_features()
        free_memory(predictor.torch_device)
        return work(predictor.on_cpu(ON_CPU))


def choose_device(name: str = "auto") -> torch.device:
    """Return a device by name; "auto" takes CUDA, then MPS, then the CPU.

    Raises
    ------
    ValueError
        Where the device is not there, with those that are.
    """
    present = available_devices()
    if name == "auto":
        return torch.device(present[-1])
    if name.split(":")[0] not in present:
        raise ValueError(f"There is no device {name!r} here; choose one of auto, {', '.join(present)}.")
    return torch.device(name)


def available_devices() -> list[str]:
    """Return the names of the devices of this computer, the fastest last."""
    mps = ["mps"] if torch.backends.mps.is_available() else []
    cuda = ["cuda"] if torch.cuda.is_available() else []
    return ["cpu", *mps, *cuda]


def choose_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the hardware multiplies it (recent CUDA, CPUs with AVX512-BF16 or AMX), else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu":
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32
    return torch.float32


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Return whether a device had too little memory; MPS reports it in words alone."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)


def free_memory(device: torch.device) -> None:
    """Give memory that torch holds in reserve back to a GPU."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def copy_on_cpu(network: nn.Module) -> nn.Module:
    """Return a copy of a network on the CPU; the network itself, which other threads may be using, stays where it is.

    Weights are copied one by one from the device, which needs no memory for that.
    """
    copies: dict[int, object] = {}
    for part in _parts(network):
        if isinstance(part, torch.jit.ScriptModule):
            copies[id(part)] = _script_on_cpu(part)
        else:
            for weight in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
                copies[id(weight)] = _weight_on_cpu(weight)
    return copy.deepcopy(network, copies)


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """A module and all within it; TorchScript, whose parts Python sees only copies of, as a whole."""
    yield module
    if not isinstance(module, torch.jit.ScriptModule):
        for child in module.children():
            yield from _parts(child)


def _script_on_cpu(script: nn.Module) -> nn.Module:
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`?torch.jit", DeprecationWarning)
        torch.jit.save(script, written)
        written.seek(0)
        loaded: nn.Module = torch.jit.load(written, map_location="cpu")  # type: ignore[no-untyped-call]
    return loaded


def _weight_on_cpu(weight: Tensor) -> Tensor:
    values = weight.detach().to("cpu", copy=True)
    return nn.Parameter(values, weight.requires_grad) if isinstance(weight, nn.Parameter) else values


class FeatureCache:
    """Mutable owner of recent image features, oldest thrown out first. Any thread may use it.

    It holds no image: features of an image that is gone can never be asked for again, and leave in their turn.
    """

    def __init__(self, budget: int = CACHE_BYTES) -> None:
        self._budget = budget
        self._entries: OrderedDict[Hashable, Features] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, image: Image, key: Hashable, compute: Callable[[], Features]) -> Features:
        """Return the features under (image, key), computing them if they are not there."""
        full_key = (weakref.ref(image), key)
        with self._lock:
            if full_key in self._entries:
                self._entries.move_to_end(full_key)
                return self._entries[full_key]
        features = compute()
        with self._lock:
            self._entries[full_key] = features
            while self.size > self._budget and len(self._entries) > 1:
                self._entries.popitem(last=False)
        return features

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(t.numel() * t.element_size() for features in self._entries.values() for t in features)
