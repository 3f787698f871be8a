"""What tells a credential from what only looks like one: entropy, checksums, inner structure, placeholders.

Each check takes the bytes of a candidate and returns the confidence from 0 to 1 that it is one; 0 drops it.
"""

import base64
import binascii
import hashlib
import itertools
import json
import math
import re
import zlib
from collections import Counter
from typing import Any

CHECKED = 0.99
"""A checksum or a parsed structure says so."""
SHAPED = 0.9
"""The pattern is one provider's and the content is random."""
UNCHECKED = 0.6
"""The pattern is right but its checksum is not: never issued, or damaged on the way."""
NAMED = 0.7
"""Random, and assigned to a name that says it is secret."""
GUESSED = 0.5

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LEAST_ENTROPY = 2.5
"""Bits per character. Sixteen random letters of base 32 have less once in ten thousand times."""

_PLACEHOLDER = re.compile(
    rb"(?i:example|\*{3}|\.{3}|change.?(?:me|it)|placeholder|redacted|dummy|sample|insert|replace|your|fake|foobar|"
    rb"not.?(?:a.?)?(?:real|secret|valid)|[-_]here|^here|lorem|abcdefgh|12345678|98765432|deadbeef|(.)\1{5})|x{4}|X{4}"
)
_COMMON = re.compile(
    rb"(?:my|the|a|db|test|some|very|super|top|new|old|bad|wrong|user|admin|root|default|null|none|true|false)?[-_.]?"
    rb"(?:p[a4@]s{1,2}(?:w[o0]?r?d|phrase)?|pwd|pw|secret|token|key|user(?:name)?|admin|root|guest|test(?:ing)?|demo|"
    rb"hunter|letmein|qwerty\w*|postgres|mysql|redis|rabbitmq|minio\w*|default|value)[-_.]?(?:word|key|token|"
    rb"\d{0,4}|[!#]+)"
)
_NAME = re.compile(rb"arn:|[a-z]+://|(?i:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\Z")
"""An Amazon resource name, a URL, or a UUID: says where something is, far more often than it opens it."""
_DOCUMENTED = {"0011cc25eb432071", "153a182586451358", "2cafc0970149a84f", "f2d6ca16515033e5"}
"""Keys printed in their providers' manuals, by the start of their SHA-256: Azure's storage emulator, Stripe's."""


def entropy(value: bytes) -> float:
    """Shannon entropy of the bytes of a value, in bits per byte."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


def is_placeholder(value: bytes) -> bool:
    """Whether a value stands for a secret: it says so, counts up, repeats itself, or is printed in a manual."""
    low = value.lower()
    return (
        _PLACEHOLDER.search(value) is not None
        or _COMMON.fullmatch(low) is not None
        or _counts_up(low)
        or hashlib.sha256(value).hexdigest()[:16] in _DOCUMENTED
    )


def is_random(value: bytes) -> float:
    """For patterns of one provider: anything but placeholders and monotonous values."""
    return SHAPED if entropy(value) >= _LEAST_ENTROPY and not is_placeholder(value) else 0.0


def crc32_base62(value: bytes) -> float:
    """Tokens of GitHub and npm end in six base-62 digits: the CRC-32 of what follows the prefix."""
    number, digits = zlib.crc32(value[:-6]), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    if digits.encode() == value[-6:]:
        return CHECKED
    return UNCHECKED if is_random(value) else 0.0


def pypi_macaroon(value: bytes) -> float:
    """What follows `pypi-` is a version 2 macaroon: version, location field with its length, identifier field."""
    data = decode_base64(value)
    if data is None or len(data) < 3 or data[0] != 2 or data[1] != 1:
        return 0.0
    location = data[3 : 3 + data[2]]
    followed = data[3 + data[2] : 4 + data[2]] == b"\x02"
    return CHECKED if location in (b"pypi.org", b"test.pypi.org") and followed else 0.0


def jwt(value: bytes) -> float:
    """A header and a payload that decode to JSON objects, the header naming its algorithm; not the one of jwt.io."""
    header, payload = (_json_object(part) for part in value.split(b".")[:2])
    if header is None or payload is None or not isinstance(header.get("alg"), str):
        return 0.0
    return 0.0 if payload.get("sub") == "1234567890" else CHECKED


def discord_token(value: bytes) -> float:
    """The first part is the decimal number of the account."""
    account = decode_base64(value.split(b".")[0])
    known = account is not None and account.isdigit() and 17 <= len(account) <= 20
    return CHECKED if known and is_random(value.split(b".")[2]) else 0.0


def azure_key(value: bytes) -> float:
    """Keys are 64 random bytes, shared access keys 32."""
    data = decode_base64(value)
    return CHECKED if data is not None and len(data) in (32, 64) and is_random(value) else 0.0


def aws_secret(value: bytes) -> float:
    """Forty characters of base 64, of all three sorts (a hash in hex has two)."""
    sorts = (b"[A-Z]", b"[a-z]", b"[0-9]")
    mixed = all(re.search(sort, value) for sort in sorts)
    return SHAPED if mixed and entropy(value) >= 3.8 and not is_placeholder(value) else 0.0


def named_secret(value: bytes) -> float:
    """A value of no provider, in quotes, assigned to a name such as `api_key`: random and not made of words."""
    if len(value) < 12 or is_placeholder(value) or _is_worded(value) or _NAME.match(value):
        return 0.0
    if re.fullmatch(rb"[0-9a-fA-F]+", value):
        return NAMED if len(value) >= 20 and entropy(value) >= 3.0 else 0.0
    return NAMED if entropy(value) >= (3.4 if len(value) < 20 else 3.7) and re.search(rb"\d", value) else 0.0


def bare_secret(value: bytes) -> float:
    """The same without quotes, as in .env files, where the value could be an expression: long and of all sorts."""
    mixed = all(re.search(sort, value) for sort in (rb"[A-Za-z]", rb"\d.*\d")) and len(value) >= 20
    return GUESSED if mixed and named_secret(value) else 0.0


def password(value: bytes) -> float:
    """A password in quotes: letters with digits or signs, not a word with a number behind it."""
    if is_placeholder(value) or _is_worded(value) or re.fullmatch(rb"[A-Za-z]+|[0-9TZ.:/+-]+", value):
        return 0.0
    sorts = sum(bool(re.search(sort, value)) for sort in (rb"[a-z]", rb"[A-Z]", rb"\d", rb"[^A-Za-z0-9]"))
    return UNCHECKED if sorts >= 3 else GUESSED if sorts == 2 and re.search(rb"\d.*\d", value) else 0.0


def bare_password(value: bytes) -> float:
    """The same without quotes, in a line of its own: of three sorts of characters, one of them digits."""
    return GUESSED if password(value) >= UNCHECKED and re.search(rb"\d", value) else 0.0


def basic_credentials(value: bytes) -> float:
    """What HTTP sends as `Basic`: the base 64 of a user and a password."""
    data = decode_base64(value)
    user, colon, secret = data.partition(b":") if data else (b"", b"", b"")
    readable = secret.isascii() and secret.decode().isprintable()
    return CHECKED if user and colon and readable and password(secret) else 0.0


def url_password(value: bytes) -> float:
    """A password in a connection string; a plain word there is a default, not a secret."""
    return SHAPED if len(value) >= 6 and (password(value) or _is_passphrase(value)) else 0.0


def _is_passphrase(value: bytes) -> bool:
    """Letters alone, but too many and too mixed for a word."""
    return len(value) >= 12 and entropy(value) >= 3.2 and not is_placeholder(value) and not _is_worded(value)


def decode_base64(value: bytes) -> bytes | None:
    """The bytes of standard or URL-safe base 64 with or without padding; None if it is not."""
    plain = value.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None


def _json_object(part: bytes) -> dict[str, Any] | None:
    data = decode_base64(part)
    try:
        found = json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _counts_up(value: bytes) -> bool:
    """Whether more than half of the characters follow the one before them in the alphabet."""
    return 2 * sum(b - a == 1 for a, b in itertools.pairwise(value)) > len(value)


def _is_worded(value: bytes) -> bool:
    """Whether it is put together of words and numbers: every part between signs and capitals is one of them."""
    parts = re.findall(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z0-9]+", value)
    words = [part for part in parts if part.isalpha()]
    lettered = sum(map(len, words))
    mean = lettered / len(words) if words else 0.0
    return mean >= 3.5 and lettered >= 0.6 * len(value) and any(re.search(rb"[aeiouyAEIOUY]", word) for word in words)
