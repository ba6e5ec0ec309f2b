from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.report.bands import CurveBand
from harness.report.plots import MAX_LEGEND, Line, curves_figure, to_svg, write_png

FALLING = {1: 4.0, 2: 2.0, 3: 1.0}


def band(name: str, curve=FALLING, low=None, high=None) -> CurveBand:
    return CurveBand(name, curve, low or curve, high or curve)


def legend_of(figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_the_png_is_a_picture_of_a_sensible_size(tmp_path: Path):
    path = tmp_path / "curves.png"
    path.write_bytes(b"an old one")
    write_png(curves_figure([band("a"), band("b")], "train/loss"), path)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (1350, 825)
    assert 10_000 < len(data) < 300_000
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


def test_the_svg_is_one_element_that_refers_to_nothing_outside():
    text = to_svg(curves_figure([band("a")], "train/loss"))
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    addresses = set(re.findall(r"https?://[^\"'<>\s]*", text))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.endswith("href"):
                assert value.startswith("#")
            assert all(inner.startswith("#") for inner in re.findall(r"url\(([^)]*)\)", value))


def test_the_same_curves_give_the_same_svg():
    first, second = (to_svg(curves_figure([band("a")], "train/loss")) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "name",
    [
        "_hidden",
        "$x^2$",
        r"$\nonsense$",
        "a$b",
        "50 %",
        "--><script>alert(1)</script>",
        "名前",
        "{x}",
    ],
)
def test_a_name_stands_in_the_legend_as_it_is(name, tmp_path):
    figure = curves_figure([band(name), band("other")], "train/loss")
    assert legend_of(figure) == [name, "other"]
    text = to_svg(figure)
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(text).iter()}
    assert "script" not in tags
    assert "<script" not in text
    write_png(figure, tmp_path / "x.png")


def test_a_curve_has_the_colour_and_the_dash_that_is_given():
    figure = curves_figure([band("a")], "m", [Line("#123456", "dot")])
    (line,) = figure.axes[0].get_lines()
    assert (line.get_color(), line.get_linestyle()) == ("#123456", ":")


def test_positive_values_are_drawn_on_a_logarithmic_axis_and_others_are_not():
    assert curves_figure([band("a")], "m").axes[0].get_yscale() == "log"
    assert curves_figure([band("a", {1: 1.0, 2: 0.0})], "m").axes[0].get_yscale() == "linear"


def test_a_single_point_is_a_dot_and_a_group_has_a_band():
    axes = curves_figure([band("a", {6: 1.0})], "m").axes[0]
    assert axes.lines[0].get_marker() == "o"
    low = {step: value / 2 for step, value in FALLING.items()}
    axes = curves_figure([band("a", low=low), band("b")], "m").axes[0]
    assert len(axes.collections) == 1
    assert axes.lines[0].get_marker() in ("None", None, "")


def test_no_two_curves_of_one_picture_look_alike_while_styles_last():
    axes = curves_figure([band(str(i)) for i in range(32)], "m").axes[0]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 32


def test_a_legend_that_would_fill_the_page_is_left_out():
    assert len(legend_of(curves_figure([band(str(i)) for i in range(MAX_LEGEND)], "m"))) == 24
    assert legend_of(curves_figure([band(str(i)) for i in range(MAX_LEGEND + 1)], "m")) == []


def test_a_picture_of_nothing_can_be_drawn(tmp_path):
    write_png(curves_figure([], "train/loss"), tmp_path / "x.png")
