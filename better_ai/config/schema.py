"""The base of every configuration: frozen, typed, and strict about unknown keys.

A configuration class does no I/O and imports nothing heavy. Its defaults are the tested setting.
"""

import difflib
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from better_ai.errors import ConfigError

IDENTITY = {"identity": True}
"""The serialisation context in which a configuration leaves out what has no bearing on results."""


class Config(BaseModel):
    """A frozen pydantic model that refuses unknown keys and says which known key was probably meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    without_bearing: ClassVar[tuple[str, ...]] = ()
    """Fields that change nothing of the results, such as who does the work."""

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        if info.context == IDENTITY:
            for name in self.without_bearing:
                values.pop(name, None)
        return values

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for key in values:
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {key!r}{did_you_mean(str(key), cls.model_fields)}")
        return values

    def identity(self) -> dict[str, Any]:
        """The plain values that determine results: all but the fields without bearing, here and further in."""
        return self.model_dump(mode="json", context=IDENTITY)

    @classmethod
    def parse(cls, values: Any, *, where: str) -> Self:
        """Validate plain data. Raises ConfigError, one line per problem, each naming its key under `where`."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError("; ".join(_explain(problem, where) for problem in error.errors())) from None


def did_you_mean(word: str, known: Any) -> str:
    """A hint to append to "unknown ..." messages: the closest known word, or all of them when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


def _explain(problem: Any, where: str) -> str:
    path = ".".join([where, *(str(part) for part in problem["loc"])])
    message = problem["msg"].removeprefix("Value error, ")
    given = problem.get("input")
    shown = f" (found {given!r})" if isinstance(given, (str, int, float, bool)) and "found" not in message else ""
    return f"{path}: {message}{shown}"
