"""The kinds of fact that villagers state: how people say them, how memory states them, how they are asked.

`says`, `says_gone`, `asks`, `asks_when` and `asks_use` are grammars (`splits.py`), whose phrasings are disjoint
between train, val and test. `{n}` is a speaker's name, `{v}` a value, `{a}` its indefinite article.
"""

from __future__ import annotations

from dataclasses import dataclass

_NOW = "[now|these days|at the moment|at last|]"
_TODAY = "[now|these days|at the moment|today|]"
_WHEN = "[When|On what date|On which date|On what day|On which day|What day]"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fact a speaker can state.

    Attributes:
        name: Key of the kind, and of its values in the lexicon unless `values` says otherwise.
        multiple: Whether several values hold at once (pets) or a new one replaces the old (home town).
        canonical: The sentence with which memory states the fact.
        gone: Sentence that takes the fact back; empty if this kind is never taken back.
        says: How a speaker states it, in the first person.
        says_gone: How a speaker takes it back.
        asks: Questions for the current value or values.
        asks_use: Questions that name a situation and want the value that fits it (LoCoMo's open-domain category).
        asks_when: Questions for the date of one value; empty if dates are not asked.
        noun: What the fact is called beside another one ("{n}'s job and sport"); empty if never asked so.
    """

    name: str
    multiple: bool
    canonical: str
    says: tuple[str, ...]
    asks: tuple[str, ...]
    asks_use: tuple[str, ...]
    gone: str = ""
    says_gone: tuple[str, ...] = ()
    asks_when: tuple[str, ...] = ()
    noun: str = ""
    values: str = ""

    @property
    def lexicon_key(self) -> str:
        """Key of this kind's values in the lexicon."""
        return self.values or self.name


CITY = Kind(
    name="city",
    multiple=False,
    canonical="{n} lives in {v}.",
    says=(
        "[I|We] [just|finally|recently|have|have just|] [moved|relocated] [over to|to|out to] {v} [last week|last month|at last|].",
        f"[I|We] [now|currently|finally|] live [in|over in] {{v}} {_NOW}.",
        f"[I am|We are] [now|finally|currently|] [living|settled|at home] in {{v}} {_NOW}.",
        "[I|We] [settled down|bought a flat|rented a flat|found a house|got a house] in {v} [last week|last month|].",
        f"[My|Our] [new|] home is [now|] in {{v}} {_NOW}.",
        "[I|We] [found|made|have] [a new|our|my] home in {v} [now|at last|].",
        "[I|We] call {v} [our|my] home [now|at last|].",
    ),
    asks=(
        f"[Where|In what city|In which city] does {{n}} live {_TODAY}?",
        f"[What|Which] city [does {{n}} live in|is {{n}} living in|is {{n}}'s home|is home to {{n}}] {_TODAY}?",
        f"Where is [{{n}} living|{{n}}'s home|the home of {{n}}] {_TODAY}?",
    ),
    asks_use=(
        "[Where|In which city|In what city] [could|would|should] [a friend|a guest|a cousin] [visit|find|meet] {n} at home?",
        "[To which city|Where] [could|would|should] [we|a friend] send [a letter|a parcel|a card] for {n}?",
    ),
    asks_when=(f"{_WHEN} did {{n}} [move to|settle in|go to live in|make a home in] {{v}} [exactly|]?",),
    noun="home town",
)
JOB = Kind(
    name="job",
    multiple=False,
    canonical="{n} works as {a} {v}.",
    says=(
        f"[I|I have|I just|I finally|I recently] started [working|to work] as {{a}} {{v}} {_NOW}.",
        f"[I|I just|I finally|I recently] began [working|to work] as {{a}} {{v}} {_NOW}.",
        f"[I|Now I|These days I] work [full time|part time|] as {{a}} {{v}} {_NOW}.",
        "[They|The company|A firm] [just|] [hired|took|picked] me [as|to be|to work as] {a} {v} [today|last week|].",
        "I [was|got|have been] [just|] hired [as|to work as] {a} {v} [today|last week|].",
        f"I am [now|currently|] [working|employed] as {{a}} {{v}} {_NOW}.",
        f"My [new|current|] job is [being|work as|to be] {{a}} {{v}} {_NOW}.",
        "I [got|found|took|landed|have] [a|a new|my first] job as {a} {v} [today|now|last week|].",
    ),
    asks=(
        f"What [is {{n}}'s job|does {{n}} work as|is {{n}} working as|is the job of {{n}}] {_TODAY}?",
        f"[What|Which] job [does {{n}} have|does {{n}} do|is {{n}} doing|did {{n}} take] {_TODAY}?",
        f"As what [does {{n}} work|is {{n}} working] {_TODAY}?",
    ),
    asks_use=(
        "[About which|About what] [job|work] [could|would] {n} [give advice|tell stories|talk for hours|write a book]?",
        "[What|Which] [job|work] [could|would] {n} [explain|show|describe] to [a child|a student|a friend]?",
    ),
    asks_when=(
        f"{_WHEN} did {{n}} [start working|start to work|begin to work|get a job|get hired] as {{a}} {{v}} [exactly|]?",
    ),
    noun="job",
)
PET = Kind(
    name="pet",
    multiple=True,
    canonical="{n} has {a} {v} as a pet.",
    gone="{n} no longer has {a} {v} as a pet.",
    says=(
        "[I|We] [just|have|have just|finally|] [adopted|brought home|found] {a} [little|young|] {v} [as a pet|last week|today|].",
        "[I|We] [just|finally|] got {a} [little|young|] {v} [as a pet|for a pet|from the shelter].",
        f"[My|Our] [first|new|only|] pet is {{a}} [little|young|] {{v}} {_NOW}.",
        f"[I|We] have {{a}} [little|young|] {{v}} [as a pet|at home as a pet] {_NOW}.",
        "[My|Our] [new|little|] pet {v} [sleeps a lot|is adorable|makes me laugh|is so sweet].",
    ),
    says_gone=(
        "[I gave|We gave|I just gave|I had to give|We had to give] [my|the|our] {v} [to a friend|to a farm|away].",
        f"[I|We] [no longer have|do not have|had to give up] [my|the|our] {{v}} {_NOW}.",
        f"[My|Our|The] [pet|] {{v}} is [gone|gone for good|with a friend] {_NOW}.",
    ),
    asks=(
        f"[What|Which] [pet|pets|animals] does {{n}} [have|keep|have as a pet] {_TODAY}?",
        f"[What|Which] [pets|animals] [are {{n}}'s|live with {{n}}|is {{n}} keeping|has {{n}} got] {_TODAY}?",
    ),
    asks_use=(
        "[For which|For what] [pet|pets|animals] [could|would|must] {n} [buy food|need a sitter|find a doctor|build a home]?",
        "[What|Which] [pet|pets|animals] [would|could] [a guest|a friend|a child] [see|feed|meet] at {n}'s?",
    ),
    asks_when=(f"{_WHEN} did {{n}} [adopt|get|bring home|take in] {{a}} {{v}} [exactly|]?",),
)
ITEM = Kind(
    name="item",
    multiple=True,
    canonical="{n} owns {a} {v}.",
    gone="{n} no longer owns {a} {v}.",
    says=(
        "[I|We] [just|finally|recently|] bought {a} [new|] {v} [yesterday|today|online|last week|].",
        "[I went out and|Today I|This week I] [bought|got] [myself|] {a} {v} [at last|at the market|].",
        f"[I|We] [finally|now|] own {{a}} {{v}} {_NOW}.",
        "[I|We] [just|] [got|received] {a} {v} [as a gift|as a present|for my birthday] [yesterday|today|].",
        "[They|A friend|Someone] [just|] gave me {a} {v} [as a gift|for my birthday|as a present].",
        "I am [glad|proud|happy|lucky] to own {a} {v} [now|].",
    ),
    says_gone=(
        "[I sold|We sold|I just sold|I had to sell|I lost|I just lost|We lost] [my|the|our] {v} [yesterday|in summer|last week|].",
        "[My|The|Our] {v} [broke|got stolen|got lost|is broken and gone] [yesterday|last week|].",
        f"[I|We] [no longer|do not] own [the|my|our] {{v}} {_NOW}.",
    ),
    asks=(
        f"[What|Which things|What things] does {{n}} own {_TODAY}?",
        f"[Which things|What things] [are owned by|were bought by|belong to|are the things of] {{n}} {_TODAY}?",
    ),
    asks_use=(
        "[What|Which thing|Which things] [could|would] {n} [lend|lend out|sell|give] to [a friend|a guest|us|a neighbour]?",
        "[What|Which thing|Which things] [could|would] [a friend|a guest|we] borrow from {n}?",
    ),
    asks_when=(f"{_WHEN} did {{n}} [get|buy|receive|come by] {{a}} {{v}} [exactly|]?",),
)
INSTRUMENT = Kind(
    name="instrument",
    multiple=True,
    canonical="{n} plays the {v}.",
    gone="{n} no longer plays the {v}.",
    says=(
        "I [just|have|recently|] [started to play|started playing|learned to play] the {v} [last month|now|].",
        "I [now|] play the {v} [on Sundays|at home|in an orchestra|in a band|every night|every evening|these days].",
        "I [took|had|have] [my first|another|a] {v} lesson [today|this week|].",
        "I [am learning|am practising|practise] [to play|] the {v} [every night|every evening|now|].",
        "I have been [playing|practising] the {v} [for a year|again|].",
    ),
    says_gone=(
        "I [stopped|just stopped|have stopped|quit|just quit|gave up|just gave up] [playing|practising] the {v} [for good|last week|].",
        "I [do not|no longer] play the {v} [anymore|now|at all].",
        "[No more|I quit my|I gave up my|I stopped my] {v} lessons [for good|now|after all|].",
    ),
    asks=(
        f"[What|Which] [instrument|instruments] [does {{n}} play|can {{n}} play|is {{n}} playing|has {{n}} learned] {_TODAY}?",
        f"What is the instrument that {{n}} [plays|can play] {_TODAY}?",
    ),
    asks_use=(
        "[With which|With what] [instrument|instruments] [could|would] {n} [join a band|play at a party|earn money]?",
        "[What|Which] [instrument|instruments] [could|would] {n} [teach|show|bring to] [a friend|a student|us]?",
    ),
)
SPORT = Kind(
    name="sport",
    multiple=False,
    canonical="{n}'s sport is {v}.",
    says=(
        "[I|I have|Today I|I just] [joined|signed up at] [a|the|the local] {v} [club|team|group] [today|last week|].",
        "I [train|have been training|am training] [for|] {v} [a lot|every week|on Sundays|every weekend|these days].",
        f"My [new|main|favourite|] sport is {{v}} {_NOW}.",
        "[I|I just|I finally|I recently] [took up|started|chose] {v} [as a sport|as my sport] [today|last week|].",
        "[For|As] [a|my] sport I [do|train|picked|chose] {v} [now|these days|].",
        "[At last|These days|Now|By now] {v} is my [new|main|] sport.",
    ),
    asks=(
        f"[What|Which] sport [does {{n}} do|does {{n}} train|is {{n}} training|is {{n}} doing|is {{n}}'s] {_TODAY}?",
        f"What is [{{n}}'s sport|the sport of {{n}}|the sport {{n}} does] {_TODAY}?",
    ),
    asks_use=(
        "[A ticket|A book|A film] about [which|what] sport would {n} [like|enjoy|want] [most|best|a lot]?",
        "[In which|In what] sport [could|would] {n} [win a medal|give lessons|need a coach|be a fan of a team]?",
    ),
    noun="sport",
)
FOOD = Kind(
    name="food",
    multiple=False,
    canonical="{n}'s favourite food is {v}.",
    says=(
        f"My [new|] favourite [food|dish|meal|thing to eat] is {{v}} {_NOW}.",
        "[Now|These days|At last|By now] {v} is my [new|] favourite [food|dish|meal|thing to eat].",
        f"The [food|dish|meal] I [like|love|enjoy] [best|most] is {{v}} {_NOW}.",
        "I [adore|really love|simply love|love] [to eat|eating] {v} [every night|every day|].",
        "I [could|would] eat {v} [all day|every day|every night|for every meal].",
        "I am [crazy|mad] about eating {v} [now|these days|].",
    ),
    asks=(
        f"What is [{{n}}'s favourite food|the favourite food of {{n}}|{{n}}'s favourite dish] {_TODAY}?",
        f"[What|Which] food [does {{n}} love|does {{n}} like best|is {{n}}'s favourite|is loved by {{n}}] {_TODAY}?",
        f"What does {{n}} [love eating|love to eat|like to eat] {_TODAY}?",
    ),
    asks_use=(
        "[What|Which] [food|dish] would {n} [order|choose|pick|want] [in a restaurant|for dinner|for lunch|at a party]?",
        "[What|Which] [food|dish] [should|could] [we|a friend|a guest] cook for {n}?",
    ),
    noun="favourite food",
)
GENRE = Kind(
    name="genre",
    multiple=False,
    canonical="{n} listens to {v} music.",
    says=(
        "I [listen|always listen|mostly listen|only listen] to {v} [music|] [all night|all day|at work|every day|these days].",
        "I [am|have become|became|am now] [a big|a huge|a true|a] fan of {v} [music|].",
        "I [just|] [went to|saw|was at|loved] a {v} [music|] concert [last night|yesterday|].",
        f"I am [really|totally|] [into|crazy about] {{v}} music {_NOW}.",
        f"The music I [listen to|play at home|like] is {{v}} {_NOW}.",
    ),
    asks=(
        f"[What|Which|What kind of|Which kind of] music [does {{n}} listen to|does {{n}} like|is {{n}} into|is {{n}} listening to] {_TODAY}?",
        f"What is the music that {{n}} [likes|listens to] {_TODAY}?",
    ),
    asks_use=(
        "[What|Which] music would {n} [play|put on|choose] [at a party|in the car|at home|for guests]?",
        "A [concert|record|radio show] [with|of] [which|what] music would {n} [like|enjoy|want]?",
    ),
    noun="music",
)
COLOUR = Kind(
    name="colour",
    multiple=False,
    canonical="{n}'s favourite colour is {v}.",
    says=(
        f"My [new|] favourite colour is [by now|] {{v}} {_NOW}.",
        "[At last|By now|These days|Now] {v} is [the colour I like best|my favourite colour|the colour I love].",
        f"I [like|adore|love] the colour {{v}} [most|best|so much|] {_NOW}.",
        "The colour I [like best|love most|wear|paint everything in] is {v}.",
        "I [painted|wear|want] [my room|my hat|everything] {v}, my favourite colour.",
    ),
    asks=(
        f"[What|Which] colour [does {{n}} love|does {{n}} like|does {{n}} like best|is {{n}}'s favourite|is {{n}} fond of] {_TODAY}?",
        f"What is [{{n}}'s favourite colour|the favourite colour of {{n}}|the colour {{n}} loves] {_TODAY}?",
    ),
    asks_use=(
        "[What|Which] colour [would|should] {n} [choose|want|pick] for [a scarf|a room|a coat|paint]?",
        "[In which|In what] colour [would|should] [we|a friend] [buy|paint|make] [a scarf|a coat|a bag] for {n}?",
    ),
    noun="favourite colour",
)
PLAN = Kind(
    name="plan",
    values="country",
    multiple=True,
    canonical="{n} plans to visit {v}.",
    gone="{n} no longer plans to visit {v}.",
    says=(
        "[I plan|I want|We plan|I hope|We want|I am planning] to [visit|see] {v} [soon|next year|in spring|in summer].",
        "[I plan|I want|We plan|I hope] to [travel|go] to {v} [soon|next month|next year|].",
        "[I am|We are] planning [a trip|a holiday|a journey] to {v} [soon|next year|].",
        "[I|We] [booked|just booked|have booked] [a trip|a flight|tickets] to {v} [today|].",
    ),
    says_gone=(
        "[I|We] [cancelled|just cancelled|had to cancel|have cancelled] [my|the|our] [trip|journey] to {v} [today|].",
        "[I|We] will not [travel to|go to|visit] {v} [anymore|after all|now].",
        "[The|My|Our] [trip|plan|journey] to [go to|visit|see|] {v} is [off|cancelled] [now|].",
        "[I|We] [dropped|gave up] the plan to [visit|see|travel to|go to] {v}.",
    ),
    asks=(
        "[What|Which] country [does {n} plan|does {n} want|is {n} planning|does {n} hope] to visit [soon|next|]?",
        "Where [does {n} plan|does {n} want|is {n} planning|does {n} hope] to [travel|go] [soon|next|]?",
        "[What|Which] trip [is {n} planning|does {n} plan] [now|next|]?",
    ),
    asks_use=(
        "[For which|For what] country [could|would|must] {n} [need|buy|want] a [guide|map|ticket] [soon|next|]?",
        "[About which|About what] country [could|would] {n} [read|ask|learn] before [a trip|travelling|leaving]?",
    ),
)
TRIP = Kind(
    name="trip",
    values="country",
    multiple=True,
    canonical="{n} visited {v}.",
    says=(
        "[I am|We are] [just|finally|] back from {v} [now|at last|].",
        "[I|We] [finally|just|have|] visited {v} [last week|at last|].",
        "[I|We] [just|finally|] [returned|came back] from {v} [today|yesterday|].",
        "[My|Our] trip to {v} was [great|lovely|long|amazing|wonderful].",
        "[I|We] [saw|toured|visited] {v} [last week|and took many photos].",
    ),
    asks=(
        "[What|Which] [country|countries] [has {n} visited|did {n} visit|did {n} see|was {n} in|did {n} travel to] [so far|]?",
        "Where [did {n} travel|has {n} travelled|has {n} been] [so far|]?",
    ),
    asks_use=(
        "[Of which|Of what|From which|From what] [country|countries] [could|would] {n} [have photos|show pictures|have memories|tell stories]?",
        "[A trip|A visit] to [which|what] [country|countries] [could|would] {n} [describe|remember]?",
    ),
    asks_when=(f"{_WHEN} did {{n}} [visit|return from|come back from|get back from] {{v}} [exactly|]?",),
)

KINDS: dict[str, Kind] = {k.name: k for k in (CITY, JOB, PET, ITEM, INSTRUMENT, SPORT, FOOD, GENRE, COLOUR, PLAN, TRIP)}
PAIRED: tuple[Kind, ...] = tuple(kind for kind in KINDS.values() if kind.noun)
"""Kinds that are asked two at a time."""
CORE_KINDS = frozenset({"city", "job"})
"""Kinds of fact that the core text of a structured memory holds."""
EPISODIC_KINDS = frozenset({"plan", "trip"})
"""Kinds of fact that its episodic store holds; all others are semantic."""
ASKS_PAIR: tuple[str, ...] = (
    f"[What|Which] are {{n}}'s {{x}} and {{y}} {_TODAY}?",
    f"[What|Which] are the {{x}} and [the|] {{y}} of {{n}} {_TODAY}?",
    f"What is {{n}}'s {{x}}, and what is [{{n}}'s|the] {{y}} {_TODAY}?",
    f"[Which|What] {{x}} and [which|what] {{y}} does {{n}} have {_TODAY}?",
)
"""Multi-hop: two facts of one person, `{x}` and `{y}` are their nouns."""


def article(value: str) -> str:
    """The indefinite article before `value`."""
    return "an" if value[:1].lower() in "aeiou" else "a"
