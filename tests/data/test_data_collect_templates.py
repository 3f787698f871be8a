"""Templates are filled the same way every time, never twice alike, and never with anything but their slots."""

import contextlib
import stat
from pathlib import Path

import pytest
import yaml
from collected import collected
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.dumps import TemplatesSource
from better_ai.data.collectors.templates import read_templates
from better_ai.data.transcript import read_transcript
from better_ai.errors import UserError

FILE = """
slots:
  structure: [stack, queue, heap]
  language: [Python, Go]
  fact:
    - {ask: the length of a list, code: "len(values)"}
    - {ask: the last element, code: "values[-1]"}
templates:
  - name: explain
    turns:
      - system: You teach {language}.
      - user: What is a {structure}?
      - assistant: "In {language}, a {structure} is {{}}."
  - name: fact
    turns:
      - user: How do I get {fact.ask}?
      - assistant: "`{fact.code}`"
      - user: "{__import__} stays."
      - assistant: Yes.
"""


def write(folder: Path, text: str = FILE) -> Path:
    path = folder / "templates.yaml"
    path.write_text(text.replace("{__import__}", "{{x.__class__}}"), "utf-8")
    return path


def test_all_ways(tmp_path: Path) -> None:
    documents, rejects = collected(TemplatesSource(path=str(write(tmp_path))))
    assert rejects == [] and len(documents) == 3 * 2 + 2 == len({document["id"] for document in documents})
    fact = [read_transcript(document["content"]).messages for document in documents][-2:]
    assert [(m[0].content, m[1].content) for m in fact] == [
        ("How do I get the length of a list?", "`len(values)`"),
        ("How do I get the last element?", "`values[-1]`"),
    ]
    assert fact[0][2].content == "{x.__class__} stays."
    assert documents[0]["meta"]["synthetic"] is True and documents[0]["license"] == "CC0-1.0"
    assert read_transcript(documents[0]["content"]).messages[2].content.endswith("is {}.")


def test_a_seeded_choice(tmp_path: Path) -> None:
    path = str(write(tmp_path))
    four = [document["id"] for document in collected(TemplatesSource(path=path, count=4, seed=1))[0]]
    assert len(four) == 4
    assert {document["id"] for document in collected(TemplatesSource(path=path, count=4, seed=2))[0]} != set(four)


def test_equal_texts_are_kept_once(tmp_path: Path) -> None:
    path = write(tmp_path, FILE.replace("[stack, queue, heap]", "[stack, stack, stack]"))
    documents, rejects = collected(TemplatesSource(path=str(path)))
    assert len(documents) == 2 + 2 and [reason for _, reason in rejects] == ["equal to an earlier one"] * 4


def test_many_ways_are_not_listed(tmp_path: Path) -> None:
    slots = {f"s{number}": [f"{number}-{value}" for value in range(100)] for number in range(9)}
    turns = [{"user": " ".join(f"{{{name}}}" for name in slots)}]
    path = write(tmp_path, yaml.safe_dump({"slots": slots, "templates": [{"turns": turns}]}))
    assert len(collected(TemplatesSource(path=str(path), count=50))[0]) == 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a list `templates`"),
        ("a: [", "is no YAML"),
        ("!!python/object/apply:os.system [ls]", "is no YAML"),
        ("templates: [1]", "template 1 needs a list `turns`"),
        ("templates: [{turns: [{boss: x}]}]", "a turn is one role"),
        ("templates: [{turns: [{user: '{gone}'}]}]", "uses {gone}, which"),
        ("slots: {a: [{b: x}, {c: y}]}\ntemplates: [{turns: [{user: '{a.b}'}]}]", "uses {a.b}, which"),
        ("slots: {a: [x]}\ntemplates: [{turns: [{user: '{a.upper}'}]}]", "uses {a.upper}, which"),
        ("slots: {a: []}\ntemplates: [{turns: [{user: x}]}]", "slot 'a' needs a list of values"),
        ("slots: {a: [[x]]}\ntemplates: [{turns: [{user: x}]}]", "neither text nor an object"),
    ],
)
def test_malformed_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        collected(TemplatesSource(path=str(write(tmp_path, text))))
    assert message in str(raised.value)


@given(st.binary(max_size=100) | st.text(alphabet="templates: [{}]&*!-\n'\"slotuner|>", max_size=80).map(str.encode))
def test_no_file_is_another_error(content: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        path = Path("templates.yaml")
        patch.setattr(Path, "read_bytes", lambda self: content)
        patch.setattr(Path, "stat", lambda self: type("Status", (), {"st_size": len(content), "st_mode": stat.S_IFREG}))
        with contextlib.suppress(UserError):
            read_templates(path)
