"""Scores order a small labelled set rightly, and are explained by features they rise with."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.languages import BY_NAME
from better_ai.data.scoring import CODE_WEIGHTS, PROSE_WEIGHTS, score_code, score_prose, score_text, weighted

GOOD = {
    "javascript": """\
/** Counts how often each word occurs in a text. */
export function countWords(text) {
  const counts = new Map();
  for (const word of text.toLowerCase().split(/\\s+/)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

// The most frequent words come first.
export function rankWords(counts, limit) {
  const entries = [...counts.entries()];
  entries.sort((left, right) => right[1] - left[1]);
  return entries.slice(0, limit).map(([word]) => word);
}
""",
    "c": """\
#include <stddef.h>

/* Largest element of an array that is not empty. */
int largest_element(const int *values, size_t length) {
    int largest = values[0];
    for (size_t index = 1; index < length; index++) {
        if (values[index] > largest) {
            largest = values[index];
        }
    }
    return largest;
}

// Replaces every element by the sum of those before it.
void prefix_sums(int *values, size_t length) {
    for (size_t position = 1; position < length; position++) {
        values[position] += values[position - 1];
    }
}
""",
    "rust": """\
/// A queue with a fixed capacity that forgets its oldest item.
pub struct RingBuffer<T> {
    items: Vec<T>,
    capacity: usize,
}

impl<T> RingBuffer<T> {
    /// Makes an empty queue.
    pub fn with_capacity(capacity: usize) -> Self {
        RingBuffer { items: Vec::new(), capacity }
    }

    /// Adds an item and drops the oldest one when there is no room.
    pub fn push(&mut self, item: T) {
        if self.items.len() == self.capacity {
            self.items.remove(0);
        }
        self.items.push(item);
    }
}
""",
    "go": """\
package shapes

import "math"

// Circle is given by its radius.
type Circle struct {
\tRadius float64
}

// Area returns what the circle covers.
func (circle Circle) Area() float64 {
\treturn math.Pi * circle.Radius * circle.Radius
}

// Scale returns a circle that is larger by the factor.
func (circle Circle) Scale(factor float64) Circle {
\treturn Circle{Radius: circle.Radius * factor}
}
""",
    "java": """\
package bank;

/** An account whose balance never falls below zero. */
public final class Account {
    private long balanceInCents;

    /** Adds money. */
    public void deposit(long cents) {
        if (cents <= 0) throw new IllegalArgumentException("a deposit must be positive");
        balanceInCents += cents;
    }

    /** Takes money out, or says that there is too little. */
    public boolean withdraw(long cents) {
        if (cents > balanceInCents) return false;
        balanceInCents -= cents;
        return true;
    }
}
""",
    "bash": """\
#!/bin/bash
# Copies every changed file into a dated folder and removes old folders.
set -euo pipefail

source_folder="$1"
backup_root="$2"

# Makes one backup.
function make_backup() {
    local target="$backup_root/$(date +%F)"
    mkdir -p "$target"
    rsync --archive --update "$source_folder/" "$target/"
}

make_backup
find "$backup_root" -maxdepth 1 -type d -mtime +30 -exec rm -r {} +
""",
}


def _uncommented(text: str) -> str:
    return re.sub(r"(?m)^\s*(?://|/\*|#\s|#!).*\n", "", text)


def _short_names(text: str) -> str:
    return re.sub(r"\b([A-Za-z])[a-z_A-Z]{4,}\b", r"\1", text)


def _minified(text: str) -> str:
    return re.sub(r"\s+", " ", _uncommented(text)) * 3


WORSE = {
    "no comments": _uncommented,
    "short names": lambda text: _short_names(_uncommented(text)),
    "minified": _minified,
    "repeated": lambda text: _uncommented(text) * 8,
    "a table": lambda text: "t = {\n" + "".join(f"    0x{n:04x}, {n % 7}, {n % 5},\n" for n in range(90)) + "};\n",
    "an endless line": lambda text: text + "x = '" + "0123456789" * 400 + "';\n",
}


@pytest.mark.parametrize("language", GOOD)
@pytest.mark.parametrize("made", WORSE)
def test_every_good_example_scores_above_what_was_made_worse(language: str, made: str) -> None:
    good = score_text(GOOD[language], language).score
    assert good > 0.8
    assert score_text(WORSE[made](GOOD[language]), language).score < good - 0.04


def test_the_worst_score_below_every_good_example() -> None:
    bad = [score_text(WORSE[made](text), language).score for language, text in GOOD.items() for made in WORSE
           if made in ("minified", "a table", "an endless line")]  # fmt: skip
    assert max(bad) < min(score_text(text, language).score for language, text in GOOD.items())


def test_prose_is_told_from_word_salad() -> None:
    prose = (
        "Reading a file line by line keeps memory small. Open it, walk over its lines, and close it again. When the\n"
        "file is compressed, wrap it first; nothing else changes.\n\n"
        "A second pass is cheap as long as the operating system still has the pages in its cache.\n"
    )
    good = score_prose(prose).score
    assert good > 0.9
    assert score_prose("buy now " * 60).score < 0.6
    assert score_prose("| 12 | 44 | 9 |\n" * 30).score < 0.4
    assert score_prose(prose * 6).score < good - 0.1
    assert score_text(prose, "markdown") == score_prose(prose)


def test_each_feature_falls_with_what_it_measures() -> None:
    text = GOOD["rust"]

    def feature(name: str, changed: str) -> tuple[float, float]:
        language = BY_NAME["rust"]
        return score_code(text, language).features[name], score_code(changed, language).features[name]

    for name, changed in {
        "commented": _uncommented(text),
        "documented": text.replace("    /// Makes an empty queue.\n", ""),
        "identifiers": _short_names(text),
        "letters": text + "0x00, 0x01, " * 200,
        "line_shape": text + "//" + "word " * 200,
        "nesting": text.replace("            self.items.remove(0);", " " * 60 + "self.items.remove(0);"),
        "unrepeated": text * 2,
    }.items():
        whole, less = feature(name, changed)
        assert less < whole, name
    assert feature("tested", text + "#[test]\nfn it_forgets() { assert!(true) }\n") == (0.5, 1.0)


@given(
    text=st.text() | st.text(st.sampled_from("fn f(){}\n\t /*/#\"'.ab")),
    language=st.sampled_from([*sorted(BY_NAME), "unknown"]),
)
def test_any_text_has_a_score_that_its_features_explain(text: str, language: str) -> None:
    quality = score_text(text, language)
    assert 0 <= quality.score <= 1
    assert all(0 <= value <= 1 for value in quality.features.values())
    weights = PROSE_WEIGHTS if set(quality.features) == set(PROSE_WEIGHTS) else CODE_WEIGHTS
    assert quality == weighted(quality.features, weights)


@given(features=st.fixed_dictionaries({name: st.floats(0, 1) for name in CODE_WEIGHTS}), data=st.data())
def test_no_feature_that_rises_lowers_a_score(features: dict[str, float], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(CODE_WEIGHTS)))
    higher = {**features, name: data.draw(st.floats(features[name], 1))}
    assert weighted(higher, CODE_WEIGHTS).score >= weighted(features, CODE_WEIGHTS).score


def test_nasty_texts_end_soon() -> None:
    for piece in ("a ", "(", "/*", "fn ", "a b(", "public ", ".", "\t", "x::", "#"):
        for text in (piece * (200_000 // len(piece)), (piece + "\n") * 40_000):
            for language in ("rust", "c", "markdown", "haskell"):
                assert 0 <= score_text(text, language).score <= 1
