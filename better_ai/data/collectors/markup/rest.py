"""reStructuredText to text, by docutils, with all that reads files or passes raw markup switched off.

Directives and roles of Sphinx are read for what they hold: a described object as its signature and description, code as
code, a reference as its words. What only makes sense with other files (toctree, include, autodoc) goes, and so do
directives known to neither docutils nor this file.
"""

import re
from functools import cache
from typing import Any

from better_ai.data.html import html_to_text
from better_ai.extras import import_extra


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CODE = _words("""
    code code-block sourcecode doctest testcode testoutput ipython prompt parsed-literal-block productionlist
    highlight-block console jupyter-execute plot
""")
HELD = _words("""
    seealso versionadded versionchanged deprecated versionremoved deprecated-removed centered hlist glossary todo
    details dropdown tab tabs tab-set tab-item grid card only impl-detail availability collapse
""")
DROPPED = _words("""
    toctree index highlight currentmodule module py:module py:currentmodule tabularcolumns literalinclude automodule
    autoclass autofunction automethod autosummary autodata autoattribute autoexception inheritance-diagram graphviz
    testsetup testcleanup include sectionauthor codeauthor default-domain program
""")
OBJECTS = _words("""
    function class method attribute data exception classmethod staticmethod property decorator decoratormethod
    coroutinefunction coroutinemethod awaitablefunction option cmdoption envvar describe object opcode pdbcommand
    confval type macro var member struct enum enumerator 2to3fixer monitoring-event
""")
_LITERAL = re.compile(r'<span class="docutils literal">(.*?)</span>', re.DOTALL)
_BLOCK = re.compile(r'<pre class="code literal-block" lang="([^"]*)">')
DOMAINS = ("", "py:", "c:", "cpp:", "js:", "std:")
LITERAL_ROLES = _words("""
    func meth class mod attr data exc obj const keyword option envvar program file command samp kbd token type macro
    member opcode regexp makevar mimetype newsgroup dfn c:func c:type c:data c:macro c:member py:func py:meth
    py:class py:mod py:attr py:data py:exc py:obj py:const decorator pdbcmd source cpp:any cpp:func cpp:class
    js:func confval sh
""")
PLAIN_ROLES = _words("""
    ref doc term pep rfc numref download any guilabel menuselection abbr cve cwe issue gh bpo mailheader manpage eq
    user pr ghissue ghpull pull
""")

SETTINGS = {
    "_disable_config": True,
    "doctitle_xform": False,
    "embed_stylesheet": False,
    "file_insertion_enabled": False,
    "halt_level": 5,
    "input_encoding": "unicode",
    "line_length_limit": 20_000,
    "math_output": "LaTeX",
    "output_encoding": "unicode",
    "raw_enabled": False,
    "report_level": 5,
    "stylesheet_path": None,
    "syntax_highlight": "none",
    "toc_backlinks": False,
}


def rest_to_text(source: str) -> str:
    """The text as light Markdown. Raises ValueError when docutils cannot read it, UserError without extra `data`."""
    core = import_extra("docutils.core", "data")
    _register()
    try:
        parts = core.publish_parts(source, writer="html5", settings_overrides=SETTINGS)
    except (Exception, SystemExit) as error:  # docutils has no one error for input that trips it
        raise ValueError(f"docutils cannot read it ({type(error).__name__}: {str(error)[:200]})") from None
    body = _LITERAL.sub(r"<code>\1</code>", _BLOCK.sub(r'<pre class="language-\1">', parts["body"]))
    return html_to_text(body)


@cache
def _register() -> None:
    """Teach docutils the directives and roles of Sphinx, once in a process."""
    rst = import_extra("docutils.parsers.rst", "data")
    nodes = import_extra("docutils.nodes", "data")
    for name in CODE:
        rst.directives.register_directive(name, _code(rst, nodes))
    for name in HELD:
        rst.directives.register_directive(name, _held(rst, nodes))
    for name in DROPPED:
        rst.directives.register_directive(name, _dropped(rst))
    for domain in DOMAINS:
        for name in OBJECTS:
            if domain or name != "class":
                rst.directives.register_directive(f"{domain}{name}", _object(rst, nodes))
    rst.directives.register_directive("class", _object(rst, nodes))
    for name in (*LITERAL_ROLES, *PLAIN_ROLES):
        rst.roles.register_canonical_role(name, _role(nodes.literal if name in LITERAL_ROLES else nodes.inline))


def _directive(rst: Any, run: Any) -> Any:
    """A directive that takes any argument and content; options are dropped."""
    members = {
        "required_arguments": 0,
        "optional_arguments": 1,
        "final_argument_whitespace": True,
        "has_content": True,
        "option_spec": _AnyOption(),
        "run": run,
    }
    return type("Directive", (rst.Directive,), members)


class _AnyOption(dict[str, Any]):
    def __getitem__(self, name: str) -> Any:
        return lambda value: value

    def __bool__(self) -> bool:
        return True


def _code(rst: Any, nodes: Any) -> Any:
    def run(self: Any) -> list[Any]:
        code = "\n".join(self.content)
        language = re.sub(r"[^\w+#.\-]", "", self.arguments[0].split()[0]) if self.arguments else ""
        language = {"pycon3": "pycon", "python3": "python", "default": "", "none": ""}.get(language, language)
        return [nodes.literal_block(code, code, classes=["code", f"language-{language}"] if language else ["code"])]

    return _directive(rst, run)


def _held(rst: Any, nodes: Any) -> Any:
    def run(self: Any) -> list[Any]:
        section = nodes.container()
        title = f"{self.name} {' '.join(self.arguments)}".strip()
        section += nodes.paragraph(title, title)
        self.state.nested_parse(self.content, self.content_offset, section)
        return [section]

    return _directive(rst, run)


def _object(rst: Any, nodes: Any) -> Any:
    def run(self: Any) -> list[Any]:
        section = nodes.container()
        signature = " ".join(self.arguments)
        if signature:
            section += nodes.paragraph("", "", nodes.literal(signature, signature))
        self.state.nested_parse(self.content, self.content_offset, section)
        return [section]

    return _directive(rst, run)


def _dropped(rst: Any) -> Any:
    return _directive(rst, lambda self: [])


def _role(node: Any) -> Any:
    def role(name: str, raw: str, text: str, line: int, inliner: Any, options: Any = None, content: Any = ()) -> Any:
        shown = re.sub(r"\s*<[^<>]*>$", "", text.replace("\0", "")) or text
        shown = shown.lstrip("~!").rsplit(".", 1)[-1] if text.startswith("~") else shown.lstrip("!")
        return [node(raw, shown)], []

    return role
