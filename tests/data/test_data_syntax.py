"""Parsers accept what is well formed, name what is not, and never take long over nonsense."""

import ast
import json
import random
import sysconfig
from pathlib import Path

import pyarrow as pa
import pytest
from documents import document, run_step
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import SyntaxConfig
from better_ai.data.languages import BY_NAME
from better_ai.data.parsers import CHECKED_LANGUAGES, GRAMMARS, UNCHECKED, parse
from better_ai.data.step import Stepped, document_batch
from better_ai.data.steps import syntax

SOUND: dict[str, str] = {
    "python": "def f(x: int) -> int:\n    return x + 1\n",
    "javascript": "const f = async (a, ...b) => { await a?.g(`${b}`); };\n",
    "typescript": "interface A<T> { f(x: T): Promise<void> }\nexport type B = A<number>['f'];\n",
    "tsx": "const A = (p: { a: string }) => <b className={p.a}>hi</b>;\n",
    "java": "class A<T extends B> { int f(int x) { return x > 1 ? x : f(x - 1); } }\n",
    "c": "#include <stdio.h>\nint main(void) { for (int i = 0; i < 3; i++) printf(\"%d\", i); return 0; }\n",
    "c++": "template <typename T> class A { public: auto f(T x) const -> T { return x; } };\n",
    "c#": "namespace A; public record B(int X) { public int F() => X switch { 1 => 2, _ => 3 }; }\n",
    "go": "package main\n\nfunc f(a []int) (int, error) {\n\treturn len(a), nil\n}\n",
    "rust": "fn f<'a>(x: &'a str) -> Option<&'a str> { if let Some(y) = g(x)? { Some(y) } else { None } }\n",
    "ruby": "class A < B\n  def f(x) = x.map { |y| \"#{y}!\" }\nend\n",
    "php": "<?php\nfunction f(int $x): ?string { return $x > 1 ? \"a $x\" : null; }\n",
    "bash": "f() {\n  for x in \"$@\"; do [[ -f $x ]] && echo \"$x\"; done\n}\n",
    "scala": "object A { def f[T](x: List[T]): Int = x match { case Nil => 0; case _ => 1 } }\n",
    "julia": "function f(x::Int)\n    y = [i^2 for i in 1:x]\n    return sum(y)\nend\n",
    "haskell": "module A where\n\nf :: Int -> Int\nf x = case x of\n  0 -> 1\n  _ -> x * f (x - 1)\n",
    "kotlin": "data class A(val x: Int) {\n  fun f(): String = when (x) {\n    1 -> \"a\"\n    else -> \"b\"\n  }\n}\n",
    "lua": "local function f(x)\n  for i = 1, x do print(i) end\n  return x\nend\n",
    "swift": "struct A { let x: Int\n func f() -> String? { guard x > 1 else { return nil }; return \"\\(x)\" } }\n",
    "html": "<!DOCTYPE html><html><head><title>a</title></head><body><p>b</p></body></html>\n",
    "css": "a > b:hover { color: #fff; margin: 0 auto; }\n@media (min-width: 10px) { c { d: e } }\n",
    "json": '{"a": [1, 2.5, null, true, "b"]}\n',
    "jsonl": '{"a": 1}\n\n{"b": 2}\n',
    "jupyter": '{"cells": [], "nbformat": 4}\n',
    "toml": '[a.b]\nc = ["d", 1]\n',
    "yaml": "a:\n  - b: !tag c\n  - *d\n---\ne: 1\n",
}  # fmt: skip

BROKEN: dict[str, str] = {
    "python": "def f(:\n    return\n",
    "javascript": "const = function ( { ;;\n",
    "typescript": "interface { f(: }\n",
    "tsx": "const A = <b>hi</c;\n",
    "java": "class A { int f( { return; }\n",
    "c": "int main(void { return 0 }\n",
    "c++": "template <typename T class { public: ;\n",
    "c#": "public class { int F( => }\n",
    "go": "package main\nfunc f( { return\n",
    "rust": "fn f( -> { let = ; }\n",
    "ruby": "class A\n  def f(x\n",
    "php": "<?php function f( { return $; }\n",
    "bash": "if [ -f x ]; then echo 'a\n",
    "scala": "object A { def f( = { \n",
    "julia": "function f(x\n  y = [1, \n",
    "haskell": "module A where\nf x = case x of ) where (\n",
    "kotlin": "class A { fun f( = { }\n",
    "lua": "local function f(x for i do\n",
    "swift": "struct A { func f( -> { }\n",
    "html": "<p <b </p",
    "css": "a { color: ; } } b {{\n",
    "json": '{"a": NaN}',
    "jsonl": '{"a": 1}\n{"b": }\n',
    "jupyter": '{"cells": [',
    "toml": "[a\nb = \n",
    "yaml": "a: [1, 2\nb: }\n",
}


def test_there_are_examples_of_every_language_and_at_least_18_programming_languages() -> None:
    assert set(SOUND) == set(BROKEN) == CHECKED_LANGUAGES
    assert set(BY_NAME) >= CHECKED_LANGUAGES
    assert sum(BY_NAME[language].kind == "code" for language in CHECKED_LANGUAGES) >= 18


@pytest.mark.parametrize("language", SOUND)
def test_well_formed_texts_pass_and_others_do_not(language: str) -> None:
    sound = parse(SOUND[language], language)
    assert sound.parser and sound.error_share == 0 and sound.problem is None
    broken = parse(BROKEN[language], language)
    assert broken.parser == sound.parser and broken.error_share is not None and broken.error_share > 0
    assert broken.problem


def test_python_is_judged_as_ast_judges_it() -> None:
    """On a sample of the standard library, whole and damaged."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::7]
    draw = random.Random(0)
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")[:40_000]
        place = draw.randrange(len(text))
        for candidate in (text, text[:place], text[:place] + draw.choice("()[]:'\n ") + text[place:]):
            assert (parse(candidate, "python").problem is None) == _ast_accepts(candidate), path
    for text in (
        "nonlocal x\n",
        "def f():\n  global x\n  nonlocal x\n",
        "return\n",
        "x = 1\nfrom __future__ import a\n",
    ):
        assert (parse(text, "python").problem is None) == _ast_accepts(text)


def _ast_accepts(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def test_the_share_of_errors_is_that_of_the_bytes() -> None:
    good = "int f(void) { return 1; }\n"
    whole = parse(good * 99 + "%% ?? )) \n", "c")
    assert whole.error_share is not None and 0 < whole.error_share < 0.01
    assert whole.problem is not None and whole.problem.startswith("line 100, ")


def test_what_has_no_parser_is_never_called_valid() -> None:
    assert parse("anything", "cobol") == parse("anything", "unknown") == UNCHECKED
    rows = _rows(("python", SOUND["python"]), ("cobol", "IDENTIFICATION DIVISION."))
    kept = run_step(syntax(SyntaxConfig()), rows).kept
    assert [json.loads(text) for text in kept.column("metadata").to_pylist()] == [{}, {"syntax": "unchecked"}]
    strict = run_step(syntax(SyntaxConfig(unchecked="reject")), rows)
    assert strict.kept.column("language").to_pylist() == ["python"]
    assert _reasons(strict) == ["no parser for cobol"]


def test_tolerance_is_a_policy_on_the_tags() -> None:
    """C before its preprocessor has errors to a grammar; other languages need not."""
    macros = "BEGIN_DECLS(\n" + "int f(void) { return 1; }\n" * 99
    rows = _rows(("c", macros), ("javascript", "f(1);\n" * 99 + "%%\n"), ("c", "%% ?? ))\n"))
    default = syntax(SyntaxConfig())
    assert default.tag is not None
    tags = default.tag(rows)
    shares = tags.column("error_share").to_pylist()
    assert 0 < shares[1] < 0.05 < shares[2]
    tolerant = syntax(SyntaxConfig(max_error_share=0.05, max_error_share_preprocessed=1))
    assert tolerant.tag_key == default.tag_key
    assert tolerant.judge(rows, tags).rejected.num_rows == 0
    strict = syntax(SyntaxConfig(max_error_share_preprocessed=0)).judge(rows, tags)
    assert strict.rejected.num_rows == 3
    assert "of it are errors, more than 0.00%" in _reasons(default.judge(rows, tags))[-2]


def test_no_alias_bomb_is_followed() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert parse(bomb, "yaml").problem is None


NASTY = ("(", "{", "[", "<", '"', "'", "-", "a<", "a.", "- ", "${", '"#{', "<<A\n", "<a>", "if x {", "/*", "a=[", "\\")


@pytest.mark.parametrize("language", sorted(CHECKED_LANGUAGES))
def test_endless_repetition_is_refused_at_once(language: str) -> None:
    for piece in NASTY:
        assert parse(piece * (1_000_000 // len(piece)), language).parser
    if language in GRAMMARS:
        assert parse("(" * 1_000_000, language).problem == "repeats itself: shrinks 60-fold or more"


@given(data=st.data())
def test_no_text_breaks_a_parser(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(CHECKED_LANGUAGES)))
    pieces = st.text(max_size=6) | st.sampled_from([*NASTY, "\n", " ", "}", ")", "]", ">", "end", "def ", "\0"])
    text = data.draw(st.lists(pieces, max_size=40).map("".join))
    sound = SOUND[language]
    place = data.draw(st.integers(0, len(sound)))
    for candidate in (text, sound[:place] + text, sound[:place] + text + sound[place:]):
        found = parse(candidate, language)
        assert found.error_share is not None and 0 <= found.error_share <= 1
        assert (found.error_share == 0) == (found.problem is None)


def _rows(*documents: tuple[str, str]) -> pa.RecordBatch:
    return document_batch([document(text, language=language) for language, text in documents])


def _reasons(stepped: Stepped) -> list[str]:
    return stepped.rejected.column("reason").to_pylist()
