"""Damaged, hostile and unusable files: one clear sentence each, and the list of models stays as it was."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from foreign_files import SOURCE, WRITERS
from foreign_networks import Habit, seeded
from napari_clickseg.models import safe_archive as archive
from napari_clickseg.models.import_model import examine
from napari_clickseg.models.load import open_converted
from napari_clickseg.models.registry import list_models
from napari_clickseg.models.safe_archive import inside, unpack


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Whatever a test examines, the list of models is the same afterwards."""
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path / "models"))
    before = list_models()
    yield
    assert list_models() == before
    assert not (tmp_path / "models").exists()


def refused(path: Path, **options: object) -> str:
    """The sentence with which a trusted file is refused."""
    with pytest.raises(ValueError, match=r"\.$") as error:
        examine(path, trust=True, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# -- damage ------------------------------------------------------------------------------------------------------------

FILES = sorted(set(WRITERS) - {"bioimage_folder"})


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    saved = WRITERS[name](tmp_path, seeded(outputs=3))
    whole = saved.path.read_bytes()
    for share in (0.1, 0.5, 0.95):
        saved.path.write_bytes(whole[: int(share * len(whole))])
        assert refused(saved.path, **saved.options)


@pytest.mark.parametrize("name", ["state_dict", "checkpoint", "scripted", "traced", "exported", "bioimage_zip"])
@pytest.mark.parametrize("share", [0.1, 0.95])
def test_an_archive_that_was_cut_off_is_told_as_such(tmp_path: Path, name: str, share: float) -> None:
    saved = WRITERS[name](tmp_path, seeded())
    whole = saved.path.read_bytes()
    saved.path.write_bytes(whole[: int(share * len(whole))])
    assert "is damaged or cut off: its archive has no end." in refused(saved.path, **saved.options)


@pytest.mark.parametrize("name", FILES)
def test_an_empty_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    saved = WRITERS[name](tmp_path, seeded())
    saved.path.write_bytes(b"")
    assert refused(saved.path, **saved.options) == f"{saved.path.name} is empty."


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("bioimage_zip", "halves")])
def test_noise_in_place_of_the_content_is_one_sentence(tmp_path: Path, name: str) -> None:
    saved = WRITERS[name](tmp_path, seeded())
    saved.path.write_bytes(bytes(range(256)) * 40)
    assert refused(saved.path, **saved.options)


@pytest.mark.parametrize("name", ["scripted", "exported", "bioimage_zip"])
def test_overwritten_members_of_an_archive_are_one_sentence(tmp_path: Path, name: str) -> None:
    """The archive is whole, what is in it is not."""
    saved = WRITERS[name](tmp_path, seeded())
    with zipfile.ZipFile(saved.path) as archive_file:
        names = archive_file.namelist()
    with zipfile.ZipFile(saved.path, "w") as archive_file:
        for member in names:
            archive_file.writestr(member, b"x")
    assert refused(saved.path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*gone\.pt\.$"):
        examine(tmp_path / "gone.pt")


def test_an_empty_folder_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty is in no format that can be converted" in refused(tmp_path / "empty")


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_damaged_kept_model_says_so(tmp_path: Path, share: float) -> None:
    from napari_clickseg.models.import_model import keep

    saved = WRITERS["scripted"](tmp_path, seeded())
    candidate = examine(saved.path, trust=True)
    kept = keep(candidate, candidate.conventions, "mine", folder=tmp_path / "elsewhere")
    kept.write_bytes(kept.read_bytes()[: int(share * kept.stat().st_size)])
    for file in (tmp_path / "models").iterdir():
        file.unlink()
    (tmp_path / "models").rmdir()
    with pytest.raises(ValueError, match=r"mine\.safetensors is no readable weights file"):
        open_converted(kept, "cpu", trust=True)


# -- hostile archives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "C:\\out.txt", "..\\out.txt"])
def test_members_outside_their_folder_are_never_unpacked(tmp_path: Path, member: str) -> None:
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive_file:
        archive_file.writestr("rdf.yaml", "type: model")
        archive_file.writestr(member, "out")
    assert "outside its folder; it is not opened." in refused(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["package.zip"]


def test_an_archive_that_unpacks_to_absurd_sizes_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 2**20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive_file:
        archive_file.writestr("rdf.yaml", "type: model")
        archive_file.writestr("zeros", bytes(2**21))
    assert path.stat().st_size < 2**14
    assert "bomb.zip unpacks to 2 files of 0.0 GiB in all; that is no model." in refused(path)
    with pytest.raises(ValueError, match="that is no model"):
        unpack(path, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_an_absurdly_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    with path.open("wb") as file:
        os.truncate(file.fileno(), archive.LARGEST + 1)  # sparse: takes no room
    assert refused(path) == "large.pt has 4.0 GiB; a model may have 4."


def test_names_in_a_package_stay_inside_it(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "secret.pt").write_bytes(b"x")
    (tmp_path / "package" / "link.pt").symlink_to(tmp_path / "secret.pt")
    for name in ("../secret.pt", str(tmp_path / "secret.pt"), "link.pt"):
        with pytest.raises(ValueError, match="outside its folder"):
            inside(tmp_path / "package", name)
    with pytest.raises(ValueError, match=r"names a file 'gone\.pt' that is not in it; download the whole package"):
        inside(tmp_path / "package", "gone.pt")


def test_a_pickle_that_would_run_code_does_not(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return os.mkdir, (str(tmp_path / "models"),)

    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.pt")
    assert "hostile.pt holds more than weights: opening it would run code." in refused(tmp_path / "hostile.pt")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "holds no state dict, a table of tensors by name, but a list."),
        ({"epoch": 3, "loss": 0.1}, "holds no state dict, a table of tensors by name; it holds epoch, loss."),
        ({}, "holds no state dict, a table of tensors by name; it holds nothing."),
        (torch.zeros(3), "holds no state dict, a table of tensors by name, but a Tensor."),
    ],
)
def test_a_file_of_other_things_is_told_from_weights(tmp_path: Path, content: object, sentence: str) -> None:
    torch.save(content, tmp_path / "net.pt")
    assert refused(tmp_path / "net.pt") == f"net.pt {sentence}"


# -- networks that cannot be used --------------------------------------------------------------------------------------


def habit(folder: Path, name: str) -> tuple[Path, dict[str, object]]:
    buffer = io.BytesIO()
    torch.save(Habit(name, outputs=2).state_dict(), buffer)
    (folder / "habit.pt").write_bytes(buffer.getvalue())
    return folder / "habit.pt", {"class_path": f"{SOURCE}:Habit", "kwargs": {"habit": name, "outputs": 2}}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("classes", "its output is torch.int64, classes and not probabilities; export it without its last step"),
        ("smaller", "from (1, 1, 64, 64) it makes (1, 2, 32, 32), but its output must be as large as its input"),
        ("flat", "from (1, 1, 64, 64) it makes (1, 8192); wanted is (1, outputs, then the image's sides)"),
        ("no gradient", "No gradient goes through this network, so clicks cannot change its answer"),
        ("steps", "No gradient goes through this network, so clicks cannot change its answer"),
        ("nothing", "it returns 0 tensors, so there is no output 0"),
    ],
)
def test_a_network_that_cannot_be_used_says_why(tmp_path: Path, name: str, sentence: str) -> None:
    path, options = habit(tmp_path, name)
    assert sentence in refused(path, **options)


def test_a_network_that_never_runs_tells_what_it_said_first(tmp_path: Path) -> None:
    source = tmp_path / "stubborn.py"
    source.write_text(
        "from torch import nn\n"
        "class Stubborn(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.only = nn.Conv2d(1, 1, 1)\n"
        "    def forward(self, image):\n"
        "        raise RuntimeError('I do not like it')\n"
    )
    torch.save(nn.ModuleDict({"only": nn.Conv2d(1, 1, 1)}).state_dict(), tmp_path / "net.pt")
    said = refused(tmp_path / "net.pt", class_path=f"{source}:Stubborn")
    assert said == "This network runs with no input that was tried; first with 1 channel(s), side 64: I do not like it."
