"""Instructions and dialogues made of functions by templates: every answer is the original or computed from it.

An instruction is one exchange: the docstring, turned into a request, and the function. A dialogue has two or more:
what the user asks for next is something the original has and a transformation can take away, so that the answer to the
follow-up is the original (or a transformation of it that is proved to preserve what it does), never an invention.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from random import Random

from better_ai.data.processing.augment.names import rename_one
from better_ai.data.processing.conversations import Draft, exchange, fenced
from better_ai.data.processing.equivalence import parse
from better_ai.data.processing.functions import FunctionText
from better_ai.data.processing.source import FUNCTIONS, Source
from better_ai.data.processing.task_sets.completion import complete
from better_ai.data.processing.task_sets.documentation import without_docstring

_REQUESTS = (
    "Write a Python function `{signature}`. {summary}",
    "I need a Python function `{signature}`: {summary}",
    "Please implement `{signature}` in Python. {summary}",
)
_VAGUE = ("Write a Python function `{name}` for me.", "I need a function called `{name}`.")
_QUESTIONS = (
    "Which parameters should it take, and what should it do with them?",
    "What should `{name}` take, and what is it supposed to do?",
)
_LEAST_WORDS = 4


def instruct(function: FunctionText, random: Random) -> Draft | None:
    """The docstring as a request, the function as the answer."""
    if not _stands_alone(function):
        return None
    request = _request(function, random)
    return Draft(exchange(request, fenced(function.with_imports)), {"function": function.name})


def converse(function: FunctionText, random: Random) -> Draft | None:
    """A dialogue of two exchanges; None where no follow-up can be computed."""
    kinds = _FOLLOW_UPS if _stands_alone(function) else (_completing,)
    for follow_up in random.sample(kinds, len(kinds)):
        messages = follow_up(function, random)
        if messages:
            facts = {"function": function.name, "follow_up": follow_up.__name__.strip("_")}
            return Draft(exchange(*messages), facts)
    return None


def _stands_alone(function: FunctionText) -> bool:
    """Whether the docstring can ask for the function, and the function needs nothing that the user cannot see."""
    docstring = function.docstring
    return (
        not function.is_method
        and not function.missing
        and not function.node.name.startswith("__")
        and docstring is not None
        and len(docstring.summary.split()) >= _LEAST_WORDS
    )


def signature(function: FunctionText) -> str:
    """`name(parameters)`, without annotations."""
    bare = parse(f"def f({ast.unparse(function.node.args)}): 0")
    assert bare is not None and isinstance(bare.body[0], FUNCTIONS)
    arguments = bare.body[0].args
    for arg in ast.walk(arguments):
        if isinstance(arg, ast.arg):
            arg.annotation = None
    return f"{function.node.name}({ast.unparse(arguments)})"


def _request(function: FunctionText, random: Random) -> str:
    assert function.docstring is not None
    text = random.choice(_REQUESTS).format(signature=signature(function), summary=_sentence(function.docstring.summary))
    return text + _details(function)


def _details(function: FunctionText) -> str:
    """What the docstring says of parameters, results and exceptions."""
    docstring = function.docstring
    assert docstring is not None
    lines = [f"- `{entry.name}`: {_sentence(_line(entry.text))}" for entry in docstring.parameters if entry.text]
    if docstring.returns and docstring.returns.text:
        lines.append(f"- It returns {_line(docstring.returns.text)}")
    lines += [f"- It raises `{entry.name}`: {_sentence(_line(entry.text))}" for entry in docstring.raises if entry.text]
    return "\n\n" + "\n".join(lines) if lines else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _clarifying(function: FunctionText, random: Random) -> tuple[str, ...]:
    """The request names the function only; asked back, the user says the rest."""
    assert function.docstring is not None
    name = function.node.name
    told = f"`{signature(function)}`. {_sentence(function.docstring.summary)}{_details(function)}"
    vague, question = random.choice(_VAGUE).format(name=name), random.choice(_QUESTIONS).format(name=name)
    return vague, question, told, fenced(function.with_imports)


def _documenting(function: FunctionText, random: Random) -> tuple[str, ...] | None:
    """First without docstring, then with it."""
    plain = without_docstring(function)
    if plain is None:
        return None
    ask = random.choice(("Now add a docstring.", "Please document it with a docstring."))
    return _request(function, random), _answer(function, plain), ask, fenced(function.with_imports)


def _completing(function: FunctionText, random: Random) -> tuple[str, ...] | None:
    """First the rest of the function, which has no docstring yet, then the docstring."""
    plain = without_docstring(function)
    if plain is None or function.docstring is None or len(function.docstring.summary.split()) < _LEAST_WORDS:
        return None
    completed = complete(replace(function, source=Source(plain)), random)
    if completed is None:
        return None
    ask = random.choice(("Now add a docstring to the whole function.", "Show me the whole function with a docstring."))
    return *(message.content for message in completed.messages), ask, fenced(function.with_imports)


def _typing(function: FunctionText, random: Random) -> tuple[str, ...] | None:
    """First without annotations, then with all that the original has."""
    source, node = function.source, function.node
    arguments = [arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
    if not arguments or not all(arg.annotation for arg in arguments) or node.returns is None:
        return None
    edits = []
    for arg in arguments:
        start, stop = source.span(arg)
        edits.append((start, stop, arg.arg))
    header = source.span(node.returns)[1]
    arrow = source.data.rfind(b"->", 0, source.span(node.returns)[0])
    close = source.data.rfind(b")", 0, arrow) + 1
    edits.append((close, header, ""))
    plain = source.edited(edits)
    if parse(plain) is None or function.node.type_comment:
        return None
    ask = random.choice(("Now add type hints.", "Please annotate the parameters and the result."))
    return _request(function, random), _answer(function, plain), ask, fenced(function.with_imports)


def _guarding(function: FunctionText, random: Random) -> tuple[str, ...] | None:
    """First without the checks at the beginning that raise, then with them."""
    guards: list[ast.If] = []
    for statement in function.statements[:-1]:
        if not isinstance(statement, ast.If) or not _is_guard(statement):
            break
        guards.append(statement)
    if not guards:
        return None
    source = function.source
    last = guards[-1].end_lineno
    assert last is not None
    plain = source.edited([(source.line_start(guards[0].lineno), source.line_start(last + 1), "")])
    if parse(plain) is None:
        return None
    checks = [f"`{_exception(guard)}` if `{_line(ast.unparse(guard.test))}`" for guard in guards]
    ask = f"It should check its arguments: raise {' and '.join(checks)}."
    return _request(function, random), _answer(function, plain), ask, fenced(function.with_imports)


def _is_guard(statement: ast.If) -> bool:
    return (
        not statement.orelse
        and len(statement.body) == 1
        and isinstance(statement.body[0], ast.Raise)
        and statement.body[0].exc is not None
        and len(ast.unparse(statement.test)) < 80
    )


def _exception(guard: ast.If) -> str:
    assert isinstance(guard.body[0], ast.Raise) and guard.body[0].exc is not None
    raised = guard.body[0].exc
    return ast.unparse(raised.func if isinstance(raised, ast.Call) else raised)


def _testing(function: FunctionText, random: Random) -> tuple[str, ...] | None:
    """The function, then assertions made of the examples in its docstring."""
    if not function.examples:
        return None
    ask = random.choice(("Now write tests for it.", "How can I test that? Use plain assertions."))
    return _request(function, random), fenced(function.with_imports), ask, fenced(function.examples)


def _renaming(function: FunctionText, random: Random) -> tuple[str, ...] | None:
    """The function, then the same with one variable renamed; the compiler proves that nothing else changed."""
    renamed = rename_one(function.text, random)
    if renamed is None:
        return None
    text, old, new = renamed
    ask = f"Rename the variable `{old}` to `{new}`."
    answer = fenced(function.below_imports(text))
    return _request(function, random), fenced(function.with_imports), ask, answer


def _answer(function: FunctionText, text: str) -> str:
    return fenced(function.below_imports(text))


_FOLLOW_UPS: tuple[Callable[[FunctionText, Random], tuple[str, ...] | None], ...] = (
    _clarifying,
    _documenting,
    _typing,
    _guarding,
    _testing,
    _renaming,
    _completing,
)
