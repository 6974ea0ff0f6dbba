"""A recipe's sources become a pack, and a pack a model, on one device by the clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_clickseg import load_model
from napari_clickseg.cli import main
from napari_clickseg.models.card import read_click_card
from napari_clickseg.training.gpu.pack import read_pack
from napari_clickseg.training.gpu.packing import planes_to_pack

SMALL = ("--set", 'gpu={batch=2, targets=1, slots=0, plans={"0+1"=1.0}}', "--set", "side=64")


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six planes of one bright disk each, as a folder of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path / "models"))
    y, x = np.mgrid[:80, :90]
    for folder in ("images", "labels"):
        (tmp_path / "cells" / folder).mkdir(parents=True)
    for k in range(6):
        disk = (y - 30 - k) ** 2 + (x - 40) ** 2 < 12**2
        tifffile.imwrite(f"cells/images/{k}.tif", np.where(disk, 200, 20).astype(np.uint8))
        tifffile.imwrite(f"cells/labels/{k}.tif", disk.astype(np.uint16) * 9)
    return tmp_path / "cells"


def test_planes_are_packed_with_their_split_their_objects_and_what_their_gaps_mean(cells: Path) -> None:
    planes = list(planes_to_pack(cells.parent, ["cells"], incomplete=["cells"]))
    assert [plane.entry.split for plane in planes] == ["train"] * 4 + ["val"] * 2, "every fifth image is held out"
    for plane in planes:
        assert not plane.entry.complete
        assert plane.labels.max() == len(plane.rows) == 1
        assert np.unique(plane.pixels[plane.labels > 0]).tolist() == [200]
        assert np.unique(plane.pixels[plane.labels == 0]).tolist() == [20]


def test_where_an_index_names_nothing_for_validation_every_fifth_plane_is_held_out(cells: Path) -> None:
    (cells / "index.csv").write_text("name,split\n" + "".join(f"{k},train\n" for k in range(6)))
    planes = list(planes_to_pack(cells.parent, ["cells"]))
    assert [plane.entry.split for plane in planes] == ["train"] * 4 + ["val"] * 2
    assert all(plane.entry.complete for plane in planes)


def test_planes_without_an_object_are_left_out_and_a_source_without_any_is_refused(cells: Path) -> None:
    tifffile.imwrite("cells/labels/1.tif", np.zeros((80, 90), np.uint16))
    assert len(list(planes_to_pack(cells.parent, ["cells"]))) == 5
    (cells / "index.csv").write_text("name,split\n0,test\n")
    with pytest.raises(ValueError, match="has no annotated image of the split 'train'"):
        list(planes_to_pack(cells.parent, ["cells"]))


def test_a_pack_becomes_a_model_that_the_picker_lists(cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", "--data", "cells", "--output", "pack.zip"]) == 0
    assert "written: pack.zip (6 planes)" in capsys.readouterr().out
    assert {plane.entry.source for plane in read_pack(Path("pack.zip"))} == {"cells"}
    sources = ("--set", "sources={cells=1.0}", "--minutes", "0.001", "--device", "cpu", "--name", "disks")
    assert main(["train", "--pack", "pack.zip", "--from", "default", *sources, *SMALL]) == 0
    assert "In the model picker and for --model it is 'disks'" in capsys.readouterr().out
    card = read_click_card(Path("clickseg-train/disks/disks.safetensors"))
    assert card.origin.startswith("tuned from 'default'")
    assert "windows of 1 objects" in card.budget
    assert load_model("disks").name == "disks"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "ritm", "--pack", "pack.zip"], "a pack trains 'lite_clicknet' alone"),
        (["train", "--pack", "pack.zip", "--steps", "5"], "--steps would be ignored with --pack"),
        (["train", "--pack", "missing.zip"], "missing.zip"),
        (["train", "--pack", "cells/images/0.tif", "--no-install", "--device", "cpu"], "is no pack of training planes"),
        (["train", "--pack", "pack.zip", "--no-install", "--device", "cpu"], "The pack holds no plane of"),
        (["pack", "--data", "nowhere", "--output", "p.zip"], "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    cells: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    if "pack.zip" in arguments:
        main(["pack", "--data", "cells", "--output", "pack.zip"])
    assert main([*arguments, *(SMALL if "cpu" in arguments else ())]) == 2
    assert sentence in capsys.readouterr().err
