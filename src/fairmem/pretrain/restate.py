"""States facts and asks questions in many more ways than the generator's training split does.

Each line is a small grammar: `[a|b|]` is one of its alternatives, drawn anew each time, so that a few lines give
hundreds of phrasings. They belong to pretraining alone. None of the generator's val and test phrasings is among
them, nor contains one: a draw that does is drawn again.
"""

from __future__ import annotations

import random
import re
from functools import cache

from fairmem.data.village import KINDS, QuestionSpec, Statement
from fairmem.data.village.phrasing import CLOSERS, OPENERS, article

_CHOICE = re.compile(r"\[([^\[\]]*)\]")

_SAYS: dict[tuple[str, int], tuple[str, ...]] = {
    ("city", 0): (
        "[I|We] [just|finally|recently|have|have just|now|] [moved|relocated] [over to|to|out to] {v} [now|last week|at last|].",
        "[I|We] [now|currently|finally|] live [in|over in] {v} [now|these days|at the moment|].",
        "[I am|We are] [now|finally|currently|] [living|settled|staying] in {v} [now|these days|for good|].",
        "[I|We] [settled|bought a flat|rented a flat|found a flat|got a house] [down|] in {v} [last month|].",
        "[Now|Today|At last] [I|we] live in {v}.",
    ),
    ("city", 1): (
        "[My|Our] [new|] home is [now|] in {v} [now|these days|].",
        "[I|We] [found|made|have] [a new|our|my] home in {v} [now|].",
        "The [place|city] [I|we] call home is {v} [now|].",
        "[I|We] call {v} home [now|at last|].",
    ),
    ("job", 0): (
        "[I|I have|I just|I finally] [started|begun] [working|to work] as {a} {v} [now|this week|last week|].",
        "[I|Now I|These days I] work [full time|] as {a} {v} [at last|these days|].",
        "[They|The company|A firm|My cousin] [hired|took|has hired|picked] me [as|to be|to work as] {a} {v} [today|].",
        "I [was|got|have been] hired [as|to work as] {a} {v} [today|].",
        "I am [now|currently|] [working|employed] as {a} {v} [now|].",
    ),
    ("job", 1): (
        "My [new|current|] job is [{v}|being {a} {v}] [now|].",
        "I [got|found|took|landed|accepted] [a|my] [new|first|] job as {a} {v} [today|].",
        "For [a|my] job I am [now|] {a} {v}.",
    ),
    ("pet", 0): (
        "[I|We] [just|have|finally|] [adopted|brought home|took in] {a} [little|young|] {v} [as a pet|last week|today|].",
        "[I|We] [just|finally|] got {a} [little|young|] {v} [as a pet|for a pet].",
        "[My|Our] [first|only|] pet is {a} [little|] {v} [now|].",
        "[I|We] have {a} {v} [as a pet|at home as a pet] [now|].",
        "[My|Our] [new|] pet {v} [sleeps a lot|is adorable|makes me laugh].",
        "The shelter gave [me|us] {a} {v} [as a pet|].",
    ),
    ("item", 0): (
        "[I|We] [finally|] own {a} {v} [at last|].",
        "[I|We] [got|received] {a} {v} [as a gift|as a present|for my birthday] [yesterday|].",
        "[My parents|A friend|My aunt] gave me {a} {v} [as a gift|for my birthday|as a present].",
        "I am [glad|proud|lucky] to own {a} {v}.",
    ),
    ("item", 1): (
        "[I|We] [finally|recently|] bought {a} [new|] {v} [yesterday|today|online|].",
        "[I went out and|Today I|This week I] [bought|purchased] [myself|] {a} {v} [today|].",
    ),
    ("instrument", 0): (
        "I [started|begun|learned] [to play|playing] the {v} [now|last month|].",
        "I play the {v} [on Sundays|at home|in an orchestra|every night].",
        "I [took|have] [my first|another] {v} lesson [today|this week|].",
        "I [am learning|am practising|practise] the {v} [every night|now|].",
        "I [can|am able to] play the {v} [by now|].",
    ),
    ("sport", 0): (
        "[I|I have|Today I] [joined|signed up at] [a|the local] {v} [club|team|group] [today|].",
        "I [train|have been training|am out training] [for|] {v} [a lot|every week|on Sundays].",
        "My [main|favourite|] sport is {v} [these days|].",
        "I [took up|started|chose] {v} [as a sport|as my sport] [today|].",
        "[For|As] [a|my] sport I [do|train|picked] {v} [now|].",
        "[At last|These days] {v} is my sport.",
    ),
    ("food", 0): (
        "My [new|] favourite [food|meal] is {v} [now|these days|at the moment].",
        "[Now|These days|At last] {v} is my [new|] favourite [food|dish|meal].",
        "The [food|dish] I like [best|most] is {v}.",
    ),
    ("food", 1): (
        "I [adore|really love|simply love] [to eat|eating] {v} [every night|].",
        "I [could|would] eat {v} [all day|every night|for every meal].",
        "I am [crazy|mad] about eating {v} [now|].",
        "Eating {v} is what I love [most|].",
    ),
    ("genre", 0): (
        "I [listen|always listen|mostly listen] to {v} [music|] [all night|at work|these days].",
        "I [am|have become] [a big|a huge|a true] fan of {v} [music|].",
        "I [went to|saw|loved] a {v} [concert|show] [last night|].",
        "I am [into|crazy about] {v} music [now|].",
        "The music I [listen to|play at home|like] is {v} [now|].",
    ),
    ("colour", 0): (
        "My favourite colour is [now|by now|] {v} [at the moment|].",
        "[At last|By now] {v} is [the colour I like best|my colour].",
        "I [like|adore] the colour {v} [most|best|so much].",
        "The colour I [like best|wear|paint everything in] is {v}.",
    ),
    ("plan", 0): (
        "[I plan|I want|We plan|I hope|We want] to [visit|see] {v} [soon|next year|in spring].",
        "[I want|We plan|I hope] to [travel|go] to {v} [soon|next month|].",
        "[I am|We are] planning [a trip|a holiday|a journey] to {v} [soon|].",
        "[I|We] [booked|just booked] [a trip|a flight|tickets] to {v}.",
    ),
    ("trip", 0): (
        "[I am|We are] [just|finally] back from {v} [now|at last|].",
        "[I|We] [finally|just] visited {v} [last week|].",
        "[I|We] [just|finally|] [returned|came back] from {v} [today|].",
        "[My|Our] trip to {v} was [great|lovely|long].",
        "[I|We] [saw|toured] {v} [last week|].",
    ),
}  # fmt: skip
_SAYS_GONE: dict[str, tuple[str, ...]] = {
    "pet": (
        "[I|We] [gave|have given] [my|the|our] {v} to [a friend|a farm].",
        "[I|We] do not have [my|the|our] {v} anymore.",
        "[My|Our|The] {v} is gone [now|].",
    ),
    "item": (
        "[I|We] [sold|have lost|had to sell] the {v} [yesterday|online|].",
        "[My|The] {v} [broke|got stolen|is broken and gone].",
        "I do not own the {v} anymore.",
    ),
    "instrument": (
        "I [stopped|quit|gave up] [playing|] the {v} [for good|].",
        "I do not play the {v} [anymore|now].",
        "No more {v} [lessons|] for me, I stopped.",
    ),
    "plan": (
        "[I|We] cancelled [my|the|our] trip to {v}.",
        "[I|We] will not [travel|go] to {v} [anymore|after all].",
        "The [trip|plan|journey] to {v} is [off|cancelled].",
        "We [dropped|gave up] the plan to visit {v}.",
    ),
}
_ASKS: dict[str, tuple[str, ...]] = {
    "city": (
        "[Where|In what city] does {n} live [now|these days|]?",
        "[What|Which] city [is {n}'s home|has {n} moved to|does {n} call home]?",
        "Where is [{n}'s home|the home of {n}|{n} at home]?",
    ),
    "job": (
        "[What|Which] job [does {n} do|did {n} take]?",
        "What [is {n} working as|is the job of {n}|does {n} do for a job]?",
    ),
    "pet": (
        "[What|Which] [pet|animals] [does {n} have|does {n} keep|live at {n}'s home]?",
        "[What|Which] pets [does {n} keep|are {n}'s]?",
    ),
    "item": ("[What|Which things] did {n} buy?", "Which things [belong to|are in the hands of] {n}?", "What [has {n} bought|is {n}'s own]?"),
    "instrument": (
        "[What|Which] [instrument|instruments] [can {n} play|is {n} learning to play|is played by {n}]?",
        "What does {n} play?",
    ),
    "sport": ("[What|Which] sport [is {n} into|is {n}'s|has {n} taken up]?", "What is the sport {n} does?"),
    "food": (
        "[What|Which] food [is loved by {n}|does {n} like most|does {n} like best]?",
        "What [is the favourite food of {n}|does {n} like to eat|is {n}'s favourite dish]?",
    ),
    "genre": ("[What|Which] [music|kind of music] [is {n} a fan of|does {n} play at home|does {n} love]?", "What is {n}'s music?"),
    "colour": ("[What|Which] colour [does {n} adore|is {n}'s|does {n} like best]?", "What is the favourite colour of {n}?"),
    "plan": (
        "[What|Which] country [does {n} want to visit|is {n} going to visit|does {n} hope to see]?",
        "Where [does {n} want to travel|is {n} planning to travel|will {n} travel]?",
    ),
    "trip": (
        "[What|Which] [country|countries] [was {n} in|did {n} see|is {n} back from]?",
        "Where [did {n} travel|has {n} been]?",
    ),
}  # fmt: skip
_WHEN = ("[When|On what day|On which day|What day] did {n} [%s]?",)
_WHEN_DID: dict[str, str] = {
    "city": "move to {v}|settle in {v}",
    "job": "start working as {a} {v}|start as {a} {v}|get the job of {v}",
    "pet": "adopt {a} {v}|get {a} {v}|bring home {a} {v}",
    "item": "get {a} {v}|buy {a} {v}",
    "trip": "visit {v}|return from {v}|come back from {v}",
}
_WHETHER: dict[str, str] = {
    "city": "meet a friend in {v} without a journey|know {v} well|show us around {v}",
    "job": "explain the work of {a} {v}|talk about being {a} {v}|know other {v} workers",
    "item": "lend us {a} {v}|bring along {a} {v}|share {a} {v}",
    "instrument": "join us as a {v} player|play a piece for the {v}|tune a {v}",
    "sport": "enjoy a {v} match|come to a {v} event|watch {v}",
    "food": "order {v} for lunch|like {v} on the menu|cook {v}",
    "genre": "enjoy {v} songs|buy a {v} record|go to a {v} festival",
    "colour": "like a {v} shirt|pick {v} paint|buy a {v} bag",
    "trip": "have pictures from {v}|tell stories about {v}|know the food of {v}",
}


@cache
def _forbidden() -> tuple[str, ...]:
    """The val and test phrasings, without their end marks."""
    found: set[str] = set()
    for kind in KINDS.values():
        for split in ("val", "test"):
            found |= {text for _, text in kind.says[split]}
            for texts in (kind.says_gone, kind.asks, kind.asks_when, kind.asks_whether):
                found |= set(texts[split])
    return tuple(text.rstrip(".?") for text in found)


def _draw(line: str, rng: random.Random) -> str:
    text = line
    while (match := _CHOICE.search(text)) is not None:
        text = text[: match.start()] + rng.choice(match[1].split("|")) + text[match.end() :]
    return re.sub(r" +([.?])", r"\1", " ".join(text.split()))


def _clean(lines: tuple[str, ...], rng: random.Random) -> str:
    while True:
        text = _draw(rng.choice(lines), rng)
        if not any(held in text for held in _forbidden()):
            return text


def restate(statement: Statement, sentence: str, rng: random.Random) -> str:
    """Another way to say, in the first person, what `statement` (read from the canonical `sentence`) says."""
    value, a = statement.value, article(statement.value)
    if not statement.holds:
        lines = _SAYS_GONE[statement.kind]
    else:
        canonical = KINDS[statement.kind].canonical
        forms = [text.format(n=statement.speaker, v=value, a=a) for text in canonical]
        lines = _SAYS[statement.kind, forms.index(sentence)]
    return _clean(lines, rng).format(v=value, a=a)


def restate_question(spec: QuestionSpec, rng: random.Random) -> str | None:
    """Another way to ask for `spec`; None for questions that lead from one person's fact to another fact."""
    if spec.form == "two_hop":
        return None
    if spec.form == "when":
        lines = tuple(line % _WHEN_DID[spec.kind] for line in _WHEN)
    elif spec.form == "whether":
        lines = (f"[Would|Could|Might] {{n}} [{_WHETHER[spec.kind]}]?",)
    else:
        lines = _ASKS[spec.kind]
    return _clean(lines, rng).format(n=spec.speaker, v=spec.value, a=article(spec.value))


def dressed(text: str, rng: random.Random) -> str:
    """`text` with an opener or a closer of the training split, now and then."""
    if rng.random() < 0.25:
        text = f"{rng.choice(OPENERS['train'])} {text}"
    if rng.random() < 0.25:
        text = f"{text} {rng.choice(CLOSERS['train'])}"
    return text
