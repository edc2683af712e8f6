"""The wording of village conversations: kinds of fact, how people say them, how memory states them, how they are asked.

Every kind has canonical sentences (what an extractor should write), statements (what a speaker says) and
question texts. Statements, question texts, openers, closers and small talk are disjoint between the train,
val and test splits: a test conversation shares cue words with training ("moved", "job"), never a phrase.

`{n}` is a speaker's name, `{v}` a value, `{a}` its indefinite article, `{d}` the second name of a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

SplitTexts = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fact a speaker can state.

    Attributes:
        name: Key of the kind, and of its values in the lexicon unless `values` says otherwise.
        multiple: Whether several values hold at once (pets) or a new one replaces the old (home town).
        canonical: Sentences that state the fact; the first is the usual one, others are paraphrases of it.
        gone: Sentence that takes the fact back; empty if this kind is never taken back.
        says: Statements per split, as (index of the canonical sentence it amounts to, text).
        says_gone: Statements that take the fact back, per split.
        asks: Question texts for the current value(s), per split.
        asks_when: Question texts for the date, per split; empty if dates are not asked.
        asks_whether: Yes/no inferences from the value, per split; empty if none.
    """

    name: str
    multiple: bool
    canonical: tuple[str, ...]
    gone: str
    says: dict[str, tuple[tuple[int, str], ...]]
    says_gone: SplitTexts
    asks: SplitTexts
    asks_when: SplitTexts
    asks_whether: SplitTexts
    values: str = ""

    @property
    def lexicon_key(self) -> str:
        """Key of this kind's values in the lexicon."""
        return self.values or self.name


def _split(train: tuple[str, ...], val: tuple[str, ...], test: tuple[str, ...]) -> SplitTexts:
    return {"train": train, "val": val, "test": test}


def _says(
    train: tuple[tuple[int, str], ...], val: tuple[tuple[int, str], ...], test: tuple[tuple[int, str], ...]
) -> dict[str, tuple[tuple[int, str], ...]]:
    return {"train": train, "val": val, "test": test}


_NONE: SplitTexts = {"train": (), "val": (), "test": ()}

CITY = Kind(
    name="city",
    multiple=False,
    canonical=("{n} lives in {v}.", "{n}'s home is in {v}."),
    gone="",
    says=_says(
        (
            (0, "I just moved to {v}."),
            (0, "I live in {v} now."),
            (0, "We finally settled in {v}."),
            (0, "I am living in {v} at the moment."),
            (0, "I moved into a flat in {v}."),
            (1, "My new home is in {v}."),
            (1, "Home is {v} for me these days."),
            (1, "I found a new home over in {v}."),
        ),
        ((0, "I have moved over to {v}."), (1, "We have a home in {v} now.")),
        ((0, "We recently moved to {v}."), (0, "These days I live in {v}."), (1, "I call {v} my home now.")),
    ),
    says_gone=_NONE,
    asks=_split(
        ("Where does {n} live?", "Which city does {n} live in?", "What city is {n} living in now?"),
        ("In which city does {n} live?",),
        ("Which city is home to {n}?", "Where is {n} living?"),
    ),
    asks_when=_split(
        ("When did {n} move to {v}?", "On what date did {n} move to {v}?"),
        ("When was it that {n} moved to {v}?",),
        ("On which date did {n} move to {v}?",),
    ),
    asks_whether=_split(
        ("Could {n} meet a friend in {v} without travelling?", "Would {n} know the streets of {v} well?"),
        ("Would {n} meet a friend in {v} without travelling?",),
        ("Could {n} know the streets of {v} well?",),
    ),
)
JOB = Kind(
    name="job",
    multiple=False,
    canonical=("{n} works as {a} {v}.", "{n}'s job is {v}."),
    gone="",
    says=_says(
        (
            (0, "I started working as {a} {v}."),
            (0, "I work as {a} {v} now."),
            (0, "They hired me as {a} {v}."),
            (0, "I am working as {a} {v} these days."),
            (0, "I got hired as {a} {v}."),
            (1, "My new job is {v}."),
            (1, "I found a job as {a} {v}."),
            (1, "I got the job of {v}."),
        ),
        ((0, "I have begun to work as {a} {v}."), (1, "I took a job as {a} {v}.")),
        ((0, "I now work as {a} {v}."), (0, "They just hired me to be {a} {v}."), (1, "I have a new job as {a} {v}.")),
    ),
    says_gone=_NONE,
    asks=_split(
        ("What is {n}'s job?", "What does {n} work as?", "What job does {n} have?"),
        ("Which job does {n} have?",),
        ("As what does {n} work?", "What job is {n} doing?"),
    ),
    asks_when=_split(
        ("When did {n} start working as {a} {v}?", "On what date did {n} start the job of {v}?"),
        ("When was it that {n} started working as {a} {v}?",),
        ("On which date did {n} start working as {a} {v}?",),
    ),
    asks_whether=_split(
        ("Could {n} give advice about the work of {a} {v}?", "Would {n} be at a meeting of {v} workers?"),
        ("Would {n} give advice about the work of {a} {v}?",),
        ("Could {n} be at a meeting of {v} workers?",),
    ),
)
PET = Kind(
    name="pet",
    multiple=True,
    canonical=("{n} has {a} {v} as a pet.",),
    gone="{n} no longer has {a} {v} as a pet.",
    says=_says(
        (
            (0, "I adopted {a} {v}."),
            (0, "We got {a} {v} as a pet."),
            (0, "I have a new pet, {a} {v}."),
            (0, "My pet {v} is so sweet."),
            (0, "I brought home {a} {v} from the shelter."),
            (0, "My {v} is the best pet."),
        ),
        ((0, "We adopted a little {v}."), (0, "My new pet is {a} {v}.")),
        ((0, "I have just adopted {a} {v}."), (0, "Our new pet is {a} {v}."), (0, "We got {a} {v} from the shelter.")),
    ),
    says_gone=_split(
        (
            "I gave my {v} away to a friend.",
            "I no longer have my {v}.",
            "My {v} is gone, sadly.",
            "I had to give up the {v}.",
        ),
        ("I had to give my {v} away.",),
        ("We no longer have the {v}.", "We gave the {v} away."),
    ),
    asks=_split(
        ("What pets does {n} have?", "Which pets does {n} have?", "What does {n} have as a pet?"),
        ("Which animals does {n} have as a pet?",),
        ("What pets is {n} keeping?", "Which pets live with {n}?"),
    ),
    asks_when=_split(
        ("When did {n} adopt {a} {v}?", "On what date did {n} get {a} {v}?"),
        ("When was it that {n} adopted {a} {v}?",),
        ("On which date did {n} adopt {a} {v}?",),
    ),
    asks_whether=_NONE,
)
ITEM = Kind(
    name="item",
    multiple=True,
    canonical=("{n} owns {a} {v}.", "{n} bought {a} {v}."),
    gone="{n} no longer owns {a} {v}.",
    says=_says(
        (
            (1, "I bought {a} {v}."),
            (1, "I went shopping and bought {a} {v}."),
            (1, "Yesterday I bought myself {a} {v}."),
            (0, "I finally own {a} {v}."),
            (0, "I got {a} {v} as a gift."),
            (0, "Someone gave me {a} {v} as a gift."),
            (0, "I own {a} {v} now."),
        ),
        ((1, "I have bought {a} {v}."), (0, "Now I own {a} {v}.")),
        ((1, "I just bought {a} {v}."), (0, "They gave me {a} {v} as a gift."), (0, "I am happy to own {a} {v}.")),
    ),
    says_gone=_split(
        ("I sold my {v}.", "I lost the {v} somewhere.", "My {v} broke and I threw it out.", "I had to sell the {v}."),
        ("I have sold the {v}.",),
        ("I just sold my {v}.", "I lost my {v}."),
    ),
    asks=_split(
        ("What does {n} own?", "Which things does {n} own?", "What things does {n} own?"),
        ("Which things are owned by {n}?",),
        ("What is owned by {n}?", "Which of the things does {n} own?"),
    ),
    asks_when=_split(
        ("When did {n} get {a} {v}?", "On what date did {n} buy {a} {v}?"),
        ("When was it that {n} got {a} {v}?",),
        ("On which date did {n} get {a} {v}?",),
    ),
    asks_whether=_split(
        ("Could {n} lend a friend {a} {v}?", "Would {n} be able to bring {a} {v}?"),
        ("Would {n} lend a friend {a} {v}?",),
        ("Could {n} bring {a} {v}?",),
    ),
)
INSTRUMENT = Kind(
    name="instrument",
    multiple=True,
    canonical=("{n} plays the {v}.",),
    gone="{n} no longer plays the {v}.",
    says=_says(
        (
            (0, "I am learning to play the {v}."),
            (0, "I play the {v} in a band."),
            (0, "I took a {v} lesson."),
            (0, "I started to play the {v}."),
            (0, "I practise the {v} every evening."),
            (0, "I have been playing the {v}."),
        ),
        ((0, "I play the {v} every evening."), (0, "I started {v} lessons.")),
        ((0, "I have started to play the {v}."), (0, "I play the {v} these days."), (0, "I had a {v} lesson.")),
    ),
    says_gone=_split(
        (
            "I stopped playing the {v}.",
            "I quit the {v}.",
            "I gave up the {v} lessons.",
            "I do not play the {v} anymore.",
        ),
        ("I have stopped playing the {v}.",),
        ("I no longer play the {v}.", "I quit playing the {v}."),
    ),
    asks=_split(
        ("What instruments does {n} play?", "Which instruments does {n} play?", "What instrument does {n} play?"),
        ("Which instrument can {n} play?",),
        ("Which instrument is {n} playing?", "What is the instrument that {n} plays?"),
    ),
    asks_when=_NONE,
    asks_whether=_split(
        ("Could {n} join a band as a {v} player?", "Would {n} need the notes for a {v}?"),
        ("Would {n} join a band as a {v} player?",),
        ("Could {n} need the notes for a {v}?",),
    ),
)
SPORT = Kind(
    name="sport",
    multiple=False,
    canonical=("{n}'s sport is {v}.",),
    gone="",
    says=_says(
        (
            (0, "I took up {v} as my sport."),
            (0, "I am training for {v} now."),
            (0, "My new sport is {v}."),
            (0, "I train {v} every weekend."),
            (0, "I joined a {v} club."),
            (0, "I got into {v} training."),
        ),
        ((0, "I have joined a {v} team."), (0, "My sport is {v} now.")),
        ((0, "I just joined the {v} club."), (0, "I am training {v} these days."), (0, "Now {v} is my new sport.")),
    ),
    says_gone=_NONE,
    asks=_split(
        ("What sport does {n} do?", "What is {n}'s sport?", "Which sport does {n} train?"),
        ("Which sport is {n} doing?",),
        ("Which sport is {n} training?", "What is the sport of {n}?"),
    ),
    asks_when=_NONE,
    asks_whether=_split(
        ("Would {n} enjoy a ticket to {v}?", "Could {n} be seen at a {v} match?"),
        ("Could {n} enjoy a ticket to {v}?",),
        ("Would {n} be seen at a {v} match?",),
    ),
)
FOOD = Kind(
    name="food",
    multiple=False,
    canonical=("{n}'s favourite food is {v}.", "{n} loves eating {v}."),
    gone="",
    says=_says(
        (
            (0, "My favourite food is {v} now."),
            (0, "Now {v} is my favourite food."),
            (0, "My new favourite thing to eat is {v}."),
            (1, "I could eat {v} every day."),
            (1, "I am crazy about eating {v}."),
            (1, "I love to eat {v}."),
        ),
        ((0, "My favourite dish is {v}."), (1, "I eat {v} every day.")),
        (
            (0, "By now {v} is my favourite thing to eat."),
            (0, "My favourite dish to eat is {v}."),
            (1, "I love eating {v}."),
        ),
    ),
    says_gone=_NONE,
    asks=_split(
        ("What is {n}'s favourite food?", "What food does {n} love?", "What does {n} love eating?"),
        ("Which food does {n} love?",),
        ("What does {n} love to eat?", "What food is {n}'s favourite?"),
    ),
    asks_when=_NONE,
    asks_whether=_split(
        ("Would {n} order {v} in a restaurant?", "Would {n} like {v} for dinner?"),
        ("Could {n} order {v} in a restaurant?",),
        ("Would {n} order {v} for dinner?",),
    ),
)
GENRE = Kind(
    name="genre",
    multiple=False,
    canonical=("{n} listens to {v} music.",),
    gone="",
    says=_says(
        (
            (0, "I listen to {v} all day."),
            (0, "I am a big fan of {v} music."),
            (0, "I went to a {v} concert."),
            (0, "I discovered {v} music."),
            (0, "It is {v} music that I listen to."),
            (0, "I am really into {v} music."),
        ),
        ((0, "I became a fan of {v} music."), (0, "I only listen to {v}.")),
        ((0, "I listen to {v} music every day."), (0, "I am now a fan of {v}."), (0, "I was at a {v} concert.")),
    ),
    says_gone=_NONE,
    asks=_split(
        ("What music does {n} listen to?", "What music does {n} like?", "Which music is {n} into?"),
        ("Which kind of music does {n} like?",),
        ("Which music is {n} listening to?", "What is the music that {n} likes?"),
    ),
    asks_when=_NONE,
    asks_whether=_split(
        ("Would {n} enjoy a {v} concert?", "Would {n} like a {v} record?"),
        ("Could {n} enjoy a {v} concert?",),
        ("Would {n} enjoy a {v} record?",),
    ),
)
COLOUR = Kind(
    name="colour",
    multiple=False,
    canonical=("{n}'s favourite colour is {v}.",),
    gone="",
    says=_says(
        (
            (0, "My favourite colour is {v} now."),
            (0, "I painted my room {v}, my favourite colour."),
            (0, "To me {v} is the nicest colour."),
            (0, "I love the colour {v}."),
            (0, "I wear the colour {v} all the time."),
        ),
        ((0, "Now {v} is the colour I love."),),
        ((0, "The colour I love most is {v}."), (0, "These days {v} is my favourite colour.")),
    ),
    says_gone=_NONE,
    asks=_split(
        ("What is {n}'s favourite colour?", "Which colour does {n} love?", "What colour does {n} like?"),
        ("Which colour is {n}'s favourite?",),
        ("What is the colour {n} loves?", "Which colour is {n} fond of?"),
    ),
    asks_when=_NONE,
    asks_whether=_split(
        ("Would {n} like a {v} scarf?", "Would {n} choose {v} paint?"),
        ("Could {n} choose {v} paint?",),
        ("Would {n} choose a {v} scarf?",),
    ),
)
PLAN = Kind(
    name="plan",
    values="country",
    multiple=True,
    canonical=("{n} plans to visit {v}.",),
    gone="{n} no longer plans to visit {v}.",
    says=_says(
        (
            (0, "I want to visit {v} next year."),
            (0, "I am planning a trip to {v}."),
            (0, "I hope to travel to {v} soon."),
            (0, "I booked a trip to {v}."),
            (0, "We plan to visit {v} in summer."),
        ),
        ((0, "I plan to travel to {v}."),),
        ((0, "I am planning to visit {v}."), (0, "I have booked a trip to {v}.")),
    ),
    says_gone=_split(
        (
            "I cancelled my trip to {v}.",
            "My plan to visit {v} fell through.",
            "I will not travel to {v} after all.",
            "The trip to {v} is cancelled.",
        ),
        ("We cancelled the {v} trip.",),
        ("I had to cancel the trip to {v}.", "I will not visit {v} after all."),
    ),
    asks=_split(
        ("Which country does {n} plan to visit?", "Where does {n} plan to travel?", "What trip is {n} planning?"),
        ("Which country is {n} planning to visit?",),
        ("Where does {n} plan to go?", "Which trip does {n} plan?"),
    ),
    asks_when=_NONE,
    asks_whether=_NONE,
)
TRIP = Kind(
    name="trip",
    values="country",
    multiple=True,
    canonical=("{n} visited {v}.",),
    gone="",
    says=_says(
        (
            (0, "I am back from {v}."),
            (0, "I finally visited {v}."),
            (0, "My trip to {v} was amazing."),
            (0, "We visited {v} and took many photos."),
            (0, "I just returned from {v}."),
        ),
        ((0, "I have returned from {v}."),),
        ((0, "We are back from {v}."), (0, "I have visited {v} at last.")),
    ),
    says_gone=_NONE,
    asks=_split(
        ("Which countries has {n} visited?", "Which country has {n} visited?", "Where has {n} travelled?"),
        ("What country has {n} visited?",),
        ("What countries did {n} travel to?", "Which countries did {n} visit?"),
    ),
    asks_when=_split(
        ("When did {n} visit {v}?", "On what date did {n} return from {v}?"),
        ("When was it that {n} visited {v}?",),
        ("On which date did {n} visit {v}?",),
    ),
    asks_whether=_split(
        ("Would {n} have photos of {v}?", "Could {n} describe a trip to {v}?"),
        ("Could {n} have photos of {v}?",),
        ("Would {n} describe a trip to {v}?",),
    ),
)

KINDS: dict[str, Kind] = {k.name: k for k in (CITY, JOB, PET, ITEM, INSTRUMENT, SPORT, FOOD, GENRE, COLOUR, PLAN, TRIP)}

TWO_HOP: dict[tuple[str, str], SplitTexts] = {
    ("city", "job"): _split(
        ("What is the job of the one who lives in {v}?", "What job does the person living in {v} have?"),
        ("What is the job of the person who lives in {v}?",),
        ("What job does the one who lives in {v} have?",),
    ),
    ("job", "food"): _split(
        ("What food does the {v} love?", "What is the favourite food of the {v}?"),
        ("Which food does the {v} love?",),
        ("What food is the favourite of the {v}?",),
    ),
    ("sport", "city"): _split(
        ("Where does the one whose sport is {v} live?", "Which city is home to the person whose sport is {v}?"),
        ("In which city does the one whose sport is {v} live?",),
        ("Where does the person whose sport is {v} live?",),
    ),
    ("instrument", "genre"): _split(
        ("What music does the {v} player listen to?", "What music does the one who plays the {v} like?"),
        ("Which music does the {v} player like?",),
        ("What music does the one who plays the {v} listen to?",),
    ),
}

OPENERS = _split(
    (
        "Guess what!",
        "Oh, by the way.",
        "You know what?",
        "Big news!",
        "Good to see you.",
        "So much happened.",
        "Listen!",
    ),
    ("Wait, there is more.", "Hey!"),
    ("You will not believe it.", "Some news!", "Nice to hear that."),
)
CLOSERS = _split(
    ("It is great.", "I am so happy.", "What do you think?", "It took a while.", "My sister laughed.", "Anyway."),
    ("I am glad.", "It was about time."),
    ("It feels good.", "How about you?", "I like it a lot."),
)
SMALL_TALK = _split(
    (
        "How are you?",
        "Nice weather today.",
        "That is great!",
        "I am so tired.",
        "Long time no see.",
        "Tell me more.",
        "Sounds like fun!",
        "What a week.",
        "I had no time at all.",
        "Did you sleep well?",
        "The rain never stops here.",
        "I should call my mother.",
    ),
    ("How have you been?", "What a day.", "That sounds nice."),
    ("How is it going?", "What a month this was.", "I am happy for you!", "The weather is lovely."),
)
RELATIONS = _split(
    ("My cousin {o}", "My friend {o}", "My neighbour {o}", "My boss {o}", "My aunt {o}"),
    ("My uncle {o}", "My teacher {o}"),
    ("My colleague {o}", "My nephew {o}", "My dentist {o}"),
)
OTHERS_SAY: dict[str, SplitTexts] = {
    "city": _split(
        ("{r} just moved to {v}.", "{r} lives in {v} now.", "{r} settled in {v}."),
        ("{r} has moved over to {v}.",),
        ("{r} recently moved to {v}.", "{r} found a home in {v}."),
    ),
    "job": _split(
        ("{r} started working as {a} {v}.", "{r} got hired as {a} {v}."),
        ("{r} took a job as {a} {v}.",),
        ("{r} now works as {a} {v}.",),
    ),
    "pet": _split(
        ("{r} adopted {a} {v}.", "{r} has a new pet, {a} {v}."),
        ("{r} got a little {v}.",),
        ("{r} has just adopted {a} {v}.",),
    ),
    "item": _split(
        ("{r} bought {a} {v}.", "{r} got {a} {v} as a gift."),
        ("{r} has bought {a} {v}.",),
        ("{r} just bought {a} {v}.",),
    ),
    "food": _split(
        ("{r} loves to eat {v}.", "{r} is crazy about {v}."),
        ("{r} eats {v} every day.",),
        ("{r} loves eating {v}.",),
    ),
}
"""What speakers say about people outside the conversation: distractors, never asked about."""


def article(value: str) -> str:
    """The indefinite article before `value`."""
    return "an" if value[:1].lower() in "aeiou" else "a"
