"""The languages documents are written in: one table of names, file names, interpreters and comments.

`language_of` names a file's language by its name, then by its `#!` line; it looks at the content only to tell apart
the languages that share an extension. Left out: guessing from the content alone, which needs a model (the language
step can ask one).
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

UNKNOWN = "unknown"

Kind = Literal["code", "markup", "data", "prose"]


@dataclass(frozen=True)
class Language:
    """A language and how its files are recognised."""

    name: str
    """As it stands in the column `language`: lower case."""
    kind: Kind
    """code: programs. markup: documents with tags or styles. data: values. prose: natural language."""
    extensions: tuple[str, ...] = ()
    """With the dot, lower case. The first is the usual one."""
    file_names: tuple[str, ...] = ()
    """Whole file names, lower case."""
    interpreters: tuple[str, ...] = ()
    """Names on a `#!` line, without version numbers."""
    line_comments: tuple[str, ...] = ()
    """What starts a comment that ends with the line."""
    block_comments: tuple[tuple[str, str], ...] = ()
    """What opens and closes a comment of many lines."""


_SLASHES = ("//",)
_HASH = ("#",)
_STARS = (("/*", "*/"),)
_ANGLES = (("<!--", "-->"),)

LANGUAGES: tuple[Language, ...] = (
    Language("python", "code", (".py", ".pyi", ".pyw"), ("sconstruct", "sconscript", "wscript"),
             ("python", "pypy", "python3", "python2"), _HASH),
    Language("cython", "code", (".pyx", ".pxd", ".pxi"), (), (), _HASH),
    Language("jupyter", "data", (".ipynb",)),
    Language("javascript", "code", (".js", ".mjs", ".cjs", ".jsx"), ("jakefile",), ("node", "nodejs", "bun"),
             _SLASHES, _STARS),
    Language("typescript", "code", (".ts", ".mts", ".cts"), (), ("deno", "ts-node", "tsx"), _SLASHES, _STARS),
    Language("tsx", "code", (".tsx",), (), (), _SLASHES, _STARS),
    Language("java", "code", (".java",), (), (), _SLASHES, _STARS),
    Language("c", "code", (".c", ".h"), (), ("tcc",), _SLASHES, _STARS),
    Language("c++", "code", (".cpp", ".cc", ".cxx", ".c++", ".hpp", ".hh", ".hxx", ".h++", ".ipp", ".inl", ".tpp"),
             (), (), _SLASHES, _STARS),
    Language("cuda", "code", (".cu", ".cuh"), (), (), _SLASHES, _STARS),
    Language("c#", "code", (".cs", ".csx"), (), ("dotnet-script",), _SLASHES, _STARS),
    Language("f#", "code", (".fs", ".fsi", ".fsx"), (), (), _SLASHES, (("(*", "*)"),)),
    Language("go", "code", (".go",), (), (), _SLASHES, _STARS),
    Language("rust", "code", (".rs",), (), ("rust-script",), _SLASHES, _STARS),
    Language("ruby", "code", (".rb", ".rake", ".gemspec"),
             ("rakefile", "gemfile", "vagrantfile", "guardfile", "podfile", "fastfile", "brewfile"),
             ("ruby", "jruby", "rake"), _HASH, (("=begin", "=end"),)),
    Language("php", "code", (".php", ".phtml", ".php5"), (), ("php",), ("//", "#"), _STARS),
    Language("bash", "code", (".sh", ".bash", ".zsh", ".ksh", ".bats"),
             (".bashrc", ".bash_profile", ".profile", ".zshrc", "pkgbuild", "configure"),
             ("sh", "bash", "zsh", "ksh", "dash", "ash", "bats"), _HASH),
    Language("powershell", "code", (".ps1", ".psm1", ".psd1"), (), ("pwsh",), _HASH, (("<#", "#>"),)),
    Language("batch", "code", (".bat", ".cmd"), (), (), ("rem ", "REM ", "::")),
    Language("scala", "code", (".scala", ".sc", ".sbt"), (), ("scala",), _SLASHES, _STARS),
    Language("julia", "code", (".jl",), (), ("julia",), _HASH, (("#=", "=#"),)),
    Language("haskell", "code", (".hs",), (), ("runhaskell", "runghc", "stack"), ("--",), (("{-", "-}"),)),
    Language("kotlin", "code", (".kt", ".kts"), (), ("kotlin",), _SLASHES, _STARS),
    Language("lua", "code", (".lua",), (), ("lua", "luajit"), ("--",), (("--[[", "]]"),)),
    Language("swift", "code", (".swift",), (), ("swift",), _SLASHES, _STARS),
    Language("dart", "code", (".dart",), (), ("dart",), _SLASHES, _STARS),
    Language("r", "code", (".r",), (".rprofile",), ("rscript",), _HASH),
    Language("perl", "code", (".pl", ".pm", ".t"), ("cpanfile",), ("perl",), _HASH, (("=pod", "=cut"),)),
    Language("raku", "code", (".raku", ".rakumod", ".p6"), (), ("raku", "perl6"), _HASH),
    Language("objective-c", "code", (".m", ".mm"), (), (), _SLASHES, _STARS),
    Language("matlab", "code", (".mlx",), (), ("octave",), ("%",), (("%{", "%}"),)),
    Language("elixir", "code", (".ex", ".exs"), ("mix.lock",), ("elixir",), _HASH),
    Language("erlang", "code", (".erl", ".hrl"), ("rebar.config",), ("escript",), ("%",)),
    Language("clojure", "code", (".clj", ".cljs", ".cljc", ".edn"), (), ("clojure", "bb"), (";",)),
    Language("common lisp", "code", (".lisp", ".lsp", ".asd", ".cl"), (), ("sbcl", "clisp"), (";",), (("#|", "|#"),)),
    Language("emacs lisp", "code", (".el",), (".emacs",), (), (";",)),
    Language("scheme", "code", (".scm", ".ss", ".sld"), (), ("guile", "chicken"), (";",), (("#|", "|#"),)),
    Language("racket", "code", (".rkt",), (), ("racket",), (";",), (("#|", "|#"),)),
    Language("ocaml", "code", (".ml", ".mli"), (), ("ocaml",), (), (("(*", "*)"),)),
    Language("nim", "code", (".nim", ".nims"), (), ("nim",), _HASH, (("#[", "]#"),)),
    Language("zig", "code", (".zig",), (), ("zig",), _SLASHES),
    Language("d", "code", (".d", ".di"), (), ("rdmd",), _SLASHES, (*_STARS, ("/+", "+/"))),
    Language("crystal", "code", (".cr",), (), ("crystal",), _HASH),
    Language("groovy", "code", (".groovy", ".gradle"), ("jenkinsfile",), ("groovy",), _SLASHES, _STARS),
    Language("fortran", "code", (".f90", ".f95", ".f03", ".f08", ".f", ".for"), (), (), ("!",)),
    Language("pascal", "code", (".pas", ".pp", ".dpr"), (), (), _SLASHES, (("{", "}"), ("(*", "*)"))),
    Language("ada", "code", (".adb", ".ads"), (), (), ("--",)),
    Language("cobol", "code", (".cob", ".cbl", ".cpy"), (), (), ("*>",)),
    Language("visual basic", "code", (".vb", ".vbs", ".bas"), (), (), ("'",)),
    Language("assembly", "code", (".s", ".asm", ".nasm"), (), (), (";", "#", "//"), _STARS),
    Language("webassembly", "code", (".wat", ".wast"), (), (), (";;",), (("(;", ";)"),)),
    Language("verilog", "code", (".v", ".vh", ".sv", ".svh"), (), (), _SLASHES, _STARS),
    Language("vhdl", "code", (".vhd", ".vhdl"), (), (), ("--",)),
    Language("coq", "code", (), (), (), (), (("(*", "*)"),)),
    Language("opencl", "code", (), (), (), _SLASHES, _STARS),
    Language("prolog", "code", (".prolog", ".pro"), (), ("swipl",), ("%",), _STARS),
    Language("tcl", "code", (".tcl", ".tk"), (), ("tclsh", "wish"), _HASH),
    Language("awk", "code", (".awk",), (), ("awk", "gawk", "mawk"), _HASH),
    Language("vim script", "code", (".vim",), (".vimrc", "_vimrc"), (), ('"',)),
    Language("solidity", "code", (".sol",), (), (), _SLASHES, _STARS),
    Language("glsl", "code", (".glsl", ".vert", ".frag", ".comp", ".geom"), (), (), _SLASHES, _STARS),
    Language("hlsl", "code", (".hlsl", ".fx"), (), (), _SLASHES, _STARS),
    Language("sql", "code", (".sql", ".ddl", ".dml"), (), ("sqlite3", "psql"), ("--",), _STARS),
    Language("graphql", "code", (".graphql", ".gql"), (), (), _HASH),
    Language("protobuf", "code", (".proto",), (), (), _SLASHES, _STARS),
    Language("thrift", "code", (".thrift",), (), (), ("//", "#"), _STARS),
    Language("makefile", "code", (".mk", ".mak"), ("makefile", "gnumakefile", "bsdmakefile", "kbuild"), ("make",),
             _HASH),
    Language("cmake", "code", (".cmake",), ("cmakelists.txt",), ("cmake",), _HASH, (("#[[", "]]"),)),
    Language("dockerfile", "code", (".dockerfile",), ("dockerfile", "containerfile"), (), _HASH),
    Language("starlark", "code", (".bzl", ".star"), ("build.bazel", "workspace", "module.bazel"), (), _HASH),
    Language("nix", "code", (".nix",), (), ("nix-shell",), _HASH, _STARS),
    Language("hcl", "code", (".tf", ".hcl", ".tfvars"), (), (), ("#", "//"), _STARS),
    Language("meson", "code", (), ("meson.build", "meson_options.txt", "meson.options"), (), _HASH),
    Language("html", "markup", (".html", ".htm", ".xhtml"), (), (), (), _ANGLES),
    Language("vue", "markup", (".vue",), (), (), (), _ANGLES),
    Language("svelte", "markup", (".svelte",), (), (), (), _ANGLES),
    Language("css", "markup", (".css",), (), (), (), _STARS),
    Language("scss", "markup", (".scss", ".sass"), (), (), _SLASHES, _STARS),
    Language("less", "markup", (".less",), (), (), _SLASHES, _STARS),
    Language("xml", "markup", (".xml", ".xsd", ".xsl", ".xslt", ".svg", ".plist", ".csproj", ".resx", ".rng"),
             ("pom.xml",), (), (), _ANGLES),
    Language("tex", "markup", (".tex", ".sty", ".ltx", ".bib"), (), (), ("%",)),
    Language("json", "data", (".json", ".geojson", ".webmanifest"), ("composer.lock", ".babelrc", ".eslintrc")),
    Language("jsonl", "data", (".jsonl", ".ndjson")),
    Language("yaml", "data", (".yaml", ".yml"), (".clang-format", ".clang-tidy"), (), _HASH),
    Language("toml", "data", (".toml",), ("pipfile", "cargo.lock", "poetry.lock"), (), _HASH),
    Language("ini", "data", (".ini", ".cfg", ".conf", ".properties", ".editorconfig"), (".gitconfig", ".npmrc"), (),
             ("#", ";")),
    Language("csv", "data", (".csv", ".tsv")),
    Language("diff", "data", (".diff", ".patch")),
    Language("markdown", "prose", (".md", ".markdown", ".mdx", ".mkd"), (), (), (), _ANGLES),
    Language("restructuredtext", "prose", (".rst", ".rest"), (), (), ("..",)),
    Language("asciidoc", "prose", (".adoc", ".asciidoc"), (), (), _SLASHES),
    Language("org", "prose", (".org",), (), (), ("# ",)),
    Language("roff", "prose", (".roff", ".man", ".mdoc", *(f".{number}" for number in range(1, 10))), (), (),
             ('.\\"',)),
    Language("text", "prose", (".txt", ".text"),
             ("readme", "license", "licence", "copying", "notice", "authors", "contributors", "changelog", "changes",
              "news", "todo", "install")),
)  # fmt: skip

BY_NAME = {language.name: language for language in LANGUAGES}
assert len(BY_NAME) == len(LANGUAGES)

_BY_EXTENSION = {extension: language.name for language in LANGUAGES for extension in language.extensions}
_BY_FILE_NAME = {name: language.name for language in LANGUAGES for name in language.file_names}
_BY_INTERPRETER = {name: language.name for language in LANGUAGES for name in language.interpreters}

_STEMS = {name: language for name, language in _BY_FILE_NAME.items() if language in ("text", "makefile", "dockerfile")}

_SHEBANG = re.compile(rb"#![ \t]*([^\n]{1,200})")
_VERSION = re.compile(r"[\d.]+$")

_ROFF_LINE = re.compile(rb"^[.'](?:\\\"|[A-Z]{2}|Dd |so )", re.M)

_SHARED_EXTENSIONS: dict[str, tuple[tuple[str, re.Pattern[bytes]], ...]] = {
    ".h": (
        ("objective-c", re.compile(rb"^[ \t]*(?:@interface|@protocol|@class|#import)\b", re.M)),
        ("c++", re.compile(rb"^[ \t]*(?:class|namespace|template|using|public:|private:)\s|\bstd::", re.M)),
    ),
    ".m": (
        ("objective-c", re.compile(rb"^[ \t]*(?:@interface|@implementation|@import|#import|#include|//)", re.M)),
        ("matlab", re.compile(rb"^[ \t]*(?:%|function\b|classdef\b|end\b|disp\b|clear\b|close all)", re.M)),
    ),
    ".ts": (("xml", re.compile(rb"\A\s*<(?:\?xml|!DOCTYPE TS)")),),
    ".pl": (("prolog", re.compile(rb"^:-|^[a-z]\w*\([^)]*\)[ \t]*:-", re.M)),),
    ".v": (("coq", re.compile(rb"^[ \t]*(?:Require|Theorem|Lemma|Proof|Inductive|Definition)\b", re.M)),),
    ".cl": (("opencl", re.compile(rb"\b__kernel\b|\bkernel\s+void\b")),),
    ".d": (("makefile", re.compile(rb"\A\S+\.l?o\s*:")),),
    **{f".{number}": (("roff", _ROFF_LINE), (UNKNOWN, re.compile(rb""))) for number in range(1, 10)},
}  # fmt: skip
"""Extension -> the languages it may also stand for, each with what shows it in the head of a file; first match wins,
and the table above decides when none does."""


def language_of(path: str, head: bytes) -> str:
    """The name of the language of a file, or "unknown". `path`: with slashes; `head`: the first kilobytes."""
    name = PurePosixPath(path).name.lower()
    if name in _BY_FILE_NAME:
        return _BY_FILE_NAME[name]
    extension = PurePosixPath(name).suffix
    for language, shown_by in _SHARED_EXTENSIONS.get(extension, ()):
        if shown_by.search(head):
            return language
    return _BY_EXTENSION.get(extension) or _by_shebang(head) or _by_stem(name) or UNKNOWN


def _by_shebang(head: bytes) -> str | None:
    """`#!/usr/bin/env -S python3.11 -u` -> python."""
    match = _SHEBANG.match(head)
    words = match.group(1).decode("utf-8", "replace").split() if match else []
    program, *arguments = words or [""]
    name = PurePosixPath(program).name
    if name == "env":
        name = next(
            (PurePosixPath(word).name for word in arguments if not word.startswith("-") and "=" not in word), ""
        )
    return _BY_INTERPRETER.get(name.lower()) or _BY_INTERPRETER.get(_VERSION.sub("", name.lower()))


def _by_stem(name: str) -> str | None:
    """`Dockerfile.dev`, `Makefile.in`, `LICENSE-MIT`: well-known names with something added."""
    return _STEMS.get(re.split(r"[.\-_]", name, maxsplit=1)[0])
