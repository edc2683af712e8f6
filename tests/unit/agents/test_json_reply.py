from time import perf_counter

import pytest

from fairmem.agents.json_reply import read_json_items


@pytest.mark.parametrize(
    "text",
    [
        '{"facts": [{"a": 1}]}',
        'Sure!\n```json\n{"facts": [{"a": 1}]}\n```\nAnything else?',
        '```\n{"facts": [{"a": 1}]}\n```',
        'The form {"like": "this"} is asked for: {"facts": [{"a": 1}]}.',
        'Use {curly} braces. {"facts": [{"a": 1}]}',
        '{"result": {"facts": [{"a": 1}]}}',
        '{" Facts ": [{"a": 1}]}',
        '{"facts": {"a": 1}}',
        '[{"a": 1}]',
    ],
)
def test_the_list_is_found_whatever_stands_around_it(text: str) -> None:
    found = read_json_items(text, "facts")
    assert (found.items, found.formed, found.dropped) == (({"a": 1},), True, ())


@pytest.mark.parametrize("inside", ["}", "{", "]}", '\\"}', "\\\\", "```", "a\nb", "{{[["])
def test_braces_quotes_fences_and_line_breaks_inside_strings_do_not_count(inside: str) -> None:
    found = read_json_items(f'{{"facts": [{{"fact": "x{inside}y"}}]}}', "facts")
    expected = inside.replace('\\"', '"').replace("\\\\", "\\")
    assert found.items == ({"fact": f"x{expected}y"},)
    assert found.dropped == ()


def test_a_fence_is_preferred_to_an_object_before_it() -> None:
    text = 'First idea {"facts": [1]}, but then\n```json\n{"facts": [2]}\n```'
    assert read_json_items(text, "facts").items == (2,)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('{"facts": [{"a": 1}, {"b": 2}, {"c": ', ({"a": 1}, {"b": 2})),
        ('{"facts": [{"a": 1}, {"b": "2}]', ({"a": 1},)),
        ('{"facts": [', ()),
        ('```json\n{"facts": [{"a": 1}', ({"a": 1},)),
    ],
)
def test_of_a_list_that_is_not_closed_the_complete_objects_are_kept(text: str, items: tuple[object, ...]) -> None:
    found = read_json_items(text, "facts")
    assert (found.items, found.formed, found.dropped) == (items, True, ("the list is not closed",))


@pytest.mark.parametrize("value", ["null", "3", '"D1:1"', "true"])
def test_a_key_that_holds_no_list_is_named(value: str) -> None:
    found = read_json_items(f'{{"facts": {value}}}', "facts")
    assert (found.items, found.formed) == ((), True)
    assert found.dropped[0].startswith("'facts' is ")


@pytest.mark.parametrize(
    "text", ["", "no facts", "{}", "[]", '{"operations": []}', "{facts: []}", '{"facts"}', "{" * 99]
)
def test_anything_else_is_not_of_the_form(text: str) -> None:
    assert not read_json_items(text, "facts").formed


def test_deep_nesting_and_huge_numbers_are_harmless() -> None:
    deep = '{"facts": ' + "[" * 5000 + "]" * 5000 + "}"
    assert read_json_items(deep, "facts").items == ()
    assert read_json_items("[" * 5000, "facts").formed is False
    assert read_json_items('{"facts": [' + "9" * 5000 + ", 1e999, NaN, 7]}", "facts").items == (
        None,
        float("inf"),
        None,
        7,
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"' + '\\"' * 20_000,  # one string of escaped quotes that never ends
        '{"facts": [' + "{" * 31 + "[]," * 13_000,
        '```{"a"' * 5_000,
        '"facts": [' * 4_000,
        "[{" * 20_000,
    ],
)
def test_a_hostile_reply_of_40_kilobytes_is_read_within_seconds(text: str) -> None:
    start = perf_counter()
    read_json_items(text, "facts")
    assert perf_counter() - start < 2.0  # 0.3 s at most where it was written; quadratic work takes minutes


def test_every_item_has_its_place_in_the_reply() -> None:
    text = 'Sure {"a": 2}!\n```json\n{"facts": [ {"a": 1}, 7, {"b": {"c": "}"}}, {"a": 1}]}\n```'
    found = read_json_items(text, "facts")
    told = [None if span is None else text[slice(*span)] for span in found.spans]
    assert told == ['{"a": 1}', None, '{"b": {"c": "}"}}', '{"a": 1}']
    assert found.spans[0] != found.spans[3]
    cut = '{"facts": [{"a": 1}, {"a": '
    assert [cut[slice(*span)] for span in read_json_items(cut, "facts").spans if span] == ['{"a": 1}']
