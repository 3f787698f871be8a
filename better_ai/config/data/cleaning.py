"""What is repaired in a document before anything is judged."""

from typing import Literal

from pydantic import Field

from better_ai.config.schema import Config


class CleaningConfig(Config):
    """Every repair is asked for by name; the default changes nothing."""

    encoding: bool = False
    """Prose that was decoded wrongly is repaired where that can be done (extra `data`)."""
    max_replacement_share: float = Field(1.0, ge=0, le=1)
    """Documents with more U+FFFD among their characters are rejected: bytes were lost for good."""
    control_characters: Literal["keep", "remove", "reject"] = "keep"
    """NUL and the other control characters that no source file needs (all but tab, line ends and form feed)."""
    html: bool = False
    """Documents in HTML become text, their code blocks fences (extra `data`)."""
    byte_order_mark: Literal["keep", "remove"] = "keep"
    line_ends: Literal["keep", "lf"] = "keep"
    """lf: CR LF and lone CR become LF."""
    trailing_space: Literal["keep", "remove"] = "keep"
    """White space at the ends of lines of prose; that of code is never touched."""
    final_newline: Literal["keep", "one"] = "keep"
    """one: the document ends with one line end, if it has content."""
