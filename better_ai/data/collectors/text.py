"""From bytes to text, and out of gzip within bounds.

The charset policy: a byte order mark decides (UTF-8, UTF-16 or UTF-32; it goes); then, for Python, the coding cookie
of PEP 263, and for HTML the `<meta charset>`; then UTF-8. Nothing is guessed from statistics, since a wrong guess
looks right.
"""

import codecs
import io
import re
import tokenize
import zlib

from better_ai.data.collectors.rows import Unreadable

MAX_RATIO = 200
"""Text rarely shrinks to a twentieth; what unpacks to more than this many times its size is no text."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 before UTF-16, whose little-endian mark it starts with."""
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{2,40})", re.IGNORECASE)
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=]")


def decode_text(content: bytes, *, language: str = "text") -> tuple[str, str]:
    """The text of a file and the encoding it was in. Raises Unreadable, with the bytes."""
    marked = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    declared = _DECLARED[language](content) if language in _DECLARED and not marked else None
    encoding = marked or declared or "utf-8"
    try:
        return content.decode(encoding).removeprefix("\ufeff"), encoding
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding == "utf-8" else encoding
        raise Unreadable(f"not {name} at byte {error.start}", content) from None
    except (ValueError, LookupError) as error:
        raise Unreadable(f"cannot be decoded as {encoding}: {error}", content) from None


def gunzip(packed: bytes, max_bytes: int) -> bytes:
    """What a gzip file of one or more members holds. Raises Unreadable if that is too much, truncated or damaged."""
    limit = min(max_bytes, MAX_RATIO * len(packed))
    text = bytearray()
    rest = packed
    try:
        while rest:
            member = zlib.decompressobj(wbits=31)
            text += member.decompress(rest, limit + 1 - len(text))
            if len(text) > limit:
                too_much = f"{max_bytes}" if limit == max_bytes else f"{MAX_RATIO} times its {len(packed)} packed bytes"
                raise Unreadable(f"unpacks to more than {too_much}", packed)
            if not member.eof:
                raise Unreadable(f"gzip ends early, after {len(text)} unpacked bytes", packed)
            rest = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise Unreadable(f"damaged gzip ({error})", packed) from None
    return bytes(text)


def _cookie(content: bytes) -> str | None:
    """The encoding that one of the first two lines declares. Raises Unreadable for one that is not known."""
    lines = content[:1000].split(b"\n", 2)[:2]
    if not any(_COOKIE.match(line) for line in lines):
        return None
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content[:1000]).readline)
        return encoding
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            raise Unreadable(f"declares an {error}", content) from None
        return None


def _meta_charset(content: bytes) -> str | None:
    """What an HTML page declares in its head; as in the HTML standard, Latin-1 stands for windows-1252."""
    found = _META.search(content[:2048])
    if found is None:
        return None
    name = found[1].decode("ascii").lower()
    try:
        encoding = codecs.lookup(name).name
    except LookupError:
        raise Unreadable(f"declares an unknown charset {name}", content) from None
    return "cp1252" if encoding in ("iso8859-1", "ascii") else None if encoding.startswith("utf-16") else encoding


_DECLARED = {"python": _cookie, "html": _meta_charset}
"""Language -> how its files name their encoding."""
