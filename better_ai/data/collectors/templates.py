"""Instructions and dialogues from templates: texts with slots, filled in all ways or in a seeded choice of them.

    slots:
      structure: [stack, queue]
      fact:
        - {ask: the length of a list, code: len(values)}
    templates:
      - name: one-liner
        turns:
          - user: How do I get {fact.ask} in Python?
          - assistant: "Use `{fact.code}`."

A slot's value is a text, or an object whose fields (`{fact.ask}`, `{fact.code}`) go together. `{{` and `}}` are braces.
Nothing in a template is run. Texts that come out equal are kept once.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import yaml

from better_ai.config.data.dumps import TemplatesSource
from better_ai.data.chat import ROLES, Conversation, Message
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.files import check_regular, file_state
from better_ai.data.collectors.rows import Origin, Unreadable, printable
from better_ai.data.collectors.stream import Document, batches, record_document
from better_ai.data.step import Reject, Stepped
from better_ai.data.transcript import write_transcript
from better_ai.errors import UserError

MAX_FILE_BYTES = 4_000_000
MAX_WAYS = 2**62
_SLOT = re.compile(r"\{\{|\}\}|\{(\w+)(?:\.(\w+))?\}")

Value = str | Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """Turns with slots, and the values each slot may take, in the order of the slots' names."""

    name: str
    turns: tuple[tuple[str, str], ...]
    """Role and text."""
    slots: tuple[tuple[str, tuple[Value, ...]], ...]

    @property
    def ways(self) -> int:
        """In how many ways the slots can be filled."""
        return prod(len(values) for _, values in self.slots)

    def fill(self, number: int) -> Conversation:
        """The conversation of one way, from 0."""
        chosen: dict[str, Value] = {}
        for name, values in self.slots:
            number, position = divmod(number, len(values))
            chosen[name] = values[position]
        return Conversation(tuple(Message(role, _filled(text, chosen)) for role, text in self.turns))


@dataclass(frozen=True)
class TemplatesCollector:
    """What one file of templates yields, as a single part."""

    config: TemplatesSource

    def parts(self) -> list[Part]:
        templates = read_templates(self._path)
        ways = min(MAX_WAYS, sum(template.ways for template in templates))
        return [Part("templates-00000", {"ways": ways}, state=file_state(self._path))]

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        yield from batches(self._rows(max_document_bytes))

    @property
    def _path(self) -> Path:
        return Path(self.config.path).expanduser()

    def _rows(self, max_bytes: int) -> Iterator[Document | Reject]:
        license = self.config.license
        origin = Origin(printable(self._path.name), license, f"templates declared as {license} in the configuration")
        templates = read_templates(self._path)
        total = sum(template.ways for template in templates)
        chosen = random.Random(self.config.seed).sample(range(total), min(self.config.count, total))
        seen: set[str] = set()
        for number in sorted(chosen):
            template, way = _locate(templates, number)
            name = f"{template.name}/{way}"
            text = write_transcript(template.fill(way))
            try:
                document = record_document(
                    origin,
                    text,
                    path=name,
                    language="markdown",
                    raw=text.encode(),
                    max_bytes=max_bytes,
                    kind="conversation",
                    synthetic=True,
                    template=template.name,
                )
            except Unreadable as problem:
                yield problem.reject(origin.source(name))
                continue
            if document["id"] in seen:
                yield Unreadable("equal to an earlier one", text.encode()).reject(origin.source(name))
                continue
            seen.add(document["id"])
            yield document


def read_templates(path: Path) -> list[Template]:
    """The templates of a file. Raises UserError that says where it is malformed."""
    try:
        check_regular(path)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{path} has more than {MAX_FILE_BYTES} bytes; split it")
        values = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); give a YAML file of templates") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict) or not isinstance(values.get("templates"), list) or not values["templates"]:
        raise UserError(f"{path} needs a list `templates` and, for their slots, a mapping `slots`")
    slots = _read_slots(values.get("slots") or {}, path)
    templates = [_read_template(entry, number, slots, path) for number, entry in enumerate(values["templates"], 1)]
    if sum(template.ways for template in templates) > MAX_WAYS:
        raise UserError(f"{path} allows more than {MAX_WAYS} conversations; give the templates fewer slots")
    return templates


def _read_slots(values: Any, path: Path) -> dict[str, tuple[Value, ...]]:
    if not isinstance(values, dict):
        raise UserError(f"{path}: `slots` must be a mapping from names to lists of values")
    slots: dict[str, tuple[Value, ...]] = {}
    for name, entries in values.items():
        if not isinstance(entries, list) or not entries:
            raise UserError(f"{path}: slot {name!r} needs a list of values")
        for entry in entries:
            fields = entry.values() if isinstance(entry, dict) else [entry]
            if not all(isinstance(text, str | int | float) for text in fields):
                raise UserError(f"{path}: slot {name!r} holds a value that is neither text nor an object of texts")
        slots[str(name)] = tuple(
            {str(key): str(text) for key, text in entry.items()} if isinstance(entry, dict) else str(entry)
            for entry in entries
        )
    return slots


def _read_template(entry: Any, number: int, slots: dict[str, tuple[Value, ...]], path: Path) -> Template:
    where = f"{path}: template {number}"
    turns = entry.get("turns") if isinstance(entry, dict) else None
    if not isinstance(turns, list) or not turns:
        raise UserError(f"{where} needs a list `turns`")
    read: list[tuple[str, str]] = []
    for turn in turns:
        pairs = list(turn.items()) if isinstance(turn, dict) else []
        if len(pairs) != 1 or pairs[0][0] not in ROLES or not isinstance(pairs[0][1], str):
            raise UserError(f"{where}: a turn is one role ({', '.join(ROLES)}) with its text, found {str(turn)[:80]!r}")
        read.append(pairs[0])
    used: dict[str, None] = {}
    for _, text in read:
        for name, part in ((found[1], found[2]) for found in _SLOT.finditer(text) if found[1]):
            for value in slots.get(name, ()) or (None,):
                known = part in value if isinstance(value, Mapping) else value is not None and part is None
                if not known:
                    raise UserError(f"{where} uses {{{name}{'.' + part if part else ''}}}, which `slots` does not give")
            used[name] = None
    return Template(str(entry.get("name", number)), tuple(read), tuple((name, slots[name]) for name in sorted(used)))


def _filled(text: str, chosen: Mapping[str, Value]) -> str:
    def put(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0][0]
        value = chosen[found[1]]
        return value if isinstance(value, str) else value[found[2]]

    return _SLOT.sub(put, text)


def _locate(templates: list[Template], number: int) -> tuple[Template, int]:
    for template in templates:
        if number < template.ways:
            return template, number
        number -= template.ways
    raise AssertionError("number beyond the last way")
