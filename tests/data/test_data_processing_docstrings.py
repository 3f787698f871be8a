"""Docstrings are read from four styles and written in four; nothing is lost between."""

import ast
import inspect
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.processing.augment.docstring_style import change_docstring_style, docstring_literal
from better_ai.data.processing.docstrings import STYLES, Docstring, Entry, Style, parse, render

BY_STYLE: dict[Style, str] = {
    "google": """\
Cut a text.

More prose.

Args:
    text (str): what to cut
    *places: where to cut,
        in bytes

Returns:
    list[str]: the parts

Raises:
    ValueError: for a place outside

Examples:
    >>> cut("ab", 1)
    ['a', 'b']""",
    "numpy": """\
Cut a text.

More prose.

Parameters
----------
text : str
    what to cut
*places
    where to cut,
    in bytes

Returns
-------
list[str]
    the parts

Raises
------
ValueError
    for a place outside

Examples:
    >>> cut("ab", 1)
    ['a', 'b']""",
    "rest": """\
Cut a text.

More prose.

:param text: what to cut
:type text: str
:param *places: where to cut,
    in bytes
:returns: the parts
:rtype: list[str]
:raises ValueError: for a place outside

Examples:
    >>> cut("ab", 1)
    ['a', 'b']""",
    "plain": """\
Cut a text.

More prose.

Parameters:
- text (str): what to cut
- *places: where to cut,
  in bytes

Returns:
- list[str]: the parts

Raises:
- ValueError: for a place outside

Examples:
    >>> cut("ab", 1)
    ['a', 'b']""",
}
EXPECTED = Docstring(
    "Cut a text.\n\nMore prose.",
    (Entry("text", "str", "what to cut"), Entry("*places", "", "where to cut,\nin bytes")),
    Entry(type="list[str]", text="the parts"),
    None,
    (Entry("ValueError", "", "for a place outside"),),
    "Examples:\n    >>> cut(\"ab\", 1)\n    ['a', 'b']",
)


@pytest.mark.parametrize("style", ["google", "rest", "plain"])
def test_each_style_is_read(style: Style) -> None:
    assert parse(BY_STYLE[style]) == (EXPECTED, style)


def test_numpy_sections_end_at_the_next_underline() -> None:
    text = (
        BY_STYLE["numpy"]
        .replace("Examples:\n", "Examples\n--------\n")
        .replace("    >>>", ">>>")
        .replace("    ['a", "['a")
    )
    docstring, style = parse(text)
    assert style == "numpy"
    assert docstring.parameters == EXPECTED.parameters and docstring.raises == EXPECTED.raises
    assert docstring.epilogue == "Examples\n--------\n>>> cut(\"ab\", 1)\n['a', 'b']"


@pytest.mark.parametrize("style", ["google", "rest", "plain"])
def test_each_style_is_written(style: Style) -> None:
    assert render(EXPECTED, style) == BY_STYLE[style]


def test_where_a_style_cannot_say_it_nothing_is_written() -> None:
    assert render(EXPECTED, "numpy") is None, "prose behind a NumPy section would be taken for an exception"


@pytest.mark.parametrize(
    "text",
    [
        "No sections: at all.",
        "Two.\n\nArgs:\n    a: b\n\nProse between.\n\nReturns:\n    c",
        "Parameters\n----------\nx, y : int\n    both",
        "Args:\nnothing indented",
        ":param: no name",
        ":type x: int",
        "Args:\n    one: a\n\nArgs:\n    two: b",
    ],
)
def test_what_is_not_understood_stays_prose(text: str) -> None:
    assert parse(text) == (Docstring(text), None)


WORDS = st.lists(
    st.sampled_from(["a", "value:", "of", "(the)", "`text`", "-", ":", "[x]", "Returns", "*args", "1.", "é"]),
    min_size=1,
    max_size=5,
)
LINES = WORDS.map(" ".join)
TEXTS = st.lists(LINES, min_size=1, max_size=3).map("\n".join)
NAMES = st.sampled_from(["a", "b_c", "*args", "**kwargs", "x1"])
TYPES = st.sampled_from(["", "int", "list[str]", "str, optional", "dict(str, int)"])
ENTRIES = st.builds(Entry, NAMES, TYPES, st.one_of(st.just(""), TEXTS))
RESULTS = st.none() | st.builds(Entry, st.just(""), st.sampled_from(["", "int", "np.ndarray"]), TEXTS)
DOCSTRINGS = st.builds(
    Docstring,
    TEXTS,
    st.lists(ENTRIES, max_size=3, unique_by=lambda entry: entry.name).map(tuple),
    RESULTS,
    RESULTS,
    st.lists(st.builds(Entry, st.sampled_from(["ValueError", "a.B"]), st.just(""), TEXTS), max_size=2).map(tuple),
    st.one_of(st.just(""), TEXTS),
)


@given(docstring=DOCSTRINGS, styles=st.permutations(STYLES))
def test_what_is_written_is_read_back_in_any_chain_of_styles(docstring: Docstring, styles: list[Style]) -> None:
    for style in styles:
        text = render(docstring, style)
        if text is not None:
            again, _ = parse(text)
            assert again == docstring
            assert [entry.name for entry in again.parameters] == [entry.name for entry in docstring.parameters]


@given(text=st.text(alphabet="ab:-() \n*.é", max_size=120))
def test_any_text_is_read(text: str) -> None:
    docstring, style = parse(text)
    assert (style is None) == (not docstring.has_sections)


@given(text=st.text(alphabet="ab\"\\\n '", min_size=1, max_size=40))
def test_a_literal_holds_its_text(text: str) -> None:
    text = "\n".join(line.rstrip() for line in inspect.cleandoc(text).split("\n")).strip("\n")
    if text:
        body = f"def f():\n    {docstring_literal(text, '    ')}\n"
        found = ast.get_docstring(ast.parse(body).body[0])
        assert found is not None and found.rstrip("\n") == text


def test_the_style_of_a_program_changes_and_nothing_else() -> None:
    text = '''class A:
    def cut(self, text, *places):
        r"""Cut a \\d text.

        Args:
            text (str): what to cut
            *places: where
        """
        return text
'''
    written = {change_docstring_style(text, Random(seed)) for seed in range(20)}
    assert len(written) == 3 and None not in written
    for each in written:
        function = ast.parse(each).body[0].body[0]
        docstring, style = parse(ast.get_docstring(function))
        assert style in ("numpy", "rest", "plain") and docstring.prose == "Cut a \\d text."
        assert [entry.name for entry in docstring.parameters] == ["text", "*places"]
