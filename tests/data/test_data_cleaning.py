"""Cleaning changes what it was asked to and nothing else."""

import json

import pyarrow as pa
import pytest
from documents import document
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import CleaningConfig
from better_ai.data.cleaning import clean, repair_prose_encoding
from better_ai.data.schema import document_id
from better_ai.data.step import Stepped, document_batch

ALL = CleaningConfig(
    encoding=True,
    max_replacement_share=0.01,
    control_characters="remove",
    html=True,
    byte_order_mark="remove",
    line_ends="lf",
    trailing_space="remove",
    final_newline="one",
)


def rows(*documents: tuple[str, str]) -> pa.RecordBatch:
    return document_batch([document(text, language=language, metadata='{"path": "x"}') for language, text in documents])


def cleaned(config: CleaningConfig, text: str, language: str = "python") -> str | None:
    stepped = clean(rows((language, text)), config)
    assert stepped.kept.num_rows + stepped.rejected.num_rows == 1
    return stepped.kept.column("content")[0].as_py() if stepped.kept.num_rows else None


def reasons(stepped: Stepped) -> list[str]:
    return stepped.rejected.column("reason").to_pylist()


@given(texts=st.lists(st.text() | st.text(st.sampled_from("\ufeff\r\n\t \x00\ufffdÃ©<p>")), max_size=5))
def test_the_default_changes_nothing(texts: list[str]) -> None:
    batch = rows(*(("html", text) for text in texts))
    stepped = clean(batch, CleaningConfig())
    assert stepped.kept.equals(batch)
    assert stepped.rejected.num_rows == 0


@given(text=st.text(st.sampled_from("ab\t \n\x0c(\"'#é\u2003")))
def test_code_that_needs_no_repair_is_kept_to_the_byte(text: str) -> None:
    text = "x" + text.rstrip("\n") + "\n"
    batch = rows(("python", text))
    assert clean(batch, ALL).kept.equals(batch)


@given(
    text=st.text() | st.text(st.sampled_from("\ufeff\r\n\t \x00\x85Ã©a")),
    language=st.sampled_from(["python", "markdown", "text"]),
)
def test_cleaning_twice_is_cleaning_once(text: str, language: str) -> None:
    once = cleaned(ALL, text, language)
    if once is not None:
        assert cleaned(ALL, once, language) == once


@pytest.mark.parametrize(
    ("setting", "before", "after"),
    [
        ({"byte_order_mark": "remove"}, "\ufeffx\ufeff\n", "x\ufeff\n"),
        ({"line_ends": "lf"}, "a\r\n\tb \rc\n", "a\n\tb \nc\n"),
        ({"control_characters": "remove"}, "a\x00b\x1b[0m\tc\x0c\n\x9f", "ab[0m\tc\x0c\n"),
        ({"final_newline": "one"}, "a\n\n\n", "a\n"),
        ({"final_newline": "one"}, "a", "a\n"),
        ({"final_newline": "one"}, "a\r\nb\r\n\r\n", "a\r\nb\r\n"),
        ({"trailing_space": "remove"}, "a  \n\tb\t\n", "a  \n\tb\t\n"),
        ({"encoding": True}, "x = 'cafÃ©'\n", "x = 'cafÃ©'\n"),
    ],
)
def test_one_repair_of_code(setting: dict[str, str], before: str, after: str) -> None:
    assert cleaned(CleaningConfig.model_validate(setting), before) == after


def test_prose_loses_trailing_space_only() -> None:
    assert cleaned(CleaningConfig(trailing_space="remove"), "a  \n\tb\t\n", "markdown") == "a\n\tb\n"


@pytest.mark.parametrize("text", ["café", "naïve – “quoted”", "Gültig: ß", "日本語のテキスト", "1 € = 100 ¢"])
def test_wrongly_decoded_prose_is_read_as_it_was_meant(text: str) -> None:
    broken = text.encode().decode("latin-1")
    assert broken != text
    assert repair_prose_encoding(f"ok\n{broken}\nok\n") == f"ok\n{text}\nok\n"


def test_windows_encoding_is_seen_through_too() -> None:
    assert repair_prose_encoding("It â€œworksâ€\x9d â€“ cafÃ© 1 â‚¬") == "It “works” – café 1 €"


@given(text=st.text(st.characters(blacklist_categories=("Cs", "Cc"))))
def test_sound_prose_without_signs_of_wrong_decoding_is_left(text: str) -> None:
    if "Ã" not in text and not any("\u0080" <= letter <= "\u00bf" or letter >= "\u0152" for letter in text):
        assert repair_prose_encoding(text) == text


def test_html_becomes_text_with_fences() -> None:
    page = "<html><body><h1>Title</h1><p>Say</p><pre><code>if x:\n\ty &lt; 1\n</code></pre></body></html>"
    stepped = clean(rows(("html", page), ("python", page)), CleaningConfig(html=True))
    text, untouched = stepped.kept.column("content").to_pylist()
    assert "```\nif x:\n\ty < 1\n```" in text and "<p>" not in text
    assert untouched == page
    assert stepped.kept.column("language").to_pylist() == ["markdown", "python"]


def test_a_changed_document_has_a_new_id_and_says_why() -> None:
    batch = rows(("python", "\ufeffa\r\n"), ("python", "a\n"))
    kept = clean(batch, ALL).kept
    assert kept.column("id").to_pylist() == [document_id(b"a\n")] * 2
    first, second = (json.loads(text) for text in kept.column("metadata").to_pylist())
    assert first == {"path": "x", "cleaned": ["byte_order_mark", "line_ends"]}
    assert second == {"path": "x"}
    assert kept.slice(1).equals(batch.slice(1))


def test_what_is_beyond_repair_goes_with_the_reason() -> None:
    lost = clean(rows(("text", "a\ufffd"), ("text", "a" * 199 + "\ufffd"), ("text", "a")), ALL)
    assert reasons(lost) == ["50.00% of its characters are U+FFFD, more than 1.00%"]
    binary = clean(rows(("python", "ab\x00")), CleaningConfig(control_characters="reject"))
    assert reasons(binary) == ["control character U+0000 at character 2"]
    empty = clean(rows(("python", "\x00\r\n"), ("html", "<p></p>"), ("python", "")), ALL)
    assert reasons(empty) == [
        "nothing is left after cleaning (line_ends, control_characters, final_newline)",
        "nothing is left after cleaning (html, final_newline)",
    ]
