"""A score from 0 to 1 of code in any language and of prose, as a weighted mean of features that say what they measure.

Every feature lies in 0..1, larger is better, so a score never falls when a feature rises, and the features of a score
explain it. They look at lines and words, not at a syntax tree, at some 15 MB/s. The weights are a judgement, set so
that the labelled examples of the tests are ordered rightly: comments, names that say something and moderate nesting
make code worth learning from; tables of data, generated names, repetition and endless lines do not.

Python has its own score (`steps/quality.py`), which knows docstrings.

Left out: whether it parses, which a step of its own decides; complexity by control flow (lizard reads 3.5 MB/s), for
which the depth of nesting stands in; anything learned.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import log2

from better_ai.data.languages import BY_NAME, Language

CODE_WEIGHTS = {
    "commented": 0.15,
    "documented": 0.15,
    "identifiers": 0.20,
    "letters": 0.15,
    "line_shape": 0.15,
    "nesting": 0.05,
    "tested": 0.05,
    "unrepeated": 0.10,
}
PROSE_WEIGHTS = {"letters": 0.25, "line_shape": 0.05, "sentences": 0.25, "unrepeated": 0.20, "vocabulary": 0.25}
assert all(abs(sum(weights.values()) - 1) < 1e-9 for weights in (CODE_WEIGHTS, PROSE_WEIGHTS))

_WORD = re.compile(r"[^\W\d]\w*")
_DEFINITION = re.compile(
    r"(?:export\s+|pub(?:\(\w+\))?\s+|public\s+|private\s+|protected\s+|internal\s+|static\s+|async\s+|final\s+"
    r"|abstract\s+|override\s+|open\s+|data\s+|sealed\s+|unsafe\s+|local\s+|inline\s+|virtual\s+|default\s+)*"
    r"(?:def|fn|fun|func|function|class|struct|enum|trait|interface|impl|module|object|record|type|sub|proc|macro)\b"
    r"|(?:[\w:<>,*&\[\]?.]+\s+)+[\w:~]+\s*\([^;=]*\)\s*(?:const\s*|throws [\w, ]+)?\{\s*$"
)
_TEST = re.compile(
    r"\b(?:assert\w*|expect|should|EXPECT_\w+|ASSERT_\w+|REQUIRE|test\w*|Test\w*|it|describe)\s*[(!{]|@Test\b|#\[test\]"
)
_SENTENCE_END = re.compile(r"[.!?:]['\")\]]?(?:\s|$)")


@dataclass(frozen=True)
class Quality:
    """A score in 0..1 and the features it is the weighted mean of."""

    score: float
    features: dict[str, float]


def weighted(features: dict[str, float], weights: dict[str, float]) -> Quality:
    """The weighted mean of features, all rounded to four places."""
    features = {name: round(features[name], 4) for name in weights}
    return Quality(round(sum(weights[name] * value for name, value in features.items()), 4), features)


def score_code(text: str, language: Language | None) -> Quality:
    """Score source in any language; one that is not in the table has no comments that are known."""
    lines = [line.strip() for line in text.splitlines()]
    filled = [line for line in lines if line]
    if not filled:
        return weighted(dict.fromkeys(CODE_WEIGHTS, 0.0), CODE_WEIGHTS)
    comments = _comment_lines(filled, language)
    return weighted(
        {
            "commented": _ratio_of_comments(sum(comments) / len(filled)),
            "documented": _documented(filled, comments),
            "identifiers": _identifiers(_WORD.findall(text)),
            "letters": min(1.0, _letters(text) / 0.5),
            "line_shape": _line_shape(text, 100),
            "nesting": _nesting(text),
            "tested": 1.0 if _TEST.search(text) else 0.5,
            "unrepeated": _unrepeated(filled),
        },
        CODE_WEIGHTS,
    )


def score_prose(text: str) -> Quality:
    """Score natural language, with code in it or not."""
    filled = [line.strip() for line in text.splitlines() if line.strip()]
    words = _WORD.findall(text.lower())
    if not filled or not words:
        return weighted(dict.fromkeys(PROSE_WEIGHTS, 0.0), PROSE_WEIGHTS)
    words_per_sentence = len(words) / max(1, len(_SENTENCE_END.findall(text)))
    return weighted(
        {
            "letters": min(1.0, _letters(text) / 0.7),
            "line_shape": _line_shape(text, 2000),
            "sentences": min(1.0, words_per_sentence / 5, 40 / words_per_sentence),
            "unrepeated": _unrepeated(filled),
            "vocabulary": min(1.0, len(set(words)) / (4 * len(words) ** 0.5)) if len(words) > 16 else 0.5,
        },
        PROSE_WEIGHTS,
    )


def score_text(text: str, language: str) -> Quality:
    """Score a document in any language but Python by its kind: prose as prose, all else as code."""
    known = BY_NAME.get(language)
    return score_prose(text) if known is not None and known.kind == "prose" else score_code(text, known)


def _letters(text: str) -> float:
    return sum(map(str.isalpha, text)) / len(text)


def _line_shape(text: str, longest: int) -> float:
    """Share of the characters that stand in lines of at most this length."""
    return sum(len(line) + 1 for line in text.split("\n") if len(line) <= longest) / (len(text) + 1)


def _unrepeated(filled: list[str]) -> float:
    """Share of distinct lines, of those with a word in them: closing brackets repeat in any good code."""
    telling = [line for line in filled if len(line) > 3]
    return len(set(telling)) / len(telling) if telling else 0.0


def _identifiers(words: list[str]) -> float:
    """Bits per word that tell one from another, against what words as many usually carry, and their length."""
    if len(words) < 2:
        return 0.0
    total = len(words)
    entropy = -sum(count / total * log2(count / total) for count in Counter(words).values())
    length = sum(map(len, words)) / total
    return min(1.0, entropy / (0.72 * log2(total))) * min(1.0, length / 4)


def _ratio_of_comments(ratio: float) -> float:
    """Full marks from 5 % to 30 % of the lines, less for none and for files of comments."""
    return min(1.0, 0.3 + ratio / 0.07, max(0.0, (1 - ratio) / 0.7))


def _comment_lines(filled: list[str], language: Language | None) -> list[bool]:
    """Which lines are comments; strings that look like one are counted too."""
    if language is None:
        return [False] * len(filled)
    starts, opens, closes = _markers(language)
    marked, inside = [], False
    for line in filled:
        opened = bool(opens) and line.startswith(opens)
        marked.append(inside or opened or (bool(starts) and line.startswith(starts)))
        if inside or opened:
            inside = not any(mark in (line[2:] if opened else line) for mark in closes)
    return marked


@cache
def _markers(language: Language) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    opens, closes = (tuple(pair[side] for pair in language.block_comments) for side in (0, 1))
    return language.line_comments, opens, closes


def _documented(filled: list[str], comments: list[bool]) -> float:
    """Share of the definitions with a comment right above or below; without definitions, whether the file opens so."""
    places = [
        number
        for number, (line, comment) in enumerate(zip(filled, comments, strict=True))
        if not comment and len(line) < 300 and _DEFINITION.match(line)
    ]
    if not places:
        return float(comments[0])
    return sum(any(comments[max(0, place - 1) : place + 2]) for place in places) / len(places)


def _nesting(text: str) -> float:
    """How much stands no deeper than four levels, by indentation: tabs, or steps of four characters."""
    depths = [
        len(indent) if "\t" in indent else len(indent) / 4
        for line in text.split("\n")
        if (indent := line[: len(line) - len(line.lstrip())]) != line
    ]
    return sum(depth <= 4 for depth in depths) / len(depths) if depths else 0.0
