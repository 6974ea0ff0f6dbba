"""clickseg convert: shows what it found and why, keeps nothing without a name, and refuses in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from imageio import v3
from PIL import Image as Picture

from command_lines import refused
from foreign_files import TINY, scripted
from foreign_networks import seeded
from napari_clickseg.cli import main
from napari_clickseg.commands.convert import EXPLAINED, READERS
from napari_clickseg.models import import_model as foreign
from napari_clickseg.models.card import ConvertedCard, read_card
from napari_clickseg.models.io_spec import KINDS, Conventions

KWARGS = ("--class", TINY, "--kwargs", '{"outputs": 3}')


@pytest.fixture(autouse=True)
def models(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A foreign network in the folder at hand, and no model kept yet."""
    monkeypatch.setenv("CLICKSEG_MODELS", str(here / "models"))
    torch.save(seeded(outputs=3).state_dict(), "net.pt")
    return here / "models"


def convert(*more: str) -> int:
    return main(["convert", "net.pt", *KWARGS, "--trust", *more])


def card(models: Path, name: str = "mine") -> ConvertedCard:
    found = read_card(models / f"{name}.safetensors")
    assert isinstance(found, ConvertedCard)
    return found


def test_without_a_name_the_guess_is_shown_with_its_reasons_and_nothing_is_kept(
    capsys: pytest.CaptureFixture[str], models: Path
) -> None:
    assert convert() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("net.pt: state dict, sha256 ")
    table = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines[1:-1]}
    assert table.keys() == KINDS.keys() - {"means", "deviations"}
    assert table["channels"] == ["1", "it runs with 1 input channel"]
    assert table["divisible"] == ["4", "it takes sides that are multiples of 4"]
    assert table["scale"] == ["1", "as usual; nothing says otherwise"]
    assert lines[-1] == "Nothing is kept. Add --name NAME to keep it."
    assert not models.exists()


def test_numbers_that_do_not_count_are_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert convert("--normalise", "mean-sd") == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert "per_channel" in listed
    assert not listed & {"low", "high"}


def test_with_a_name_it_is_a_model_like_any_other(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    assert convert("--name", "mine", "--title", "My cells", "--licence", "CC0-1.0") == 0
    out = capsys.readouterr().out
    assert f"written: {models / 'mine.safetensors'}" in out
    assert "--model mine" in out.splitlines()[-1]
    assert (card(models).title, card(models).licence) == ("My cells", "CC0-1.0")
    assert main(["models"]) == 0
    assert "mine" in capsys.readouterr().out
    assert main(["segment", "image.tif", "--clicks", "clicks.csv", "--output", "out.tif", "--model", "mine"]) == 0


def test_its_card_is_told_by_the_command_that_tells_models(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    assert convert("--name", "mine", "--boundary", "none") == 0
    capsys.readouterr()
    assert main(["models", "mine"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mine", "(user):", "mine"] in lines
    assert ["converted", "from", "net.pt", "(state", "dict)"] in lines
    assert ["class", "foreign_networks.py:TinyUNet,", "source", "kept", "in", "the", "file"] in lines
    assert ["called", "with", "outputs=3"] in lines
    assert ["boundary", "none"] in lines


def test_every_convention_has_an_option_that_overrules_the_guess(
    capsys: pytest.CaptureFixture[str], models: Path
) -> None:
    assert EXPLAINED.keys() == KINDS.keys()
    assert set(KINDS.values()) <= READERS.keys()
    said = "--use 1 --normalise range --low 0 --high 255 --per-channel no --scale 0.5 --activation logits --objects 0,2"
    more = "--boundary none --divisible 8 --smallest-side 16 --tile 256 --halo 24 --threshold 0.3 --split yes"
    assert convert("--name", "mine", *said.split(), *more.split(), "--smallest", "9") == 0
    assert card(models).conventions == Conventions(
        use=(1,),
        normalise="range",
        low=0.0,
        high=255.0,
        per_channel=False,
        scale=0.5,
        activation="logits",
        objects=(0, 2),
        divisible=8,
        smallest_side=16,
        tile=256,
        halo=24,
        threshold=0.3,
        split=True,
        smallest=9,
    )
    assert capsys.readouterr().out.count("chosen by you") == 16


def test_an_image_tells_how_many_objects_are_found_and_the_preview_draws_them(
    capsys: pytest.CaptureFixture[str], models: Path
) -> None:
    assert convert("--image", "image.tif", "--preview", "shown.png", "--objects", "0", "--boundary", "none") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith("image.tif: ")
    assert lines[-3].endswith("% of the image")
    assert lines[-2] == "written: shown.png"
    assert v3.imread("shown.png").shape == (80, 160, 3)
    assert not models.exists()


@pytest.mark.parametrize(
    ("name", "kind"), [("p.png", "PNG"), ("p.PNG", "PNG"), ("p.jpg", "JPEG"), ("p.tif", "TIFF"), ("p.bmp", "BMP")]
)
def test_a_preview_is_what_its_name_says(name: str, kind: str) -> None:
    assert convert("--image", "image.tif", "--preview", name) == 0
    with Picture.open(name) as picture:
        assert (picture.format, picture.mode, picture.size) == (kind, "RGB", (160, 80))


@pytest.mark.parametrize("name", ["p", "p.pdf", "p.npy", "p.svg"])
def test_a_preview_of_another_kind_is_refused_before_the_work(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        convert("--image", "image.tif", "--preview", name)
    assert f"{name} must end in .png, .jpg" in capsys.readouterr().err


def test_a_name_that_is_taken_is_replaced_by_force(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    assert convert("--name", "mine") == 0
    assert "There is a model 'mine' already; choose another name, or replace it with --force." in refused(
        capsys, convert("--name", "mine")
    )
    assert "There is a model 'geodesic' already; choose another name." in refused(capsys, convert("--name", "geodesic"))
    assert convert("--name", "mine", "--force", "--threshold", "0.7") == 0
    assert card(models).conventions.threshold == 0.7


def test_code_runs_only_with_trust_which_is_remembered(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    path = str(scripted(here, seeded()).path)
    assert "say that you trust it (--trust on the command line)" in refused(capsys, main(["convert", path]))
    assert main(["convert", path, "--trust", "--name", "mine"]) == 0
    assert main(["convert", path]) == 0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--threshold", "2"), "threshold=2.0 must lie between 0 and 1."),
        (("--normalise", "minmax"), "normalise='minmax' must be percentile or"),
        (("--name", "a b"), "'a b' is no name for a model"),
        (("--preview", "x.png"), "--preview needs --image"),
        (("--image", "gone.tif"), "There is no file gone.tif"),
        (("--objects", "7", "--name", "mine"), "The network has 3 output channels, so there is no channel 7."),
        (("--channels", "2"), "With these conventions the network does not run: Given groups=1"),
        (("--ndim", "3"), "With these conventions the network does not run: "),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_kept(
    capsys: pytest.CaptureFixture[str], models: Path, more: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(capsys, convert(*more))
    assert not models.exists()


@pytest.mark.parametrize(("option", "value"), [("--kwargs", "{"), ("--kwargs", "3"), ("--split", "1"), ("--tile", "x")])
def test_values_that_cannot_be_read_are_refused_before_anything_runs(option: str, value: str) -> None:
    with pytest.raises(SystemExit) as ended:
        convert(option, value)
    assert ended.value.code == 2


def test_stopped_by_the_user_it_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(tensors: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(foreign, "save_file", stopped)
    assert convert("--name", "mine") == 130
    assert capsys.readouterr().err == "clickseg convert: stopped.\n"
    assert list(models.iterdir()) == []


@pytest.mark.parametrize("clicks", [(), ("--clicks", "clicks.csv")])
def test_a_network_of_volumes_on_a_plane_is_one_sentence_when_segmenting(
    capsys: pytest.CaptureFixture[str], clicks: tuple[str, ...]
) -> None:
    network = torch.nn.Conv3d(1, 1, 3, padding=1)
    torch.save(network.state_dict(), "volumes.pt")
    kwargs = '{"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1}'
    more = ("--class", "torch.nn:Conv3d", "--kwargs", kwargs, "--trust", "--name", "volumes")
    assert main(["convert", "volumes.pt", *more]) == 0
    code = main(["segment", "image.tif", *clicks, "--model", "volumes", "--output", "out.tif"])
    assert "The image has the axes YX, but the network sees 3 spatial ones; take an image" in refused(capsys, code)
    assert not Path("out.tif").exists()
