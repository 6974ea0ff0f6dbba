"""Tables: whatever a spreadsheet made of a table, its rows are read; what is no table is one sentence."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clickseg.core.clicks import Click
from napari_clickseg.storage.tables import (
    number,
    open_table,
    read_boxes_csv,
    read_clicks_csv,
    read_table,
    write_clicks_csv,
    write_table,
)

PLAIN = "object,positive,y,x\n1,1,20.5,65\n1,0,3,4.25\n2,1,0,0\n"
CLICKS = {1: [Click((20.5, 65.0)), Click((3.0, 4.25), False)], 2: [Click((0.0, 0.0))]}


def saved(folder: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", ", "),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t").replace(".", ","),
        PLAIN.replace("20.5", '"20,5"').replace("4.25", '"4,25"'),
        "sep=;\n" + PLAIN.replace(",", ";").replace(".", ","),
        "sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
        "SEP=,\n" + PLAIN,
        "sep=\t\n" + PLAIN.replace(",", "\t"),
        '"sep=;"\n' + PLAIN.replace(",", ";"),
        PLAIN + ",,,\n,,,\n",
        PLAIN.replace("1,0,3", "\n,,,\n  ,,,\n1,0,3"),
        "\n\n" + PLAIN,
        PLAIN.replace("object,positive,y,x", "Object , POSITIVE,Y, X"),
        PLAIN.replace("object,positive,y,x", '"object","positive","y","x"'),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("\n", ",,,\n"),
        PLAIN.replace("y,x\n", "y,x,note\n").replace("65\n", "65,a cell\n"),
        PLAIN.replace("y,x\n", "y,x,,\n"),
        PLAIN.removesuffix("\n"),
        PLAIN.replace("1,1,20.5,65", "1.0,1.0,20.5,6.5e1"),
        PLAIN.replace(",", ";").replace("1;1;20.5", "1,0;1,0;20,5"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_spreadsheets_of_every_country_give_the_same_clicks(tmp_path: Path, content: str, encoding: str) -> None:
    assert read_clicks_csv(saved(tmp_path, content.encode(encoding)), "YX") == CLICKS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_umlauts_do_not_depend_on_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = saved(tmp_path, "name;split\nZürich Ø;train\n".encode(encoding))
    assert [row.cells for row in read_table(path).rows] == [{"name": "Zürich Ø", "split": "train"}]


def test_a_table_that_is_packed_is_known_by_its_bytes(tmp_path: Path) -> None:
    packed = gzip.compress(PLAIN.encode())
    for name in ("a.csv.gz", "a.csv"):
        assert read_clicks_csv(saved(tmp_path, packed, name), "YX") == CLICKS


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, "sep=;\n\nobject;positive;y;x\n;;;\n1;1;here;3\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 5: 'object' and y, x must be numbers"):
        read_clicks_csv(path, "YX")


# -- boxes -------------------------------------------------------------------------------------------------------------


BOXES = "object,positive,y,x\n1,1,20.5,65\n2,box,3,4\n2,Box,30.5,9\n2,0,5,5\n3,box,1,1\n3,box,8,8\n"


def test_two_rows_are_the_corners_of_a_box(tmp_path: Path) -> None:
    path = saved(tmp_path, BOXES)
    assert read_boxes_csv(path, "YX") == {2: ((3, 4), (30.5, 9)), 3: ((1, 1), (8, 8))}
    assert read_clicks_csv(path, "YX") == {1: [Click((20.5, 65))], 2: [Click((5, 5), False)], 3: []}


@pytest.mark.parametrize("rows", ["2,box,3,4\n", "2,box,3,4\n2,box,5,6\n2,box,7,8\n"])
def test_a_box_has_two_corners(tmp_path: Path, rows: str) -> None:
    with pytest.raises(ValueError, match=r"object 2 has [13] rows with 'box'; a box has two, opposite corners"):
        read_boxes_csv(saved(tmp_path, f"object,positive,y,x\n{rows}"), "YX")


# -- napari's points ---------------------------------------------------------------------------------------------------


def test_points_of_napari_are_an_object_each(tmp_path: Path) -> None:
    path = saved(tmp_path, "index,axis-0,axis-1\n0.0,20.5,65.0\n1.0,3.0,4.0\n")
    assert read_clicks_csv(path, "YX") == {1: [Click((20.5, 65.0))], 2: [Click((3.0, 4.0))]}


def test_points_of_napari_with_features_are_clicks_of_those_objects(tmp_path: Path) -> None:
    path = saved(tmp_path, "index,axis-0,axis-1,object,positive\n0,20.5,65,1,1\n1,3,4.25,1,0\n2,0,0,2,1\n")
    assert read_clicks_csv(path, "YX") == CLICKS


def test_points_of_napari_in_a_movie_keep_their_frame(tmp_path: Path) -> None:
    path = saved(tmp_path, "index,axis-0,axis-1,axis-2\n0,4,20.5,65\n")
    assert read_clicks_csv(path, "TYX", 2) == {1: [Click((4.0, 20.5, 65.0))]}


def test_napari_writes_what_is_read(tmp_path: Path) -> None:
    from napari.layers import Points
    from napari_builtins.io import napari_write_points

    layer = Points([[20.5, 65.0], [3.0, 4.0]], features={"positive": [1, 0], "object": [7, 7]})
    data, meta, _ = layer.as_layer_data_tuple()
    napari_write_points(str(tmp_path / "a.csv"), data, meta)
    assert read_clicks_csv(tmp_path / "a.csv", "YX") == {7: [Click((20.5, 65.0)), Click((3.0, 4.0), False)]}


@pytest.mark.parametrize(
    ("content", "axes", "sentence"),
    [
        ("index,axis-0,axis-1,axis-2\n0,4,20.5,65\n", "YX", "points with 3 axes, but the image has 2: y, x"),
        ("index,axis-0,axis-1\n0,20.5,65\n", "TYX", "points with 2 axes, but the image has 3: t, y, x"),
        ("index,shape-type,vertex-index,axis-0,axis-1\n0,ellipse,0,2,3\n", "YX", "holds shapes of napari"),
        ("axis-0,axis-1\n2,3\n", "YX", "no column object, positive, y, x"),
        ("index,axis-0,axis-1\nfirst,2,3\n", "YX", "'index' is 'first'"),
    ],
)
def test_points_that_do_not_fit_are_refused(tmp_path: Path, content: str, axes: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_clicks_csv(saved(tmp_path, content), axes)


# -- frames that the image does not have -------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["t", "z"])
def test_clicks_on_several_frames_do_not_land_on_one_image(tmp_path: Path, axis: str) -> None:
    path = saved(tmp_path, f"object,positive,{axis},y,x\n1,1,0,2,3\n2,1,4,5,6\n")
    with pytest.raises(ValueError, match=f"clicks on 2 frames along {axis}, but the image has the axes y, x alone"):
        read_clicks_csv(path, "YX")


def test_clicks_on_one_frame_fit_the_image_of_that_frame(tmp_path: Path) -> None:
    path = saved(tmp_path, "object,positive,t,z,y,x\n1,1,7,0,2,3\n2,1,7,0,5,6\n")
    assert read_clicks_csv(path, "YX") == {1: [Click((2.0, 3.0))], 2: [Click((5.0, 6.0))]}


# -- what is no table --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no column object, positive, y, x"),
        (b"\n\n\n", r"\(found none\)"),
        (b"PK\x03\x04rest", "an Excel workbook, not a table of text; save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "an Excel workbook"),
        (b"II*\0\x08\0\0\0\0\0\xff\xff", "no table of text"),
        (b"\x1f\x8b\x08damaged", "damaged gzip"),
        (b"\xff\xfeo\0b\0j", "its text is damaged"),
        (b"object,positive,y,x\n1,1," + b"9" * (1 << 17) + b",3\n", "must be finite numbers"),
        (b'object,positive,y,x\n1,1,"' + b"9" * (1 << 25), "is a quotation mark left open"),
        (b"object,positive,y,x,y\n1,1,2,3,4\n", "two columns y"),
        (b"object,positive,y,x\n1,1,20,5,65\n", "line 2: there are 5 cells, but 4 columns.*decimal comma"),
        (b"object,positive,y,x\n1,1,2\n", "line 2: 'object' and y, x must be numbers"),
        (b"object,positive,y,x\n1,maybe,2,3\n", "'positive' is 'maybe'; write 1"),
        (b"object,positive,y,x\n0,1,2,3\n", "whole numbers from 1 on"),
        (b"object,positive,y,x\n1,1,nan,3\n", "must be finite"),
        (b"object,positive,y,x\n1,1,1_000,3\n", "must be numbers"),
        (b'object,positive,y,x\n1,1,"1.234,5",3\n', "must be numbers"),
    ],
)
def test_what_is_no_table_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_clicks_csv(saved(tmp_path, content), "YX")
    assert "a.csv" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_missing_table_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*b\.csv"):
        read_table(tmp_path / "b.csv")
    with pytest.raises(FileNotFoundError, match="is no file of a table"):
        read_table(tmp_path)


def test_the_limit_of_cells_of_the_process_stays_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    read_table(saved(tmp_path, PLAIN))
    assert csv.field_size_limit() == before


def test_a_click_between_two_frames_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, "object;positive;t;y;x\n1;1;2,5;20;30\n")
    with pytest.raises(ValueError, match=r"t is 2\.5, but it counts frames"):
        read_clicks_csv(path, "TYX", 2)


# -- writing -----------------------------------------------------------------------------------------------------------

CELL = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)


@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    written = [dict(zip(("name", "split", "n"), row, strict=True)) for row in rows]
    write_table(path, written)
    with open_table(path) as table:
        assert list(table) == written


@given(
    clicks=st.dictionaries(
        st.integers(1, 2**40),
        st.lists(st.builds(Click, st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), st.booleans()), min_size=1),
        max_size=4,
    )
)
def test_clicks_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, clicks: dict) -> None:
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    write_clicks_csv(path, clicks, "YX")
    assert read_clicks_csv(path, "YX") == clicks


@pytest.mark.parametrize(("text", "value"), [("20,5", 20.5), ("−3", -3.0), ("1e-3", 1e-3), (" 7 ", 7.0), ("+2", 2.0)])
def test_numbers_of_either_sign(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "1,234,567", "1.234,5", "five", "1_0", "0x10"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|float"):
        number(text)
