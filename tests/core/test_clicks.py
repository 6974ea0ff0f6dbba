import pytest

from napari_clickseg.core.clicks import Click, on_frame
from napari_clickseg.storage.serialization import click_from_json, click_to_json
from napari_clickseg.storage.tables import read_clicks_csv, write_clicks_csv


def table(tmp_path, text: str, encoding="utf-8"):
    path = tmp_path / "clicks.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_a_click_lies_on_the_nearest_frame():
    click = Click((1.6, 2.4, 5.0, 7.5))
    assert click.frame(2) == (2, 2)
    assert click.point(2) == (5.0, 7.5)
    assert click.frame(4) == ()


def test_on_frame_keeps_the_order():
    clicks = [Click((0.0, 1.0, 1.0)), Click((1.0, 1.0, 1.0)), Click((0.2, 9.0, 9.0), False)]
    assert on_frame(clicks, (0,), 2) == (clicks[0], clicks[2])


def test_json_round_trip():
    click = Click((1.5, 2.0), False)
    assert click_from_json(click_to_json(click)) == click


def test_csv_round_trip(tmp_path):
    objects = {3: [Click((1.0, 2.5)), Click((4.0, 4.0), False)], 1: [Click((0.0, 0.0))]}
    write_clicks_csv(tmp_path / "clicks.csv", objects, "YX")
    assert read_clicks_csv(tmp_path / "clicks.csv", "YX") == objects


def test_csv_from_a_spreadsheet_is_read(tmp_path):
    path = table(tmp_path, "Object, Positive , X, Y, note\n1, yes, 3, 4, a\n1, -, 5.5, 6, b\n", "utf-8-sig")
    assert read_clicks_csv(path, "YX") == {1: [Click((4.0, 3.0)), Click((6.0, 5.5), False)]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column object, positive, y, x.*found none"),
        ("object,positive,y\n1,1,2\n", "no column x"),
        ("object,positive,y,x\n1,maybe,2,3\n", r"line 2: 'positive' is 'maybe'; write 1"),
        ("object,positive,y,x\n1,1,2,\n", "line 2: 'object' and y, x must be numbers"),
        ("object,positive,y,x\n1,1,2,3\n1,1\n", "line 3: 'object' and y, x must be numbers"),
        ("object,positive,y,x\n0,1,2,3\n", "whole numbers from 1 on"),
        ("object,positive,y,x\n1.5,1,2,3\n", "whole numbers"),
        ("object,positive,y,x\ninf,1,2,3\n", "whole numbers"),
        ("object,positive,y,x\n1,1,nan,3\n", "finite"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_clicks_csv(table(tmp_path, text), "YX")


def test_semicolons_separate_columns_too(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("object;positive;y;x\n1;1;4.5;5\n")
    assert read_clicks_csv(path, "YX") == {1: [Click((4.5, 5.0))]}


def test_clicks_lie_on_whole_frames_of_a_movie(tmp_path):
    path = table(tmp_path, "object,positive,t,y,x\n1,1,2,4.5,5\n1,1,0.5,4,5\n")
    with pytest.raises(ValueError, match=r"line 3: t is 0.5, but it counts frames; write a whole number"):
        read_clicks_csv(path, "TYX", ndim=2)
    assert read_clicks_csv(path, "TYX", ndim=3)[1][1] == Click((0.5, 4.0, 5.0))
