"""From the bytes of a web page to its text: packing, character set, media type."""

import zlib

from better_ai.data.collectors.rows import Unreadable
from better_ai.data.html import html_to_text, page_title
from better_ai.extras import import_extra


def page_text(payload: bytes, media: str, charset: str | None, *, main_content: bool) -> tuple[str, str]:
    """Title and text of a page. Raises Unreadable when it is neither HTML nor plain text."""
    if b"\0" in payload[:1024] and not payload.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("binary content", payload)
    text = decode_page(payload, charset)
    if media in ("text/html", "application/xhtml+xml") or (not media and "<html" in text[:1024].lower()):
        return page_title(text), html_to_text(text, main_content=main_content)
    if media in ("text/plain", "text/markdown"):
        return "", text.replace("\r\n", "\n").strip()
    raise Unreadable(f"media type {media[:80]!r}, expected HTML or plain text", payload)


def decode_page(payload: bytes, charset: str | None) -> str:
    """Text of a page as a browser reads it: byte order mark, declared character set, else what the bytes look like."""
    encoding = import_extra("resiliparse.parse.encoding", "data")
    known = encoding.map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    known = known or encoding.detect_encoding(payload[:131_072], from_html_meta=True) or "utf-8"
    return str(encoding.bytes_to_str(payload, known, errors="replace"))


def unpack(packed: bytes, encoding: str, max_bytes: int) -> bytes:
    """Content behind gzip or deflate. Raises Unreadable above `max_bytes`, when damaged, or for other encodings."""
    if encoding in ("", "identity"):
        return packed
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Unreadable(f"content encoding {encoding[:40]!r}, expected gzip or deflate", packed)
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        stream = zlib.decompressobj(window)
        try:
            content = stream.decompress(packed, max_bytes + 1)
        except zlib.error:
            continue
        if len(content) > max_bytes:
            raise Unreadable(f"unpacks to more than {max_bytes} bytes", packed)
        if not stream.eof:
            raise Unreadable(f"{encoding} content is cut off", packed)
        return content
    raise Unreadable(f"damaged {encoding} content", packed)


def media_type(value: str) -> tuple[str, str | None]:
    """Media type and character set of a Content-Type."""
    media, *parameters = value.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    charset = next((text.strip().strip("\"'")[:40] for name, _, text in pairs if name.strip().lower() == "charset"), "")
    return media.strip().lower(), charset or None
