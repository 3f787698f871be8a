"""One file of a tree of source code as a document."""

from collections.abc import Mapping
from typing import Any

from better_ai.data.collectors.evidence import Evidence, nearest, tagged_license
from better_ai.data.collectors.rows import Origin
from better_ai.data.collectors.selection import Selection
from better_ai.data.collectors.text import decode_text


def source_document(
    raw: bytes, path: str, *, selection: Selection, licenses: Mapping[str, Evidence], origin: Origin, **more: Any
) -> list[dict[str, Any]]:
    """The document of a file, none if the selection is not about its language. Raises Unreadable.

    The licence is that of the file's own SPDX tag, else that of the nearest folder in `licenses`.
    """
    language = selection.language(path, raw)
    if language is None:
        return []
    text, encoding = decode_text(raw, language=language)
    if encoding != "utf-8":
        more["encoding"] = encoding
    license, evidence = tagged_license(raw) or nearest(path, licenses)
    more |= {"license": license, "license_evidence": "; ".join(evidence)}
    return [origin.document(text, path=path, language=language, raw=raw, **more)]
