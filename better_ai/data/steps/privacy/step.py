"""The step that finds secrets and personal data, and masks them, turns their documents away, or leaves them.

The tags say where what stands. Nothing that was found is ever written into a tag, a reason or the metadata: kinds,
places and counts only.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

import pyarrow as pa

from better_ai.config.data import PrivacyConfig
from better_ai.config.data.privacy import PersonalKind, Policy, SecretKind
from better_ai.data.schema import document_id
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns
from better_ai.data.steps.anchors import ascii_view
from better_ai.data.steps.privacy.pii import find_personal
from better_ai.data.steps.privacy.secrets import find_secrets
from better_ai.data.steps.privacy.spans import Span, mask, resolve
from better_ai.extras import import_extra

SECRET_KINDS = frozenset(get_args(SecretKind))
SPAN = pa.struct(
    [
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("kind", pa.string()),
        pa.field("confidence", pa.float64()),
    ]
)
TAGS = pa.schema([pa.field("spans", pa.list_(SPAN))])
"""`spans`: in characters of the content, in order, none overlapping."""

_NAMED_IN_REASON = 5


def find_private(text: str) -> list[Span]:
    """Secrets and personal data in a text, in order of place, none overlapping."""
    plain = _without_escapes(text)
    view = ascii_view(plain)
    return resolve(text, [*find_secrets(view), *find_personal(plain, view)])


def _without_escapes(text: str) -> str:
    """The text with blanks for the escapes of line ends and quotes, so that words begin where they seem to begin."""
    if "\\" not in text:
        return text
    for escape in (r"\n", r"\r", r"\t"):
        text = text.replace(escape, "\\ ")
    return text.replace(r"\"", ' "')


def privacy(config: PrivacyConfig) -> Step:
    """Tag documents with their secrets and personal data, and do with each kind what the policy says.

    A masked document gets the id of its new content, and counts by kind in its metadata under "privacy". Raises
    UserError when the libraries for telephone numbers and checksums are not installed.
    """
    libraries = {name: import_extra(name, "data").__version__ for name in ("phonenumbers", "stdnum")}
    policies = _policies(config)

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        return _judge(config, policies, batch, tags)

    return Step("privacy", judge, _tag, TAGS, {"version": 1, **libraries})


def _policies(config: PrivacyConfig) -> dict[str, Policy]:
    general = dict.fromkeys(get_args(SecretKind), config.secrets) | dict.fromkeys(
        get_args(PersonalKind), config.personal
    )
    return {**general, **config.exceptions}


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = [[span._asdict() for span in find_private(text)] for text in batch.column("content").to_pylist()]
    return pa.RecordBatch.from_arrays([pa.array(rows, pa.list_(SPAN))], schema=TAGS)


def _judge(
    config: PrivacyConfig, policies: Mapping[str, Policy], batch: pa.RecordBatch, tags: pa.RecordBatch
) -> Stepped:
    contents = batch.column("content").to_pylist()
    ids, metadata = batch.column("id").to_pylist(), batch.column("metadata").to_pylist()
    reasons: list[str | None] = [None] * batch.num_rows
    for row, found in enumerate(tags.column("spans").to_pylist()):
        spans = [Span(**span) for span in found if span["confidence"] >= config.min_confidence]
        reasons[row] = _reason(config, policies, contents[row], spans)
        masked = [span for span in spans if policies[span.kind] == "mask"]
        if masked and reasons[row] is None:
            contents[row] = mask(contents[row], masked)
            ids[row] = document_id(contents[row].encode())
            counts = Counter(span.kind for span in masked)
            metadata[row] = json.dumps(
                {**json.loads(metadata[row]), "privacy": counts}, sort_keys=True, ensure_ascii=False
            )
    edited = {"id": ids, "content": contents, "metadata": metadata}
    columns = {name: pa.array(values, pa.string()) for name, values in edited.items()}
    # A rejected document keeps its id and content, so that the reject log names what was collected.
    return reject_rows(replace_columns(batch, columns), "privacy", reasons)


def _reason(config: PrivacyConfig, policies: Mapping[str, Policy], text: str, spans: Sequence[Span]) -> str | None:
    """Why a document is turned away, in kinds and places; None if it is not."""
    refused = [span for span in spans if policies[span.kind] == "reject"]
    if refused:
        named = ", ".join(f"{span.kind} at {span.start}-{span.end}" for span in refused[:_NAMED_IN_REASON])
        more = len(refused) - _NAMED_IN_REASON
        return f"holds {named}" + (f" and {more} more" if more > 0 else "")
    different = {(span.kind, text[span.start : span.end]) for span in spans if policies[span.kind] == "mask"}
    secrets = sum(kind in SECRET_KINDS for kind, _ in different)
    personal = len(different) - secrets
    if secrets > config.max_secrets:
        return f"holds {secrets} different secrets, more than {config.max_secrets}"
    if personal > config.max_personal:
        return f"holds {personal} different pieces of personal data, more than {config.max_personal}"
    return None
