"""Finding credentials: the patterns of their providers, and random values assigned to names that say secret.

Every pattern has anchors, literals without which it cannot match, so a text is read once for all of them and a pattern
runs only where one of its anchors stands. Then a check decides: checksums (GitHub, npm), inner structure (PyPI, JWT,
Discord, Azure, PEM), entropy, and the ways in which placeholders look. Formats are as their providers document them.

Left out: asking the provider whether a key is live, and secrets without a form (a password in a sentence).
"""

import base64
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from better_ai.data.steps.anchors import Anchors, expand
from better_ai.data.steps.privacy import checks
from better_ai.data.steps.privacy.spans import Span

_WORD = string.ascii_letters + string.digits
_URL_SAFE = _WORD + "-_"
_HEX = "0123456789abcdef"
_LONGEST = 1024
"""No match reaches further than this beyond its anchor."""


@dataclass(frozen=True)
class Pattern:
    """The credentials of one provider."""

    kind: str
    anchors: tuple[bytes, ...]
    regex: re.Pattern[bytes]
    """Its group `secret` is the span (without one: the whole match), its group `random` what the check looks at."""
    check: Callable[[bytes], float] = checks.is_random
    reach: int = 0
    """How many characters before its anchor a match may begin."""
    any_case: bool = False
    """Whether the anchors stand in lower case for any case."""


def _pattern(
    kind: str,
    anchors: str | list[bytes],
    regex: str,
    check: Callable[[bytes], float] = checks.is_random,
    reach: int = 0,
) -> Pattern:
    """A pattern that neither begins nor ends within a word."""
    heads = [anchor.encode() for anchor in anchors.split()] if isinstance(anchors, str) else anchors
    bounded = rf"(?<![A-Za-z0-9]){regex}(?![A-Za-z0-9_-])"
    return Pattern(kind, tuple(heads), re.compile(bounded.encode()), check, reach)


_BOOKMARKS = (
    "next Next continuation Continuation page Page lock Lock change Change sequence Sequence request Request "
    "idempotency Idempotency action Action update Update cursor Cursor csrf Csrf"
)
_NO_BOOKMARK = "(?:(?![Tt](?:oken|OKEN))|{})".format(
    "".join(f"(?<!{word})(?<!{word}_)(?<!{word}-)" for word in _BOOKMARKS.split(" "))
)
"""A token after one of these words marks a place or numbers a request; it is no credential."""


def _named(kind: str, names: str, value: str, check: Callable[[bytes], float]) -> Pattern:
    """A value assigned to a name that contains one of these; `value` says how it is written."""
    heads = tuple(name.encode() for name in names.split())
    regex = rf"{_NO_BOOKMARK}[\w.-]{{0,40}}{value}"
    return Pattern(kind, heads, re.compile(regex.encode(), re.MULTILINE), check, any_case=True)


_ASSIGN = r"[\"'\]]{0,2}\s{0,4}(?::\s{0,2}[\w.\[\]]{1,30}\s{0,2}=|=>|:=|={1,2}|:|,)\s{0,4}"
_QUOTED = _ASSIGN + r"[bBrRuU]{0,2}([\"'`])(?P<secret>[^\"'`\s\\{}<>$%(?]{8,256}) ?\1"
_BARE = r"[ \t]{0,4}[=:][ \t]{0,4}(?P<secret>[A-Za-z0-9+/_=-]{20,256})[ \t]*\r?$"
_BARE_PASSWORD = r"[ \t]{0,4}[=:][ \t]{0,4}(?P<secret>[^\s\"'`\\(){}\[\]<>$,.;|%]{8,64})[ \t]*\r?$"
_PASSWORD_NAMES = 'passwd password passphrase passwort _pwd= _pwd" pwd= pwd: pwd" pwd\''
_SECRET_NAMES = (
    "secret token api_key apikey api-key access_key accesskey access-key auth_key authkey private_key privatekey "
    "encryption_key encryptionkey signing_key signingkey credential master_key account_key accountkey"
)
_SNOWFLAKES = [base64.b64encode(f"{number:03}".encode()) for number in range(1000)]

PATTERNS = (
    _pattern("aws_access_key", "AKIA ASIA ABIA ACCA", r"A[KSBC]IA(?P<random>[A-Z2-7]{16})"),
    _named(
        "aws_secret_key",
        "secret_access_key secretaccesskey secret-access-key aws_secret aws-secret awssecret",
        _ASSIGN + r"[\"'`]?(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        checks.aws_secret,
    ),
    _pattern("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_(?P<random>[A-Za-z0-9]{36})", checks.crc32_base62),
    _pattern("github_token", "github_pat_", r"github_pat_(?P<random>[A-Za-z0-9]{22}_[A-Za-z0-9]{59})"),
    _pattern(
        "gitlab_token",
        "glpat- gldt- glptt- glrt- glcbt- glsoat- glft- glimt- glagent- gloas-",
        r"gl(?:pat|dt|ptt|rt|cbt|soat|ft|imt|agent|"
        r"oas)-(?P<random>[A-Za-z0-9_-]{20,300}(?:\.[a-z0-9]{2}\.[a-z0-9]{9})?)",
    ),
    _pattern(
        "slack_token",
        "xoxb- xoxp- xoxa- xoxo- xoxs- xoxr- xoxe- xoxc- xoxd-",
        r"xox[bpaosrecd]-(?:[0-9]{1,14}-){0,4}(?P<random>[A-Za-z0-9%]{16,256})",
    ),
    _pattern("slack_token", "xapp-", r"xapp-\d-[A-Z0-9]{8,14}-\d{10,14}-(?P<random>[a-f0-9]{64})"),
    _pattern(
        "slack_webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|"
        r"workflows)/(?P<secret>T[A-Z0-9]{7,12}/[A-Z0-9]{8,12}/(?P<random>[A-Za-z0-9]{18,48}))",
    ),
    _pattern(
        "stripe_key", "sk_live_ sk_test_ rk_live_ rk_test_", r"[sr]k_(?:live|test)_(?P<random>[A-Za-z0-9]{16,247})"
    ),
    _pattern("stripe_key", "whsec_", r"whsec_(?P<random>[A-Za-z0-9+/]{32,64}={0,2})"),
    _pattern("google_api_key", "AIza", r"AIza(?P<random>[A-Za-z0-9_-]{35})"),
    _pattern("google_oauth_secret", "GOCSPX-", r"GOCSPX-(?P<random>[A-Za-z0-9_-]{28})"),
    _pattern("google_oauth_secret", "ya29.", r"ya29\.(?P<random>[A-Za-z0-9_-]{24,400})"),
    Pattern(
        "google_service_account",
        (b"private_key_id",),
        re.compile(rb"private_key_id[\"']\s{0,4}:\s{0,4}[\"'](?P<secret>[0-9a-f]{40})[\"']"),
    ),
    _pattern(
        "openai_key",
        "sk-proj- sk-svcacct- sk-admin- sk-None-",
        r"sk-(?:proj|svcacct|admin|None)-(?P<random>[A-Za-z0-9_-]{20,200})",
    ),
    _pattern("openai_key", "T3BlbkFJ", r"sk-(?P<random>[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})", reach=23),
    _pattern("anthropic_key", "sk-ant-", r"sk-ant-(?:(?:api|admin|oat|sid)\d\d-)?(?P<random>[A-Za-z0-9_-]{40,140})"),
    _pattern("npm_token", "npm_", r"npm_(?P<random>[A-Za-z0-9]{36})", checks.crc32_base62),
    _pattern("pypi_token", "pypi-AgE", r"pypi-(?P<random>AgE[A-Za-z0-9_-]{50,400})", checks.pypi_macaroon),
    _pattern("huggingface_token", expand("h", "f", "_", _WORD), r"hf_(?P<random>[A-Za-z0-9]{34})"),
    _pattern("huggingface_token", "api_org_", r"api_org_(?P<random>[A-Za-z0-9]{34})"),
    _pattern("sendgrid_key", expand("S", "G", ".", _URL_SAFE), r"SG\.(?P<random>[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})"),
    _pattern("twilio_key", expand("AS", "CK", _HEX, _HEX), r"(?:AC|SK)(?P<random>[0-9a-f]{32})"),
    _pattern(
        "telegram_token", expand(":", "A", "A", _URL_SAFE), r"[0-9]{8,10}:AA(?P<random>[A-Za-z0-9_-]{33})", reach=10
    ),
    _pattern(
        "discord_token",
        _SNOWFLAKES,
        r"(?P<random>[MNO][A-Za-z0-9]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38})",
        checks.discord_token,
    ),
    _pattern(
        "discord_token",
        "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/(?P<secret>\d{17,20}/(?P<random>[A-Za-z0-9_-]{60,80}))",
    ),
    Pattern(
        "azure_key",
        (b"AccountKey=", b"SharedAccessKey="),
        re.compile(rb"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{43}(?:[A-Za-z0-9+/]{43}=)?=)"),
        checks.azure_key,
    ),
    _pattern(
        "jwt",
        [*expand("e", "y", "J", _WORD), *expand("e", "y", "A", _WORD), b"ewog", b"ewoJ", b"ew0K"],
        r"e[yw][A-Za-z0-9_-]{10,1000}\.[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{16,1400}",
        checks.jwt,
    ),
    _pattern("shopify_token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_(?P<random>[a-fA-F0-9]{32})"),
    _pattern("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_(?P<random>[a-f0-9]{64})"),
    _pattern("docker_token", "dckr_pat_ dckr_oat_", r"dckr_[po]at_(?P<random>[A-Za-z0-9_-]{27,32})"),
    _pattern("grafana_token", "glsa_", r"glsa_(?P<random>[A-Za-z0-9]{32}_[A-Fa-f0-9]{8})"),
    _pattern("hashicorp_token", expand("h", "v", "sbr", "."), r"hv[sbr]\.(?P<random>[A-Za-z0-9_-]{24,300})"),
    _pattern("hashicorp_token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.(?P<random>[A-Za-z0-9_-]{60,70})", reach=14),
    _pattern("mailchimp_key", expand("-", "u", "s", string.digits), r"(?P<random>[0-9a-f]{32})-us\d{1,2}", reach=32),
    Pattern(
        "database_password",
        tuple(expand(":", "/", "/", string.printable.strip())),
        re.compile(
            rb"://[^\s:/@\"'`<>\\{}$%]{0,64}:(?P<secret>[^\s:/@\"'`<>\\{}$(]{3,128})@[A-Za-z0-9\[][\w.:\]-]{0,253}"
        ),
        checks.url_password,
    ),
    _named("password", _PASSWORD_NAMES, _QUOTED, checks.password),
    _named("secret", _SECRET_NAMES, _QUOTED, checks.named_secret),
    _named("password", _PASSWORD_NAMES, _BARE_PASSWORD, checks.bare_password),
    _named(
        "password", "basic", r"[ ](?P<secret>[A-Za-z0-9+/]{12,200}={0,2})(?![A-Za-z0-9+/=])", checks.basic_credentials
    ),
    _named("secret", f"{_SECRET_NAMES} {_PASSWORD_NAMES}", _BARE, checks.bare_secret),
)
"""All but PEM keys, which may span many lines."""


def find_secrets(view: bytes) -> list[Span]:
    """The credentials in the ASCII view of a text; they may overlap."""
    found = list(_matches(view, _EXACT, _EXACT_PATTERNS))
    found += _matches(view, _ANY_CASE, _ANY_CASE_PATTERNS, view.lower())
    found += _private_keys(view)
    if any(span.kind == "aws_access_key" for span in found):
        found += _secrets_beside_access_keys(view, found)
    return found


def _index(any_case: bool) -> tuple[Anchors, dict[bytes, list[Pattern]]]:
    by_anchor: dict[bytes, list[Pattern]] = {}
    chosen = [pattern for pattern in PATTERNS if pattern.any_case == any_case]
    anchors = Anchors(anchor for pattern in chosen for anchor in pattern.anchors)
    for pattern in chosen:
        for anchor in pattern.anchors:
            by_anchor.setdefault(anchor, []).append(pattern)
    return anchors, by_anchor


_EXACT, _EXACT_PATTERNS = _index(any_case=False)
_ANY_CASE, _ANY_CASE_PATTERNS = _index(any_case=True)


def _matches(
    view: bytes, anchors: Anchors, patterns: dict[bytes, list[Pattern]], searched: bytes | None = None
) -> Iterator[Span]:
    for place, anchor in anchors.find(view if searched is None else searched):
        for pattern in patterns[anchor]:
            match = _match_around(pattern, view, place)
            if match is None:
                continue
            groups = pattern.regex.groupindex
            confidence = pattern.check(match["random"] if "random" in groups else match[groups.get("secret", 0)])
            if confidence:
                yield Span(*match.span("secret" if "secret" in groups else 0), pattern.kind, confidence)


def _match_around(pattern: Pattern, view: bytes, place: int) -> re.Match[bytes] | None:
    """The match that begins at the anchor or at most `reach` before it."""
    if not pattern.reach:
        return pattern.regex.match(view, place)
    match = pattern.regex.search(view, max(0, place - pattern.reach), place + _LONGEST)
    return match if match and match.start() <= place < match.end() else None


_PEM_BEGIN = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_RUN = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_LONGEST_PEM = 20_000
_SHORTEST_PEM = 40
"""Base-64 characters of the smallest private key, Ed25519 in PKCS #8: 64; a cut-off one still counts."""
_LEAST_PEM_ENTROPY = 3.5


def _private_keys(view: bytes) -> Iterator[Span]:
    """Bodies of PEM private keys: one span, or one per line where each line is a string of its own."""
    begin = view.find(b"-----BEGIN ")
    while begin >= 0:
        header = _PEM_BEGIN.match(view, begin)
        begin = view.find(b"-----BEGIN ", begin + 1)
        if header is None:
            continue
        limit = min(len(view), header.end() + _LONGEST_PEM, begin if begin >= 0 else len(view))
        end = view.find(b"-----END", header.end(), limit)
        runs = list(_PEM_RUN.finditer(view, header.end(), limit if end < 0 else end))
        body = b"".join(run[0] for run in runs)
        if len(body) < _SHORTEST_PEM or checks.entropy(body) < _LEAST_PEM_ENTROPY:
            continue
        structured = body.lstrip(b"rn").startswith((b"M", b"b3BlbnNzaC1rZXkt"))
        confidence = checks.CHECKED if structured else checks.SHAPED
        first, last = runs[0].start(), runs[-1].end()
        whole = not re.search(rb"[\"'`]", view[first:last])
        pieces = [(first, last)] if whole else [run.span() for run in runs]
        yield from (Span(*piece, "private_key", confidence) for piece in pieces)


_AWS_SECRET = re.compile(rb"(?<![A-Za-z0-9/+=_-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")
_BESIDE = 300


def _secrets_beside_access_keys(view: bytes, found: list[Span]) -> Iterator[Span]:
    """Secret keys have no form of their own, but they stand next to their access keys."""
    for span in [span for span in found if span.kind == "aws_access_key"]:
        for match in _AWS_SECRET.finditer(view, max(0, span.start - _BESIDE), span.end + _BESIDE):
            if checks.aws_secret(match[0]):
                yield Span(*match.span(), "aws_secret_key", checks.SHAPED)
