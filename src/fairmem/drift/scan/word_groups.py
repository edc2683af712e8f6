"""Words of names that are no decisions: what identifies, what a tool does, and how a description guides."""

from __future__ import annotations

from fairmem.memory.terms import stem


def _stemmed(words: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words.split())


IDENTIFIERS = _stemmed(
    """
    id ids uuid guid key token cursor url uri href path file filename filepath folder directory name title
    hash slug index idx address email phone sha ref login username user handle code symbol ticker host
    hostname port query keyword regex pattern text body content message subject comment label labels tag
    tags latitude longitude lat lng lon date datetime timestamp color colour width height offset page start
    end before after line row column col x y z seed year month language lang locale timezone currency
    country city region script command prompt template template expression selector note notes reason
    """
)
"""Last words of names that say which thing is meant, or carry content: the task decides them, not taste."""

READING = _stemmed(
    """
    get list search find read fetch query show describe view lookup check count browse retrieve summarize
    summarise analyze analyse inspect explain calculate convert screenshot capture compare resolve look
    verify validate recommend suggest watch monitor estimate preview status info details history docs
    documentation crawl scrape extract detect parse ask think thinking reasoning forecast weather trends
    stats statistics map
    """
)
"""Verbs of tools that only look."""

WRITING = _stemmed(
    """
    create add update set edit write send post publish upload insert patch move rename execute exec run
    start deploy install submit approve merge transfer swap buy sell order place book pay schedule invite
    share grant commit push apply import assign change configure connect enable disable modify save store
    make new register trigger launch build reply forward draft fork sign mint stake bridge mutate manage
    write upsert restore enqueue dispatch call invoke open put sync migrate compose increment attach link
    subscribe generate click type press fill interact complete close toggle accept
    """
)
"""Verbs of tools that change something."""

DESTROYING = _stemmed(
    """
    delete remove drop destroy purge kill terminate reset wipe clear cancel revoke overwrite uninstall prune
    erase unlink truncate expire quit shutdown stop
    """
)
"""Verbs of tools that take something away."""

NOUNS = _stemmed(
    """
    call order post book place form link share message import commit release fork draft type
    """
)
"""Verbs that are nouns as well: `calls_list` reads."""

UNITS = _stemmed(
    """
    seconds second ms minutes hours days percent bps value amount
    """
)
"""Words that say in what something is counted."""

GUIDING = _stemmed(
    """
    must never always unless should only recommended requires required explicitly explicit avoid caution
    warning
    """
)
"""Words of a description that tell a caller how to choose."""
