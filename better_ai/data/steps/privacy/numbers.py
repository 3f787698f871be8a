"""Finding personal data made of digits: telephone numbers, addresses of machines, cards, accounts, national ids.

All runs of digits are found in one vectorised pass. What they could be is a question of their lengths and of the signs
between them, answered for all runs at once; a library decides only on the few candidates that are left (phonenumbers
for telephone numbers, python-stdnum for checksums and national rules, ipaddress for reserved ranges).

Numbers that a standard sets aside for examples are nobody's and are not reported: documentation, private and loopback
addresses, telephone numbers 555-0100 to 555-0199. Card numbers that processors publish for tests satisfy every rule
that a real one does, and are reported.

Left out: national ids without a checksum or separators of their own, and telephone numbers written without a plus, a
North American grouping or a word that announces them.
"""

import functools
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from better_ai.data.steps.privacy.spans import Span
from better_ai.extras import import_extra

CHECKED, SHAPED, LIKELY, GUESSED, DOUBTFUL = 0.99, 0.9, 0.7, 0.5, 0.4
"""A checksum and the form of such a number; the form alone; with, or without, surroundings that speak for it; a
number that only passes a checksum which one in ten does."""

_BEFORE = 40
"""Characters before a number in which a word may announce it."""
_PHONE_WORD = re.compile(rb"(?i)(?:phone|tel|mobile|cell|fax|call|whatsapp|sms|contact)\w*\W{0,12}(?:\w+\W{1,3})?\Z")
_CARD_WORD = re.compile(rb"(?i)(?:card|visa|credit|debit|payment|amex|mastercard|\bpan\b)")
_IP_WORD = re.compile(rb"(?i)(?:\bip|addr|host|server|client|remote|gateway|dns|peer|ssh|ping|from|connect|proxy|node)")
_VERSION_WORD = re.compile(
    rb"(?i)(?:version|release|\bv|\brev|section|chapter|\boid|build|python|firefox|chrome|rfc)[\s\"':=(v_-]{0,12}\Z|"
    rb"(?:[a-z][/-]v?|[=<>~!]=)\Z"
)
_NUMBERING_WORD = re.compile(rb"(?i)(?:upgrad|bump|\bv8\b|depend|released?\b|changelog|object.?id)")
_EXAMPLES = {
    *("1.2.3.4", "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"),
    *("2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2606:4700:4700::1001"),
}
"""Public resolvers, and the address that counts, which stand in code as examples."""

_RUNS_INTO = re.compile(rb"\w\Z|\w[.-]\Z")
_RUNS_ON = re.compile(rb"\w|\.\w|-\d")

_IPV4 = re.compile(rb"\d+\.\d+\.\d+\.\d+")
_IBAN = re.compile(rb"[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![A-Za-z0-9])")
_IPV6 = re.compile(rb"[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_CPF = re.compile(rb"\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w.-])")
_FISCAL_CODE = re.compile(rb"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?![A-Za-z0-9])")
_DNI = re.compile(rb"\d{8}-?[A-Z](?![A-Za-z0-9])")
_NINO = re.compile(rb"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])")
_ID_WORD = re.compile(rb"(?i)(?:\bdni|\bnif|nino|national|insurance|\bssn|social|identity|\btax)")
_NORTH_AMERICAN = re.compile(rb"(?:\(\d{3}\) ?|\d{3}([-. ]))\d{3}(?(1)\1|[-. ])\d{4}(?![\w.-]\w|\w)")
_INTERNATIONAL = re.compile(rb"\d[\d ().-]{6,20}\d(?![\w.]?\d|[A-Za-z_])")
_ANNOUNCED = re.compile(rb"\(?0\d[\d ()/-]{6,16}\d(?![\w.-]?\d|[A-Za-z_])")
_FICTIONAL = re.compile(r"1?\d{3}55501\d\d")
_REGIONS = ("US", "GB", "DE", "FR", "IT", "ES", "IN", "BR", "JP", "AU")
"""Whose national numbers are tried where a word announces one."""
_HEX_GROUP_BEFORE = re.compile(rb"(?<![0-9A-Za-z])[0-9A-Fa-f]{4}[ -]\Z")
_HEX_GROUP_AFTER = re.compile(rb"[ -][0-9A-Fa-f]{4}(?![0-9A-Za-z])")
"""More groups of four make it a row of a table."""

_CARD_ISSUERS = (
    (re.compile(r"4"), (13, 16, 19)),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"6011|64[4-9]|65"), (16, 19)),
    (re.compile(r"30[0-5]|3[689]"), (14, 16)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16,)),
    (re.compile(r"62"), (16, 17, 18, 19)),
)
"""Visa, Mastercard, American Express, Discover, Diners Club, JCB, UnionPay: first digits and lengths."""


@dataclass(frozen=True)
class Digits:
    """The runs of digits of a view, in order: where they start and how long they are."""

    view: bytes
    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, view: bytes) -> "Digits":
        values = np.frombuffer(view, np.uint8)
        is_digit = np.zeros(len(view) + 2, np.int8)
        is_digit[1:-1] = values - np.uint8(ord("0")) < 10
        edges = np.flatnonzero(is_digit[1:] != is_digit[:-1])
        return cls(view, values, edges[::2], edges[1::2] - edges[::2])

    def grouped(self, *lengths: int | tuple[int, int], between: bytes) -> np.ndarray:
        """Where runs of these lengths, or of lengths in these ranges, begin that follow each other with one sign from
        `between` each."""
        count = len(lengths)
        if len(self.starts) < count:
            return np.empty(0, np.int64)
        rows = len(self.starts) - count + 1
        good = np.ones(rows, bool)
        for offset, wanted in enumerate(lengths):
            least, most = wanted if isinstance(wanted, tuple) else (wanted, wanted)
            found = self.lengths[offset : offset + rows]
            good &= (found >= least) & (found <= most)
        first = np.flatnonzero(good)
        signs = _table(between)
        for offset in range(count - 1):
            ends = self.starts[first + offset] + self.lengths[first + offset]
            first = first[(self.starts[first + offset + 1] == ends + 1) & signs[self.values[ends]]]
        return self.starts[first]

    def before(self, place: int) -> bytes:
        return self.view[max(0, place - _BEFORE) : place]


def find_numbers(view: bytes) -> list[Span]:
    """Personal data made of digits in the ASCII view of a text; they may overlap."""
    digits = Digits.of(view)
    if not len(digits.starts):
        return []
    found = [*_phones(digits), *_ipv4(digits), *_ipv6(digits), *_cards(digits), *_ibans(digits), *_national(digits)]
    return [span for span in found if _stands_alone(view, span)]


@functools.cache
def _table(characters: bytes) -> np.ndarray:
    table = np.zeros(256, bool)
    table[list(characters)] = True
    return table


def _stands_alone(view: bytes, span: Span) -> bool:
    """Whether no word or number runs into it."""
    before, after = view[max(0, span.start - 2) : span.start], view[span.end : span.end + 2]
    return not _RUNS_INTO.search(before) and not _RUNS_ON.match(after)


def _phones(digits: Digits) -> Iterator[Span]:
    view = digits.view
    for place in _after_sign(digits, ord("+")):
        match = _INTERNATIONAL.match(view, place)
        if match and not re.match(rb"[\w)\]]\+", view[max(0, place - 2) : place]):
            yield from _phone(match, "+" + match[0].decode(), None, SHAPED)
    for place in digits.grouped(3, 3, 4, between=b"-. ").tolist():
        yield from _north_american(view, place)
    for place in _after_sign(digits, ord("(")):
        yield from _north_american(view, place - 1)
    trunk = (digits.values[digits.starts] == ord("0")) & (digits.lengths >= 2)
    for place in digits.starts[trunk].tolist():
        match = _ANNOUNCED.match(view, place) if _PHONE_WORD.search(digits.before(place)) else None
        for region in _REGIONS if match else ():
            spans = list(_phone(match, match[0].decode(), region, LIKELY)) if match else []
            if spans:
                yield from spans
                break


def _after_sign(digits: Digits, sign: int) -> list[int]:
    """Starts of runs that stand right after this sign."""
    inner = digits.starts[digits.starts > 0]
    return inner[digits.values[inner - 1] == sign].tolist()


def _north_american(view: bytes, place: int) -> Iterator[Span]:
    match = _NORTH_AMERICAN.match(view, place)
    if match:
        yield from _phone(match, match[0].decode(), "US", SHAPED if match[0][:1] == b"(" else LIKELY)


def _phone(match: re.Match[bytes], number: str, region: str | None, confidence: float) -> Iterator[Span]:
    library = import_extra("phonenumbers", "data")
    try:
        parsed = library.parse(number, region)
    except library.NumberParseException:
        return
    if library.is_valid_number(parsed) and not _FICTIONAL.fullmatch(re.sub(r"\D", "", number)):
        yield Span(*match.span(), "phone", confidence)


def _ipv4(digits: Digits) -> Iterator[Span]:
    for place in digits.grouped((1, 3), (1, 3), (1, 3), (1, 3), between=b".").tolist():
        match = _IPV4.match(digits.view, place)
        assert match is not None, "a group of digits is a match"
        address, before = match[0].decode(), digits.before(place)
        if not _is_somebodys(address) or address.endswith(".0") or len(set(address.split("."))) == 1:
            continue
        announced = _IP_WORD.search(before) is not None
        like_version = all(int(part) < 32 for part in address.split(".")) and not announced
        in_table = re.search(rb"\d \Z", before) and re.match(rb" [\d.-]", digits.view[match.end() : match.end() + 2])
        if not (like_version or in_table or _VERSION_WORD.search(before) or _NUMBERING_WORD.search(before)):
            yield Span(*match.span(), "ip_address", SHAPED if announced else LIKELY)


def _ipv6(digits: Digits) -> Iterator[Span]:
    """Of the whole space, only 2000::/3 is given out; so an address begins with 2 or 3 and three more digits."""
    starts = digits.starts[digits.starts + 4 < len(digits.view)]
    first, fifth = digits.values[starts], digits.values[starts + 4]
    for place in starts[((first == ord("2")) | (first == ord("3"))) & (fifth == ord(":"))].tolist():
        match = _IPV6.match(digits.view, place)
        inside = re.match(rb"[0-9A-Fa-f:]:", digits.view[max(0, place - 2) : place])
        if match and not inside and _is_somebodys(match[0].decode()):
            yield Span(*match.span(), "ip_address", SHAPED)


def _is_somebodys(address: str) -> bool:
    """Whether it is a public address, and not one kept for documentation, tests, multicast or private networks."""
    if address in _EXAMPLES:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _cards(digits: Digits) -> Iterator[Span]:
    runs = (digits.lengths >= 13) & (digits.lengths <= 19)
    for place, length in zip(digits.starts[runs].tolist(), digits.lengths[runs].tolist(), strict=True):
        if _is_card(digits.view[place : place + length].decode()):
            quoted = digits.view[place - 1 : place] in (b'"', b"'") if place else False
            confidence = CHECKED if _CARD_WORD.search(digits.before(place)) else GUESSED if quoted else DOUBTFUL
            yield Span(place, place + length, "payment_card", confidence)
    for lengths in ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4)):
        end = sum(lengths) + len(lengths) - 1  # from the start of the number
        for place in digits.grouped(*lengths, between=b" -").tolist():
            number = digits.view[place : place + end].decode()
            in_table = _HEX_GROUP_BEFORE.search(digits.before(place)) or _HEX_GROUP_AFTER.match(
                digits.view, place + end
            )
            mixed = " " in number and "-" in number
            if not in_table and not mixed and _is_card(number.replace(" ", "").replace("-", "")):
                yield Span(place, place + end, "payment_card", CHECKED)


def _is_card(number: str) -> bool:
    issued = any(first.match(number) and len(number) in lengths for first, lengths in _CARD_ISSUERS)
    return issued and len(set(number)) > 2 and _stdnum("luhn").is_valid(number)


def _ibans(digits: Digits) -> Iterator[Span]:
    for place in _after_letters(digits, 2):
        match = _IBAN.match(digits.view, place - 2)
        if match and _stdnum("iban").is_valid(match[0].decode()):
            yield Span(*match.span(), "iban", CHECKED)


def _national(digits: Digits) -> Iterator[Span]:
    view = digits.view
    for place in digits.grouped(3, 2, 4, between=b"-").tolist():
        if _stdnum("us.ssn").is_valid(view[place : place + 11].decode()):
            announced = _ID_WORD.search(digits.before(place))
            yield Span(place, place + 11, "national_id", SHAPED if announced else LIKELY)
    for place in digits.grouped(3, 3, 3, 2, between=b".-").tolist():
        match = _CPF.match(view, place)
        if match and _stdnum("br.cpf").is_valid(match[0].decode()):
            yield Span(*match.span(), "national_id", CHECKED)
    for place in _after_letters(digits, 6):
        match = _FISCAL_CODE.match(view, place - 6)
        if match and _stdnum("it.codicefiscale").is_valid(match[0].decode()):
            yield Span(*match.span(), "national_id", CHECKED)
    for place in digits.starts[digits.lengths == 8].tolist():
        match = _DNI.match(view, place) if _ID_WORD.search(digits.before(place)) else None
        if match and _stdnum("es.dni").is_valid(match[0].decode()):
            yield Span(*match.span(), "national_id", CHECKED)
    for place in _after_letters(digits, 2):
        match = _NINO.match(view, place - 2) if _ID_WORD.search(digits.before(place - 2)) else None
        if match:
            yield Span(*match.span(), "national_id", LIKELY)


def _after_letters(digits: Digits, count: int) -> list[int]:
    """Starts of runs with this many capital letters, and no more, right before them."""
    places = digits.starts[digits.starts >= count]
    capital = _table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for offset in range(1, count + 1):
        places = places[capital[digits.values[places - offset]]]
    longer = (places > count) & capital[digits.values[places - count - 1]]
    return places[~longer].tolist()


def _stdnum(module: str) -> Any:
    return import_extra(f"stdnum.{module}", "data")
