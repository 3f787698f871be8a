"""Text of unknown origin, such as names of files and documents, made fit for a terminal."""

from rich.markup import escape

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
"""Control characters (C0, DEL, C1) in the notation of Python: a terminal would obey them."""


def plain(text: object) -> str:
    """The text on one line, as it may stand in what Rich prints: nothing in it is markup or moves the cursor."""
    return escape(harmless(str(text)).replace("\n", "\\n").replace("\t", "\\t"))


def harmless(text: str) -> str:
    """The text with its lines and tabs, and other control characters written out."""
    return text.translate(_CONTROLS)
