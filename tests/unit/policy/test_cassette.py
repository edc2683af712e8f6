from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.errors import ConfigError, DataError, ModelError
from fairmem.policy import CassettePolicy, Message, Prompt, Reply, SampleRequest, ScriptedPolicy, open_policy
from fairmem.policy.cassette import request_key
from fairmem.policy.openai import OpenAIPolicy
from fairmem.trace import CallFailure, FailureKind
from tests.unit.policy.conftest import Endpoint, completion


def ask(text: str, seed: int = 0, tag: str = "") -> SampleRequest:
    return SampleRequest(prompt=(Message("user", text),), max_tokens=32, seed=seed, tag=tag)


class Counted:
    """A script that remembers how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, prompt: Prompt, seed: int) -> str:
        self.calls += 1
        return f"{prompt[-1].content}!{seed}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "calls.jsonl"


def record(path: Path, *requests: SampleRequest) -> list[Reply]:
    return CassettePolicy(path, ScriptedPolicy(Counted())).sample(requests)


def test_what_was_recorded_plays_back_without_the_policy(path: Path) -> None:
    recorded = record(path, ask("Łódź\n"), ask("b", seed=4))
    playing = CassettePolicy(path)

    assert playing.sample([ask("b", seed=4), ask("Łódź\n")]) == recorded[::-1]
    assert (playing.name, playing.family) == ("scripted", "compact")


def test_each_request_is_asked_once(path: Path) -> None:
    script = Counted()
    recording = CassettePolicy(path, ScriptedPolicy(script))
    recording.sample([ask("a"), ask("a"), ask("b")])
    recording.sample([ask("b", tag="other")])
    CassettePolicy(path, ScriptedPolicy(script)).sample([ask("a"), ask("c")])

    assert script.calls == 3  # a, b, c


def test_everything_that_decides_a_reply_is_in_its_key() -> None:
    base = ask("a")
    others = [
        ask("b"),
        ask("a", seed=1),
        SampleRequest(prompt=(Message("system", "a"),), max_tokens=32),
        SampleRequest(prompt=base.prompt, max_tokens=31),
        SampleRequest(prompt=base.prompt, max_tokens=32, temperature=0.5),
        SampleRequest(prompt=(Message("user", "a"), Message("user", "")), max_tokens=32),
    ]

    assert len({request_key(request) for request in (base, *others)}) == 7
    assert request_key(ask("a", tag="extractor")) == request_key(base)


def test_an_unknown_request_is_a_named_failure(path: Path) -> None:
    record(path, ask("a"))
    known, unknown = CassettePolicy(path).sample([ask("a"), ask("new")])

    assert not isinstance(known, CallFailure)
    assert isinstance(unknown, CallFailure)
    assert unknown.kind is FailureKind.NOT_RECORDED
    assert str(path) in unknown.message


def test_failures_are_passed_on_but_not_recorded(path: Path, endpoint: Endpoint) -> None:
    endpoint.planned = [(400, "no", {}, 0.0), completion("yes")]
    recording = CassettePolicy(path, OpenAIPolicy("tiny", endpoint.base_url))
    first = recording.sample([ask("a")])[0]
    second = recording.sample([ask("a")])[0]
    recording.close()

    assert isinstance(first, CallFailure)
    assert first.kind is FailureKind.REFUSED
    assert not isinstance(second, CallFailure)
    assert CassettePolicy(path).sample([ask("a")]) == [second]


def test_token_counts_are_recorded_too(path: Path) -> None:
    recording = CassettePolicy(path, ScriptedPolicy(Counted()))
    assert recording.count_tokens("Łódź") == 7  # Bytes: three letters of two, one of one.
    playing = CassettePolicy(path)

    assert playing.count_tokens("Łódź") == 7
    assert playing.count_tokens("never counted") == 2  # Approximated: words.


def test_scores_come_from_the_recorded_policy_only(path: Path, model_folder: Path) -> None:
    recording = open_policy(f"cassette:{path}", record=f"hf:{model_folder}", device="cpu")
    assert len(recording.score([[7, 8]], [[9, 10]])[0]) == 2

    with pytest.raises(ModelError, match="cannot score"):
        CassettePolicy(path).score([[7, 8]], [[9, 10]])


def test_a_cassette_of_another_policy_is_not_continued(path: Path) -> None:
    record(path, ask("a"))
    with pytest.raises(ConfigError, match=r"recorded from scripted \(compact\), cannot go on with other"):
        CassettePolicy(path, ScriptedPolicy(Counted(), name="other"))


def test_a_missing_cassette_is_refused(path: Path) -> None:
    with pytest.raises(DataError, match="no such cassette"):
        CassettePolicy(path)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, '{"format": "something else", "version": 1}'),
        (1, '{"format": "fairmem-cassette", "version": 2, "name": "x", "family": "compact"}'),
        (1, '{"format": "fairmem-cassette", "version": 1, "name": "x", "family": "long"}'),
        (1, "[]"),
        (2, '{"request": "abc", "prompt_'),
        (2, '{"request": "abc"}'),
        (2, "7"),
    ],
)
def test_damage_is_named_by_line(path: Path, line: int, text: str) -> None:
    record(path, ask("a"))
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")

    with pytest.raises(DataError, match=f"line {line} "):
        CassettePolicy(path)


def test_an_empty_file_is_not_a_cassette(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(DataError, match="line 1"):
        CassettePolicy(path)
