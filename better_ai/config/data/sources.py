"""Sources on this machine."""

from typing import Annotated, Literal

from pydantic import Field

from better_ai.config.schema import Config


class StdlibSource(Config):
    """The Python standard library of the running interpreter."""

    type: Literal["stdlib"] = "stdlib"
    include_tests: bool = False


class FolderSource(Config):
    """Every Python file below a folder, with the licence its owner names."""

    type: Literal["folder"] = "folder"
    path: str
    license: str = "unknown"
    """SPDX identifier of the files' licence; documents whose licence is not allowed are rejected."""


LocalSource = Annotated[StdlibSource | FolderSource, Field(discriminator="type")]
