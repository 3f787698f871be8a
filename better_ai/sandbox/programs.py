"""What a run executes once it is confined: a program, a solution that serves calls, or the tests that make them.

Each function returns an exit status for `os._exit`. Only `run_tests` is trusted: its process holds no line of the
solution, so its status 0 means that the tests ran to their end. `run_shared` holds both, and its status is the
solution's word until controls say otherwise.
"""

import atexit
import builtins
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NoReturn

from better_ai.sandbox.wire import CannotCross, Link, LinkError, decode, encode

PASSED, FAILED, BROKE_OFF, CANNOT_SPLIT = range(4)
_REASON_CHARACTERS = 300
_MUTABLE = (list, dict, set, bytearray)


def run_program(source: str) -> int:
    """What `python main.py` would do, threads and exit handlers included."""
    module = _module("__main__")
    sys.argv = ["main.py"]
    status = 0
    try:
        exec(compile(source, "main.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the jail's purpose
    except SystemExit as leaving:
        status = _exit_status(leaving.code)
    except BaseException as error:
        linecache.cache["main.py"] = (len(source), None, source.splitlines(keepends=True), "main.py")
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls to join the remaining threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _exit_status(code: Any) -> int:
    if code is None or isinstance(code, int):
        return (code or 0) & 255
    print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


def _module(name: str) -> ModuleType:
    sys.modules[name] = module = ModuleType(name)
    return module


# ---- the solution's side of the link


def serve_solution(source: str, link: Link) -> int:
    """Load the solution, say so, then answer calls until the tests hang up."""
    namespace = _module("solution").__dict__
    try:
        exec(compile(source, "solution.py", "exec", dont_inherit=True), namespace)  # noqa: S102 - the jail's purpose
    except BaseException as error:
        link.send({"load": type(error).__name__, "message": _message(error)})
        return FAILED
    link.send({"ready": True})
    while True:
        call = link.receive()
        arguments = [decode(argument) for argument in call["arguments"]]
        keywords = {name: decode(value) for name, value in call["keywords"].items()}
        link.send(_answer(namespace, call["function"], arguments, keywords))


def _answer(namespace: Mapping[str, Any], name: str, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    try:
        if name not in namespace:
            raise NameError(f"the solution defines no {name!r}")
        answer = {"result": encode(namespace[name](*arguments, **keywords))}
    except BaseException as error:
        names = [base.__name__ for base in type(error).__mro__ if base.__module__ == "builtins"]
        answer = {"raised": names[0], "message": _message(error)}
    answer["arguments"] = [encode(value) if type(value) in _MUTABLE else None for value in arguments]
    answer["keywords"] = {name: encode(value) for name, value in keywords.items() if type(value) in _MUTABLE}
    return answer


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_REASON_CHARACTERS]
    except Exception:
        return ""


# ---- the tests' side of the link


class _Names(dict[str, Any]):
    """The namespace of the tests: a name that neither they nor the builtins define is the solution's."""

    def __init__(self, remote: Callable[[str], Callable[..., Any]]) -> None:
        super().__init__(__name__="tests")
        self._remote = remote

    def __missing__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__") or hasattr(builtins, name):
            raise KeyError(name)
        return self._remote(name)


def run_tests(tests: str, entry_point: str, link: Link) -> int:
    """Run the tests against a solution at the other end of the link."""

    def remote(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            try:
                return _call(link, name, arguments, keywords)
            except LinkError as error:  # not raised further: the tests could catch it
                _leave(BROKE_OFF, f"the solution broke off: {error}")
            except CannotCross as error:
                _leave(
                    CANNOT_SPLIT, f"the tests pass {name!r} a value of type {error}, which cannot cross to the solution"
                )

        call.__name__ = call.__qualname__ = name
        return call

    try:
        loaded = link.receive()
    except LinkError as error:
        return _report(BROKE_OFF, f"the solution does not load: {error}")
    if loaded != {"ready": True}:
        return _report(FAILED, f"the solution does not load: {_raised(loaded.get('load'), loaded.get('message'))}")
    return _run_tests_in(_Names(remote), tests, entry_point, remote(entry_point))


def _call(link: Link, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    link.send(
        {
            "function": name,
            "arguments": [encode(value, strict=True) for value in arguments],
            "keywords": {key: encode(value, strict=True) for key, value in keywords.items()},
        }
    )
    answer = link.receive()
    changed, named = answer.get("arguments"), answer.get("keywords")
    if (
        type(changed) is not list
        or len(changed) != len(arguments)
        or type(named) is not dict
        or not named.keys() <= keywords.keys()
    ):
        raise LinkError("malformed answer")
    for value, message in (*zip(arguments, changed, strict=True), *((keywords[key], named[key]) for key in named)):
        _copy_back(value, decode(message))
    if "raised" in answer:
        raise _exception(answer["raised"], answer.get("message"))
    if "result" not in answer:
        raise LinkError("malformed answer")
    return decode(answer["result"])


def _copy_back(value: Any, changed: Any) -> None:
    """Show the tests what the solution did to a mutable argument."""
    if type(value) is not type(changed) or type(value) not in _MUTABLE:
        return
    if type(value) in (list, bytearray):
        value[:] = changed
    else:
        value.clear()
        value.update(changed)


def _exception(name: Any, message: Any) -> Exception:
    """A builtin exception by name; RuntimeError for others and for StopIteration, which would end a loop as if done."""
    kind = getattr(builtins, name, None) if type(name) is str else None
    if (
        isinstance(kind, type)
        and issubclass(kind, Exception)
        and not issubclass(kind, StopIteration | StopAsyncIteration)
    ):
        try:
            return kind(message)
        except TypeError:
            pass
    return RuntimeError(_raised(name, message))


# ---- both in one process


def run_shared(solution: str, tests: str, entry_point: str) -> int:
    """Load the solution and run the tests on it, in this process."""
    namespace = _module("solution").__dict__
    try:
        exec(compile(solution, "solution.py", "exec", dont_inherit=True), namespace)  # noqa: S102 - the jail's purpose
    except BaseException as error:
        return _report(FAILED, f"the solution does not load: {_raised(type(error).__name__, _message(error))}")
    if entry_point not in namespace:
        return _report(FAILED, f"the solution defines no {entry_point!r}")
    names = {**namespace, "__name__": "tests"}
    names.pop("check", None)
    return _run_tests_in(names, tests, entry_point, namespace[entry_point])


def _run_tests_in(names: dict[str, Any], tests: str, entry_point: str, candidate: Callable[..., Any]) -> int:
    """Run the tests' text, then its `check` if it defines one. The text may hold a stub of the entry point."""
    names[entry_point] = candidate
    try:
        exec(compile(tests, "tests.py", "exec", dont_inherit=True), names)  # noqa: S102 - the jail's purpose
        if "check" in names and entry_point != "check":
            names[entry_point] = candidate
            names["check"](candidate)
    except BaseException as error:
        return _report(FAILED, _explain(error, tests.splitlines()))
    return PASSED


def _explain(error: BaseException, lines: list[str]) -> str:
    """One sentence that quotes the line of the tests where it went wrong."""
    line, innermost = "", ""
    for frame in traceback.extract_tb(error.__traceback__):
        innermost = frame.filename
        if frame.filename == "tests.py" and frame.lineno and frame.lineno <= len(lines):
            line = lines[frame.lineno - 1].strip()
    message = _message(error)
    if isinstance(error, AssertionError) and innermost == "tests.py":
        return f"assertion failed: {line}" + (f" ({message})" if message and message not in line else "")
    return f"raised {_raised(type(error).__name__, message)}" + (f" in: {line}" if line else "")


def _raised(name: Any, message: Any) -> str:
    return f"{name}: {message}" if message else str(name)


def _report(status: int, reason: str) -> int:
    """Leave the reason as the only content of the error stream, which is a file in memory."""
    os.ftruncate(2, 0)
    os.pwrite(2, reason[: 2 * _REASON_CHARACTERS].encode("utf-8", "replace"), 0)
    return status


def _leave(status: int, reason: str) -> NoReturn:
    os._exit(_report(status, reason))


def perform(role: str, parts: Mapping[str, str], link: Link | None) -> int:
    """Do what the payload asks for; `link` is there for the two roles that need one."""
    if role == "program":
        return run_program(**parts)
    if role == "shared":
        return run_shared(**parts)
    assert link is not None, f"role {role} talks over a link"
    return run_tests(**parts, link=link) if role == "tests" else serve_solution(**parts, link=link)
