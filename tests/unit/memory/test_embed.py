from __future__ import annotations

import os
import subprocess
import sys
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem.errors import ConfigError, MissingExtraError
from fairmem.memory import EndpointEmbedder, HashedEmbedder, SentenceTransformerEmbedder, build_embedder

_PROGRAM = """
from hashlib import blake2b
from fairmem.memory import HashedEmbedder
print(blake2b(HashedEmbedder().embed(["Ana lives in Lodz."]).tobytes(), digest_size=8).hexdigest())
"""


def _similarity(a: str, b: str, dim: int = 512) -> float:
    rows = HashedEmbedder(dim).embed([a, b]).astype(np.float64)
    return float(rows[0] @ rows[1])


def test_a_vector_is_the_same_on_every_machine() -> None:
    row = HashedEmbedder().embed(["Ana lives in Lodz."])[0]
    # Rounded to 5 decimals: the last bits of a float may differ between processors.
    steps = np.rint(row.astype(np.float64) * 1e5).astype("<i4")
    assert blake2b(steps.tobytes(), digest_size=8).hexdigest() == "3dccbb036fde4fee"


def test_a_vector_does_not_depend_on_the_salt_of_the_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(printed) == 1


def test_rows_are_float32_of_length_one_in_the_order_of_the_texts() -> None:
    embedder = HashedEmbedder(64)
    rows = embedder.embed(["Ana has a dog.", "", "Bo plays chess."])
    assert (rows.shape, rows.dtype, embedder.dim, embedder.name) == ((3, 64), np.float32, 64, "hashed-64")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1.0, 0.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(rows[2], embedder.embed(["Bo plays chess."])[0])


def test_no_texts_give_no_rows() -> None:
    assert HashedEmbedder(64).embed([]).shape == (0, 64)


def test_one_word_is_worth_its_stem_and_a_half_for_its_letters() -> None:
    # "cat" and "cats": same stem (1 * 1). <cat> has 3-grams <ca cat at>, 4-grams <cat cat>, 5-gram <cat>: 6 in all,
    # each 0.5 / sqrt 6. <cats> has <ca cat ats ts> / <cat cats ats> / <cats cats>: 9, each 0.5 / sqrt 9.
    # Shared: <ca, cat, <cat = 3. Dot = 1 + 3 * 0.25 / sqrt 54 = 1.102062; both lengths squared are 1.25.
    # At this dimension no two of these features meet in one bucket.
    assert _similarity("cat", "cats", 1 << 20) == pytest.approx(1.102062 / 1.25, abs=1e-5)


def test_a_repeated_word_counts_by_its_logarithm() -> None:
    # In "dog dog cat" the word dog has weight 1 + ln 2 = 1.693147 and cat 1; alone, dog has all the weight.
    # Cosine with "dog" = 1.693147 / sqrt(1.693147^2 + 1) = 0.861037 (words without common letters, equal lengths).
    assert _similarity("dog dog cat", "dog", 1 << 20) == pytest.approx(0.861037, abs=1e-5)


def test_forms_and_relatives_of_a_word_are_near() -> None:
    assert _similarity("Where does Ana live?", "Ana lives in Lodz.") > 0.6
    assert _similarity("photographer", "photography") > 0.1 > _similarity("photographer", "jazz")


def test_stop_words_count_only_when_there_is_nothing_else() -> None:
    assert _similarity("Ana is in the town", "Ana town") == pytest.approx(1.0, abs=1e-6)
    assert _similarity("Who are you?", "who are you") == pytest.approx(1.0, abs=1e-6)


@given(st.text(max_size=40))
def test_any_text_gives_a_finite_row_of_length_one_or_zero(text: str) -> None:
    length = float(np.linalg.norm(HashedEmbedder(32).embed([text])))
    assert length == pytest.approx(1.0, abs=1e-5) or length == 0.0


def test_half_a_surrogate_pair_can_be_embedded() -> None:
    assert np.isfinite(HashedEmbedder(32).embed(["a\ud800b"])).all()


def test_sentence_transformers_is_asked_for_only_when_needed_and_by_its_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if it were not installed
    embedder = SentenceTransformerEmbedder("some/model")
    assert embedder.name == "sentence-transformers:some/model"
    with pytest.raises(MissingExtraError, match=r"pip install 'fairmem\[embed\]'"):
        embedder.embed(["Ana has a dog."])


def test_embedders_are_built_from_a_specification() -> None:
    assert build_embedder().name == "hashed-512"
    assert build_embedder("hashed:64").dim == 64
    assert build_embedder("sentence-transformers").name == (
        "sentence-transformers:sentence-transformers/all-MiniLM-L6-v2"
    )
    assert build_embedder("sentence-transformers:some/model").name == "sentence-transformers:some/model"
    remote = build_embedder("openai:some-model", "http://127.0.0.1:1/v1/")
    assert isinstance(remote, EndpointEmbedder)
    assert remote.url == "http://127.0.0.1:1/v1/embeddings"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("word2vec", "no such kind; expected one of hashed, openai, sentence-transformers"),
        ("hashed:many", "expected a dimension"),
        ("hashed:0", "expected at least 1"),
        ("openai", "expected a model name"),
    ],
)
def test_a_specification_that_does_not_fit_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_embedder(spec)
