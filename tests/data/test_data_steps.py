"""Each step turns away what it says, and keeps the rest untouched."""

import json

import pyarrow as pa
import pytest
from documents import document, run_step
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import LicenseConfig, QualityConfig, SizeConfig, SyntaxConfig
from better_ai.data.schema import DOCUMENT_SCHEMA
from better_ai.data.step import Step, document_batch
from better_ai.data.steps import license, quality, score_python, size, syntax
from better_ai.data.steps.quality import WEIGHTS

GOOD = '''\
"""Words and their lengths."""


def lengths(words):
    """Length by word."""
    # Later ones win.
    return {word: len(word) for word in words}
'''


def batch(*texts: str, license: str = "MIT") -> pa.RecordBatch:
    return document_batch([document(text, license=license, metadata='{"path": "x"}') for text in texts])


def reasons(step: Step, rows: pa.RecordBatch) -> list[str]:
    stepped = run_step(step, rows)
    assert stepped.kept.schema == DOCUMENT_SCHEMA
    assert stepped.kept.num_rows + stepped.rejected.num_rows == rows.num_rows
    return stepped.rejected.column("reason").to_pylist()


def test_sizes_are_those_in_utf8() -> None:
    assert reasons(size(SizeConfig(min_bytes=2, max_bytes=4)), batch("é", "éé", "a", "aaaaa", "ééé")) == [
        "1 bytes, fewer than 2",
        "5 bytes, more than 4",
        "6 bytes, more than 4",
    ]


def test_licences_not_on_the_list_go() -> None:
    gate = license(LicenseConfig(allowed=("MIT", "PSF-2.0")))
    assert reasons(gate, batch("x", license="MIT")) == []
    for name in ("GPL-3.0-only", "unknown", "MITX", "Apache-2.0"):
        assert reasons(gate, batch("x", license=name)) == [f"licence {name} is not allowed"]
    assert reasons(gate, batch("x", license="")) == ["licence '' is no SPDX expression"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(:\n", "line 1"),
        ("print 'two'\n", "line 1"),
        ("x = 1\0\n", "null bytes"),
        ("(" * 5000 + ")" * 5000, ""),
        ("-" * 100_000 + "1", ""),
        ("x = " + "[" * 150 + "]" * 150 + "\n" + "if x:\n" * 2, ""),
    ],
)
def test_what_python_cannot_parse_goes(text: str, reason: str) -> None:
    found = reasons(syntax(SyntaxConfig()), batch(GOOD, text))
    assert len(found) == 1 and reason in found[0]


def test_warnings_of_the_parser_are_not_shown(recwarn: pytest.WarningsRecorder) -> None:
    assert reasons(syntax(SyntaxConfig()), batch("x = '\\d' is 1\n")) == []
    assert not recwarn.list


@given(text=st.text() | st.text(st.sampled_from("def x():\n\t#'\" =1")))
def test_scores_are_weighted_means_of_features(text: str) -> None:
    quality = score_python(text)
    assert set(quality.features) == set(WEIGHTS)
    assert all(0 <= value <= 1 for value in quality.features.values())
    assert quality.score == pytest.approx(
        sum(WEIGHTS[name] * value for name, value in quality.features.items()), abs=1e-4
    )
    assert quality == score_python(text)


def test_each_feature_falls_with_what_it_measures() -> None:
    def feature(name: str, text: str) -> float:
        return score_python(text).features[name]

    undocumented = GOOD.replace('    """Length by word."""\n', "")
    assert feature("documented", GOOD) == 1.0 > feature("documented", undocumented) == 0.5
    assert feature("commented", GOOD) > feature("commented", GOOD.replace("    # Later ones win.\n", ""))
    assert feature("commented", GOOD) > feature("commented", "# a\n" * 50)
    assert feature("line_shape", GOOD) == 1.0 > feature("line_shape", GOOD + "x = '" + "a" * 200 + "'\n")
    assert feature("identifiers", GOOD) > feature("identifiers", "x = x + x\n" * 50)
    assert feature("letters", GOOD) > feature("letters", "t = [" + "0x0041, 12, " * 50 + "]\n")
    assert feature("structure", GOOD) > feature("structure", "t = [\n" + "    'a',\n" * 50 + "]\n")
    assert feature("unrepeated", GOOD) == 1.0 > feature("unrepeated", GOOD * 2)


def test_code_scores_above_tables_and_noise() -> None:
    table = "table = [\n" + "".join(f"    0x{n:04x}, {n},\n" for n in range(200)) + "]\n"
    assert score_python(GOOD).score > 0.9
    assert score_python(table).score < 0.6
    assert score_python("").score == score_python(" \n\n").score == 0


def test_scoring_keeps_the_rest_and_explains_itself() -> None:
    rows = batch(GOOD, "x = 1\n")
    scored = run_step(quality(QualityConfig()), rows).kept
    assert scored.drop_columns(["quality_score", "metadata"]) == rows.drop_columns(["quality_score", "metadata"])
    metadata = [json.loads(text) for text in scored.column("metadata").to_pylist()]
    assert metadata[0] == {"path": "x", "quality": score_python(GOOD).features}
    good, plain = score_python(GOOD).score, score_python("x = 1\n").score
    assert scored.column("quality_score").to_pylist() == [good, plain]
    assert reasons(quality(QualityConfig(min_score=good)), rows) == [f"scores {plain}, less than {good}"]
    assert reasons(quality(QualityConfig()), rows) == []
