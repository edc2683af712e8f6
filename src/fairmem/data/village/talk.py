"""What villagers say around the facts: greetings, small talk, and news about people outside the conversation."""

from __future__ import annotations

OPENERS: tuple[str, ...] = (
    "[Guess what|Big news|Good news|Some news|Listen|Oh|Hey|Wait][!|, listen!|, guess what!| today!]",
    "[Oh, by the way|By the way|You know what|So|Well], [my friend|listen|just so you know|before I forget].",
    "[Good|Nice|Lovely] to [see you|hear from you|hear that|talk to you] [again|].",
    "[So much|A lot|Not much] [happened|has happened] [lately|this week|this month|].",
    "[You|Nobody] will [not|never] [believe it|believe this|guess it]!",
)
CLOSERS: tuple[str, ...] = (
    "[It is|It feels|That is] [great|good|lovely|wonderful|strange|new to me].",
    "I am [so|very|really|quite] [happy|glad|excited|nervous|proud] [about it|].",
    "[What do you think|How about you|Can you believe it|Do you like that][?| about it?]",
    "It [took|was] [a while|about time|a long time|a long story].",
    "My [sister|brother|mother|father] [laughed|was surprised|did not believe it|cried].",
    "I [like|love|enjoy] [it|that] [a lot|very much|so far|so much].",
)
SMALL_TALK: tuple[str, ...] = (
    "How [are you|are things|is it going|have you been|was your week] [today|these days|lately|]?",
    "[Nice|Lovely|Awful|Strange] weather [today|this week|these days|again], [right|is it not]?",
    "[That is|That sounds|This is|It sounds] [great|nice|wonderful|like fun|so good|interesting]!",
    "I am [so|very|really|quite] [tired|sleepy|busy|hungry] [today|lately|this week|].",
    "[Long time no see|Tell me more|Good point|Same here|No way][!|, my friend.|, really.]",
    "What a [week|day|month|year] [this was|it was|we had|].",
    "I [had|have] no time [at all|for anything|to rest] [today|this week|lately|].",
    "Did you [sleep|rest|eat] well [today|last night|this week|]?",
    "The [rain|wind|snow|noise|traffic] [never stops|is terrible|is back|drives me mad] [here|again|today|].",
    "I [should|must|want to] call my [mother|father|sister|brother|aunt] [soon|today|tonight|].",
    "I am [happy|glad|sorry] for you[!|, really.|, my friend.]",
)
RELATIONS: tuple[str, ...] = (
    "My [old|] [cousin|friend|neighbour|boss|aunt|uncle|teacher|colleague|nephew|niece|dentist|doctor|lawyer|grandson|coach|flatmate|landlord|classmate|brother-in-law|godfather|barber] {o}",
)
"""Who else villagers talk about; `{o}` is the name."""
OTHERS_SAY: dict[str, tuple[str, ...]] = {
    "city": (
        "{r} [just|recently|has|finally|has just|] [moved|relocated] [to|over to|out to] {v} [last week|last month|].",
        "{r} [now|] lives in {v} [now|these days|].",
        "{r} [settled|found a home|is living|bought a flat|rented a flat] in {v} [last month|now|].",
    ),
    "job": (
        "{r} [just|recently|] [started|began] [working|to work] as {a} {v} [last week|now|].",
        "{r} [got hired|now works|works|found a job|took a job|was hired] as {a} {v} [today|these days|].",
    ),
    "pet": (
        "{r} [just|has just|has|] [adopted|brought home] {a} [little|young|] {v} [last week|].",
        "{r} [has|got] [a new pet, a little|a young|a little] {v} [as a pet|now].",
    ),
    "item": (
        "{r} [just|has|recently|] bought {a} [new|] {v} [online|yesterday|last week|].",
        "{r} [got|received] {a} {v} [as a gift|as a present|for a birthday] [yesterday|].",
    ),
    "food": (
        "{r} [loves|adores] [to eat|eating] {v} [every day|every night|].",
        "{r} [eats|would eat|could eat] {v} [every day|every night|all day].",
    ),
}
"""News about people outside the conversation, `{r}`: distractors, never asked about."""
