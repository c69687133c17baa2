"""What certain words say about a customer's tone, whatever the sentence vector says: the caps and floors of a score."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.models import Rating
from core.safe_patterns import alternation
from core.vocabulary import ANGER_BELOW


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


def _listed(words: tuple[str, ...], pattern: str = r"(?!)") -> re.Pattern[str]:
    return re.compile(rf"{alternation(words, 'masked')}|\b(?:{pattern})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What it is called, what it looks for, and the score it allows at most (a ceiling) or at least (a floor)."""

    name: str
    pattern: re.Pattern[str]
    ceiling: float = 1.0
    floor: float = 0.0


_NEGATED = re.compile(
    r"\b(?:not|no|never|isn'?t|aren'?t|wasn'?t|without|nor|hardly)\b(?:\W+\w+){0,2}\W*$", re.IGNORECASE
)
_NOT_ANGRY = _words(r"not|never|no longer")
_OWN = re.compile(
    r"\b(?:i|i'm|im|i am|me|my|myself)\b(?:\W+\w+){0,3}\W*$|\b(?:silly|stupid|dumb)\W+(?:question|mistake|me)",
    re.IGNORECASE,
)
# "Our buyer called us idiots", "my customer wrote: crap": somebody else's words.
_REPORTED = re.compile(
    r"\b(?:customers?|clients?|buyers?|guests?|reviews?|who|he|she|they)\W+(?:\w+\W+){0,2}"
    r"(?:call(?:ed|s)|sa(?:ys|id)|wr(?:ites|ote)|joked?|names?d?)\b[^.!?\n]*$",
    re.IGNORECASE,
)
# "idiot-proof", "crap-free": part of a word of its own.
_COMPOUND = re.compile(r"-[a-z]")
_INSULTS = (
    *(
        "idiot",
        "moron",
        "imbecile",
        "scammer",
        "bastard",
        "asshole",
        "arsehole",
        "dickhead",
        "wanker",
        "scumbag",
        "braindead",
    ),
    *("dimwit", "halfwit", "cretin", "bitch", "twat", "cunt", "jackass", "dumbass", "motherfucker"),
)
# Only at somebody, and in no other form: a thief broke in, crooked, fooling around.
_INSULTING = (
    r"(?:you(?:'re| are|r)?|bunch of|pack of|lot of|absolute|total|lying|bloody|what a?)\b\W+(?:\w+\W+){0,3}"
    r"(?:clowns?|crooks?|thie(?:f|ves)|liars?|con artists?|fools?|losers?|pricks?|incompetents?|brain-dead)"
)
_SWEARING = (
    *("fuck", "bullshit", "shit", "goddamn", "piss", "pissed off", "bollocks"),
    *("horseshit", "fuk", "fck"),
)
HARD_WORDS = (*_INSULTS, *_SWEARING)
_FEELING = r"furious|livid|enraged|outraged|seething|fuming|disgusted|appalled|infuriated|angry|mad at|fed up|beyond frustrated"
# "I have a customer who is furious" tells of somebody else.
_OTHERS = r"(?:customers?|clients?|buyers?|guests?|suppliers?|colleagues?|boss|partner|who|they|he|she)"
_BETWEEN = rf"(?:(?!\b{_OTHERS}\b)[^.!?\n]){{0,30}}"
_DENIED = _words(
    rf"(?:not|n't|no longer|never(?! been (?:so|this|more))|isn't|aren't)(?: \w+){{0,2}} "
    rf"(?:{_FEELING}|upset|annoyed|complaining)|no hard feelings|no complaints?"
)
_RULES = (
    _Rule("denied anger", _DENIED, floor=0.42),
    _Rule("insult", _listed(_INSULTS, _INSULTING), ceiling=0.2),
    _Rule("profanity", _listed(_SWEARING, "wtf|ffs|stfu|gtfo"), ceiling=0.25),
    _Rule("anger", _words(rf"(?:i|we|me|i'm|we're|im|feeling)\b{_BETWEEN}\b(?:{_FEELING})"), ceiling=0.25),
    _Rule(
        "outrage",
        _words(
            r"(?:completely |totally |utterly |absolutely |simply |just |so )?(?:unacceptable|outrageous|disgraceful|"
            r"inexcusable|pathetic|disgusting)|(?:absolute|complete|total|utter) (?:joke|disgrace|disaster|rubbish|garbage|trash|"
            r"waste|shambles|nonsense|scam)|worst (?:\w+ ){0,3}(?:ever|service|support|company|product|experience|software|app)|"
            r"this is (?:ridiculous|a joke|a scam|insane)|sick (?:and tired )?of|had (?:it|enough) (?:with|of)|"
            r"enough is enough|you (?:people|guys|lot) are (?:useless|hopeless|a joke|a disgrace|pathetic)|"
            r"should be ashamed|shame on you|how dare you|go to hell|screw you|get lost|drop dead|"
            r"what (?:the hell|on earth) (?:is|are) (?:wrong with )?(?:you|this|your)|wast(?:e|ed|ing) (?:of )?my time"
        ),
        ceiling=0.25,
    ),
    _Rule(
        "sarcasm",
        _words(
            r"thanks? (?:you )?(?:so much )?for nothing|slow clap|bravo|(?:oh,? |just )(?:great|wonderful|"
            r"fantastic|brilliant|perfect|lovely)\b[^?\n]{0,60}\b(?:again|another|crash\w*|broke\w*|broken|lost|gone|fail\w*|down|"
            r"error|locked|delet\w+)|(?:great|nice|good|amazing|wonderful|fantastic|excellent|top) (?:job|work|way)[, ]+"
            r"(?:guys[, ]+)?(?:delet|break|ruin|los|lock|ignor|mess|wast|destroy|kill|to (?:lose|ruin|treat))\w*|"
            r"(?:too much to ask|congratulations)[,!.]? (?:you|on)\b[^?\n]{0,60}\b(?:worse|broke|broken|ruin\w*|lost|delet\w+|geniuses)"
        ),
        ceiling=0.25,
    ),
)
_SHOUT_WORD = re.compile(r"\b[A-Z]{3,}\b")
_ACRONYMS = frozenset(
    {
        "API",
        "CSV",
        "PDF",
        "USB",
        "URL",
        "SSO",
        "SAML",
        "HTTP",
        "HTTPS",
        "JSON",
        "SQL",
        "SKU",
        "VAT",
        "FAQ",
        "SMS",
        "GPS",
        "RAM",
        "CPU",
        "NFC",
        "QR",
        "IBAN",
        "XML",
        "HTML",
        "TOTP",
    }
)
_SHOUT_WORDS = 3
SHOUTING = 0.1
_PRAISE = 0.52


def apply_rules(text: str, score: float, pleased: float, shouted: str = "") -> Rating:
    """What the words say against the heads' opinion; the cues name the rule and the words.

    Who swears and is `pleased` praises: "holy shit, this is amazing".
    """
    cues: list[str] = []
    praised = pleased > _PRAISE
    for rule in _RULES:
        match = rule.pattern.search(text)
        if not match or _excused(rule, text, match) or (rule.name == "profanity" and praised):
            continue
        score = max(rule.floor, min(score, rule.ceiling))
        cues.append(f"{rule.name}: {match.group()}")
    if shouted:
        cues.append(f"shouting: {shouted}")
    if not cues and score < ANGER_BELOW:
        cues.append("tone")
    return Rating(score=max(0.0, min(1.0, score)), cues=tuple(cues))


def _excused(rule: _Rule, text: str, match: re.Match[str]) -> bool:
    """ "I am not angry" is no anger, "I feel like an idiot" no insult, "a buyer called us idiots" none of the writer's."""
    before = text[max(0, match.start() - 40) : match.start()]
    if rule.name in ("insult", "profanity") and (_REPORTED.search(before) or _COMPOUND.match(text, match.end())):
        return True
    if rule.name == "insult" and _OWN.search(before):
        return True
    if rule.name in ("insult", "outrage"):
        return _NEGATED.search(before) is not None
    return rule.name == "anger" and _NOT_ANGRY.search(match.group()) is not None


def shouting(text: str) -> str:
    words = [word for word in _SHOUT_WORD.findall(text) if word not in _ACRONYMS]
    letters = [c for c in text if c.isalpha()]
    loud = sum(c.isupper() for c in letters) > 0.5 * len(letters) if letters else False
    return " ".join(words[:3]) if len(words) >= _SHOUT_WORDS and loud else ""
