"""The step that scores coarse language, hostility towards groups of people, and stereotypes, each from 0 to 1.

A word alone says little in code: processes kill their children, lists are black, connectors are male. So a word of the
lists only opens a question, and the words around it answer:

- *profanity* is a density, as a coarse word in a long file is a comment on the file and not its content;
- *hate* is a slur, a group called vermin, or a call for violence against a group. A slur with other meanings counts
  only where somebody is attacked with it, and all count for less where the text speaks about such words (filters,
  research, reports);
- *bias* is a group, a generalising verb and a disparaging trait or a denied ability in this order. A second one raises
  the score, and so does "all", "every" or "never".

Scores of several finds combine as independent doubts: 1 - product(1 - score).

The lists of words are written in rot13, so that this file and its diffs do not display slurs and can still be reviewed.
Left out: other languages than English, irony, and anything learned. It is a first sieve, not a judge of people.
"""

import codecs
import json
import math
import re
from dataclasses import astuple, dataclass, fields

import pyarrow as pa

from better_ai.config.data import ToxicityConfig
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns
from better_ai.data.steps.anchors import Anchors, ascii_view


@dataclass(frozen=True)
class Toxicity:
    """Scores from 0 (nothing found) to 1."""

    profanity: float
    hate: float
    bias: float


TAGS = pa.schema([pa.field(item.name, pa.float64()) for item in fields(Toxicity)])

_CLEAN = Toxicity(0.0, 0.0, 0.0)
_STRONG = (
    "shpx shpxf shpxrq shpxre shpxref shpxvat shpxva shpxrqhc zbgureshpxre zbgureshpxref zbgureshpxvat "
    "fuvg fuvgf fuvggl fuvgurnq ohyyfuvg qvcfuvg nffubyr nffubyrf ovgpu ovgpurf phag phagf pbpxfhpxre gjng "
    "gjngf onfgneq onfgneqf fyhg fyhgf juber juberf jnaxre jnaxref qvpxurnq qbhpuront wnpxnff qhzonff"
)
_MILD = "qnza qnzarq qnzavg tbqqnza penc penccl uryy cvff cvffrq fhpxf oybbql obyybpxf wrex"
_SLURS = (
    "avttre avttref avttn avttnf xvxr xvxrf snttbg snttbgf jrgonpx jrgonpxf gbjryurnq gbjryurnqf enturnq enturnqf "
    "fnaqavttre cvpxnavaal wvtnobb wvtnobbf orngare ornare ornaref qnexvr qnexvrf tbbx tbbxf mvccreurnq "
    "furznyr furznyrf"
)
_AMBIGUOUS = (
    "ergneq ergneqf ergneqrq fcvp fcvpf puvax puvaxf pbba pbbaf qlxr qlxrf snt sntf cnxv cnxvf genaal genaavrf tlccb "
    "fnintr fnintrf"
)
"""Also a word for a delay, clean things, a gap, an animal, a wall, a cigarette, a transmission."""
_GROUPS = (
    "women men girls females males wives blacks whites jews muslims christians hindus catholics asians chinese "
    "mexicans latinos hispanics africans arabs indians turks immigrants migrants refugees foreigners gays homosexuals "
    "lesbians transgenders gypsies people"
)
_PEOPLE = (
    "black white brown asian jewish muslim gay trans transgender queer disabled deaf blind autistic old elderly poor "
    "fat foreign african indian chinese mexican arab native"
)
"""What stands before "people" for them to be a group."""

_WINDOW = 100
"""Characters on either side of a word that are its context."""
_ABOUT_WORDS = re.compile(
    r"\b(?:slurs?|offensive|profan\w*|obscen\w*|block ?lists?|black ?lists?|ban(?:ned)? ?(?:words?|lists?)?|filter\w*|"
    r"censor\w*|moderat\w*|word ?lists?|lexicons?|hate ?speech|toxic\w*|stereotyp\w*|prejudice\w*|racis[tm]\w*|"
    r"sexis[tm]\w*|misogyn\w*|bias\w*|fairness|myths?|discriminat\w*|propaganda|insult\w*|derogatory|detect\w*|"
    r"classif\w*)\b"
)
_ABOUT_FACTOR = 0.4
_ATTACK = re.compile(
    r"\b(?:you|your|u|ur|youre|those|these|they|them|he|she|him|her|all|every|what a|such a|fucking|damn\w*|dirty|"
    r"stupid|filthy|dumb|ugly|disgusting|worthless|go back|hate|kill|shut up|little|bunch of)\b"
)
_ATTACK_REACH = 3
"""Words before an ambiguous one, and one after it, that make it an attack."""
_VIOLENCE_BEFORE = re.compile(
    r"\b(?:kill|exterminate|lynch|gas|eradicate|murder|slaughter|behead|wipe out|annihilate|massacre|put down)"
    r"(?: off)?(?: all| every| the| these| those| more){1,3}$"
)
_VIOLENCE_AFTER = re.compile(
    r"^(?:all |just )?(?:should|must|need to|needs to|have to|deserve to|ought to)(?: all| just)? (?:die|burn|suffer|"
    r"hang|(?:be|get)(?: all)? (?:killed|exterminated|lynched|gassed|eradicated|murdered|"
    r"slaughtered|beheaded|burned alive|"
    r"wiped out|annihilated|massacred|put down|shot|hanged|put in camps|deported|sterili[sz]ed))\b"
)
_DEHUMANISE = re.compile(
    r"^(?:are|is|re|were)(?:(?: all| just| nothing but| no better than| like| a| an| the| only)* (?:sub ?human\w*|"
    r"vermin|animals?|cockroach\w*|parasites?|rats|filth\w*|scum|savages|plague|cancer|disease|trash|garbage|"
    r"apes?|monkeys?|"
    r"pigs|dogs|worthless)|(?: not| less than)(?: even| really)? human)\b"
)
_TRAIT = re.compile(
    r"^(?:are|were|re|seem|tend to be|will always be|are known to be|have always been)(?:"
    r"(?: all| always| just| simply| naturally| generally| usually| inherently| really| so| too| more| very| a|"
    r" bunch of| as| by nature| basically| mostly| biologically| genetically){0,4} "
    r"(?:lazy|stupid|dumb|greedy|criminals?|thieves|terrorists?|dirty|inferior|hysterical|irrational|emotional|weak|"
    r"violent|dangerous|untrustworthy|cheap|uncivili[sz]ed|backward|ignorant|primitive|liars|rapists|drug dealers|"
    r"gold diggers|freeloaders|(?:bad|worse|terrible|awful|no good|hopeless) (?:at|with|drivers|programmers|engineers|"
    r"leaders)|less (?:intelligent|capable|logical|rational|smart)|better suited (?:for|to))|"
    r" (?:not|never)(?: as| very| naturally| really)* (?:good|capable|smart|intelligent|logical|rational) "
    r"(?:at|enough|as|of))\b"
)
_ABILITY = re.compile(
    r"^(?:can ?t|cannot|can not|can never|could never|are unable to|are not able to|don t know how to|never learn to|"
    r"should not|shouldn t|should never|are not supposed to)(?: even| really| be trusted to)? "
    r"(?:drive|code|learn|program|write code|do math\w*|do science|lead|be trusted|think|reason|understand|"
    r"handle|work|vote|"
    r"be engineers|be programmers|be leaders|be allowed)\b"
)
_PLACE = re.compile(
    r"^(?:belong|should stay|should be|are meant to be|are only good)(?: back| only)? "
    r"(?:in the kitchen|at home|in their (?:own )?countr\w+|for (?:breeding|cooking|cleaning))\b"
)
_GENERALISER = re.compile(r"\b(?:all|every|always|never|naturally|inherently|genetically|biologically|by nature)\b")
_DENIED = re.compile(
    r"\b(?:not|no|nobody|never|don t|doesn t)(?: \w+){0,3} (?:say|think|believe|claim|assume|true|mean)\b"
)


def _words(encoded: str) -> frozenset[bytes]:
    return frozenset(codecs.decode(encoded, "rot13").encode().split())


_STRONG_WORDS, _MILD_WORDS = _words(_STRONG), _words(_MILD)
_SLUR_WORDS, _AMBIGUOUS_WORDS = _words(_SLURS), _words(_AMBIGUOUS)
_GROUP_WORDS = frozenset(_GROUPS.encode().split())
_PEOPLE_WORDS = frozenset(_PEOPLE.split())
_ANCHORS = Anchors(
    b" " + word + b" " for word in _STRONG_WORDS | _MILD_WORDS | _SLUR_WORDS | _AMBIGUOUS_WORDS | _GROUP_WORDS
)
_LETTERS = bytes(byte if chr(byte).isalpha() and byte < 128 else ord(" ") for byte in range(256))


def score_toxicity(text: str) -> Toxicity:
    """Score a text."""
    letters = b" " + ascii_view(text).lower().translate(_LETTERS) + b" "
    hits = _ANCHORS.find(letters)
    if not hits:
        return _CLEAN
    coarse, hate, bias = 0.0, [], []
    for place, anchor in hits:
        word = anchor.strip()
        coarse += (word in _STRONG_WORDS) + 0.2 * (word in _MILD_WORDS)
        if word in _SLUR_WORDS or word in _AMBIGUOUS_WORDS:
            hate.append(_slur(word, *_context(letters, place, anchor)))
        elif word in _GROUP_WORDS:
            before, after = _context(letters, place, anchor)
            if word != b"people" or before.rsplit(" ", 1)[-1] in _PEOPLE_WORDS:
                hate.append(_hostility(before, after))
                bias.append(_stereotype(before, after))
    density = coarse / (coarse + len(letters.split()) / 100) if coarse else 0.0
    return Toxicity(round(density, 4), _either(hate), _either(bias))


def toxicity(config: ToxicityConfig) -> Step:
    """Tag documents with their scores, keep those above 0 in the metadata, and turn away what is above a limit."""
    limits = {"profanity": config.max_profanity, "hate": config.max_hate, "bias": config.max_bias}

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        metadata = batch.column("metadata").to_pylist()
        reasons: list[str | None] = []
        for row, scores in enumerate(tags.to_pylist()):
            found = {name: score for name, score in scores.items() if score > 0}
            if found:
                values = {**json.loads(metadata[row]), "toxicity": found}
                metadata[row] = json.dumps(values, sort_keys=True, ensure_ascii=False)
            above = [
                f"{name} {score}, more than {limits[name]}" for name, score in found.items() if score > limits[name]
            ]
            reasons.append("; ".join(above) or None)
        return reject_rows(replace_columns(batch, {"metadata": pa.array(metadata, pa.string())}), "toxicity", reasons)

    return Step("toxicity", judge, _tag, TAGS, {"version": 1})


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = [astuple(score_toxicity(text)) for text in batch.column("content").to_pylist()]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.RecordBatch.from_arrays([pa.array(column, pa.float64()) for column in columns], schema=TAGS)


def _context(letters: bytes, place: int, anchor: bytes) -> tuple[str, str]:
    """The words before and after, with single spaces between them; the outermost may be cut."""
    end = place + len(anchor)
    before = letters[max(0, place - _WINDOW) : place].decode()
    after = letters[end : end + _WINDOW].decode()
    return " ".join(before.split()), " ".join(after.split())


def _slur(word: bytes, before: str, after: str) -> float:
    near = " ".join([*before.split()[-_ATTACK_REACH:], "|", *after.split()[:1]])
    attacked = _ATTACK.search(near) is not None
    if word in _AMBIGUOUS_WORDS:
        return _weigh(0.8, before, after) if attacked else 0.0
    return _weigh(0.95 if attacked else 0.8, before, after)


def _hostility(before: str, after: str) -> float:
    if _VIOLENCE_BEFORE.search(before) or _VIOLENCE_AFTER.match(after):
        return _weigh(0.9, before, after)
    return _weigh(0.85, before, after) if _DEHUMANISE.match(after) else 0.0


def _stereotype(before: str, after: str) -> float:
    match = _TRAIT.match(after) or _ABILITY.match(after) or _PLACE.match(after)
    if match is None:
        return 0.0
    general = _GENERALISER.search(f"{' '.join(before.split()[-2:])} {match[0]}")
    return _weigh(0.9 if general else 0.75, before, after)


def _weigh(score: float, before: str, after: str) -> float:
    """Less where the text is about such words, or denies what it quotes."""
    about = _ABOUT_WORDS.search(before) or _ABOUT_WORDS.search(after) or _DENIED.search(before)
    return score * _ABOUT_FACTOR if about else score


def _either(scores: list[float]) -> float:
    return round(1.0 - math.prod(1 - score for score in scores), 4)
