"""The normal form in which equal documents are equal: white space that no reader sees is gone."""

_BLANKS = b" \t\f\v"
_PIECE_BYTES = 1 << 20


def normalized(text: bytes) -> bytes:
    """The text without white space at the ends of lines and blank lines at its own ends; every line end is `\\n`."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b" \n" in text or b"\t\n" in text or b"\f\n" in text or b"\v\n" in text:
        text = _strip_lines(text)
    return text.rstrip(_BLANKS + b"\n").lstrip(b"\n")


def _strip_lines(text: bytes) -> bytes:
    """Strip the ends of lines, some at a time: millions of short lines are not millions of objects at once."""
    pieces, start = [], 0
    while start < len(text):
        stop = text.find(b"\n", start + _PIECE_BYTES) + 1 or len(text)
        pieces.append(b"\n".join([line.rstrip(_BLANKS) for line in text[start:stop].split(b"\n")]))
        start = stop
    return b"".join(pieces)
