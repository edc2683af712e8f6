from __future__ import annotations

from xml.etree import ElementTree

from fairmem.eval.drawings import growth_by_memory, memory_growth, score_against_tokens, score_by_category


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


def places(drawn: str) -> dict[str, tuple[float, float]]:
    """Text -> where it begins."""
    texts = ElementTree.fromstring(drawn).findall("text")
    return {str(text.text): (float(text.attrib["x"]), float(text.attrib["y"])) for text in texts}


def test_names_of_near_points_do_not_lie_over_each_other_and_one_place_has_one_label() -> None:
    points = [("full", 1000.0, 0.2), ("last", 1000.0, 0.2), ("bm25", 1010.0, 0.202), ("dense", 1100.0, 0.205)]
    points += [("far", 12.0, 0.4), ("edge", 9_990.0, 0.1)]
    found = places(score_against_tokens(points))
    names = [name for name in found if name in {"full, last, bm25", "dense", "far", "edge"}]
    assert len(names) == 4
    boxes = [(x, y - 10, x + 7 * len(name), y + 3) for name, (x, y) in found.items() if name in names]
    for i, one in enumerate(boxes):
        assert one[0] >= 0 and one[2] <= 640
        for other in boxes[i + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_category_has_a_bar_per_memory_with_its_interval() -> None:
    nan = float("nan")
    rows = [("temporal", [("a", 0.5, 0.25, 1.0), ("b", 0.25, nan, nan), ("none", nan, nan, nan)]), ("empty", [])]
    drawn = score_by_category(rows)
    tree = ElementTree.fromstring(drawn)
    # left edge 12 + 7 * 1 = 19; 1.0 is the top of the scale, so its width is 640 - 19 - 50 = 571
    assert [bar.attrib["width"] for bar in tree.findall("rect")] == ["285.5", "142.8"]
    assert [path.attrib["d"].split(" ")[0] for path in tree.findall("path")] == ["M161.8"]  # 19 + 571 / 4
    assert {"temporal", "0.500", "0.250"} <= set(places(drawn)) and "empty" not in places(drawn)
    assert score_by_category([]) == ""


def test_growth_of_memories_is_their_mean_and_equal_ones_share_a_label() -> None:
    drawn = growth_by_memory([("full", [[2, 4], [4, 8]]), ("bm25", [[3, 6]]), ("ours", [[1, 3]]), ("none", [[]])])
    assert {"full, bm25", "ours", "6"} <= set(places(drawn)) and "none" not in places(drawn)
    assert growth_by_memory([("none", [[]])]) == ""
