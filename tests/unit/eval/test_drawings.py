from __future__ import annotations

from xml.etree import ElementTree

from fairmem.eval.drawings import memory_growth, score_against_tokens


def test_scores_are_placed_by_the_logarithm_of_their_tokens() -> None:
    drawn = score_against_tokens([("a<b", 10.0, 0.2), ("c", 100.0, 0.4), ("nothing", 0.0, 0.1), ("n", 9, float("nan"))])
    circles = ElementTree.fromstring(drawn).findall("circle")
    # a at the left edge, c at the right: 50 and 50 + (640 - 50 - 90); top of the scale is 0.4 * 1.15 = 0.46
    assert [float(circle.attrib["cx"]) for circle in circles] == [50.0, 550.0]
    assert [float(circle.attrib["cy"]) for circle in circles] == [167.0, 53.9]  # 280 - 0.2 / 0.46 * 260 and so on
    assert "a&lt;b" in drawn and "nothing" not in drawn


def test_growth_has_a_line_per_conversation_and_their_mean() -> None:
    drawn = memory_growth([[1, 3], [3, 5, 5], [7]])
    paths = [path.attrib["d"] for path in ElementTree.fromstring(drawn).findall("path")]
    # frame, two lines, mean (2, 4, 5); 5 entries are the top of the scale (y 20), 3 sessions the width (x 50 to 610)
    assert len(paths) == 4
    assert paths[2] == "M50.0 124.0L330.0 20.0L610.0 20.0"
    assert paths[3] == "M50.0 176.0L330.0 72.0L610.0 20.0"


def test_nothing_to_draw_is_no_drawing() -> None:
    assert score_against_tokens([]) == ""
    assert memory_growth([[], [3]]) == ""
