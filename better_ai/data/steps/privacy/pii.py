"""Finding personal data: what is made of digits (`numbers`), e-mail addresses, and what words announce.

A name, a street or a date of birth has no form that tells it from other words, so each is looked for only where a word
announces it: names after "author", "copyright" and their like, as files carry them in their headers; dates after
"born"; and streets where a number, capitalised words and a word for street follow each other.

Left out: names in running text, which take a model to find; addresses outside the English pattern.
"""

import re
from collections.abc import Callable, Iterator

from better_ai.data.steps.anchors import Anchors
from better_ai.data.steps.privacy.numbers import find_numbers
from better_ai.data.steps.privacy.spans import Span

SHAPED, LIKELY, DOUBTFUL = 0.9, 0.7, 0.4

_AT = re.compile(rb"@(?<=[\w+%-]@)[A-Za-z0-9]")
_LOCAL = re.compile(rb"[A-Za-z0-9_][\w.+%-]{0,63}\Z")
_NO_MAILBOX = re.compile(rb"//(?:[^\s/@\"']{0,62}:)?\Z|[%$&]\Z")
"""What stands before the user of a URL, and before a variable in a template."""
_DOMAIN = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}([A-Za-z]{2,18})(?![A-Za-z0-9_(\[-])")
_TOP_LEVEL = re.compile(
    r"[a-z]{2}|com|org|net|edu|gov|mil|int|info|biz|name|pro|aero|coop|museum|jobs|mobi|travel|tel|cat|asia|"
    r"post|dev|app|cloud|online|site|tech|xyz|email|blog|shop|store|page|wiki|systems|solutions|software|"
    r"digital|agency|technology|"
    r"network|world|live|life|space|team|group|company|today|engineering|academy|science|university|institute|"
    r"foundation|berlin|london|paris|tokyo|nyc|eco|bio|ngo|ong|law|health"
)
"""Of two letters, any is a country's; of the generic domains, those in use for mail. Others are attributes of objects
(`weights@model.mean`) and endings of files (`icon@2x.png`)."""
_RESERVED_DOMAIN = re.compile(
    r"(?:.*\.)?(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost|local|localdomain|onion)"
    r"|(?:.*\.)?(?:domain|your-?domain|my-?domain|some-?domain|host|hostname|your-?host|server|site|company|"
    r"your-?company|mycompany|acme|foo|bar|baz|foobar|xyz|abc|xxx|email|address|somewhere|nowhere|"
    r"anywhere|place|default|dom\.ain|b|c|d|x|y|z)\.[a-z.]+"
)
"""Kept for examples by RFC 2606 and RFC 6762, and names that everybody uses for that."""
_IMPERSONAL_LOCAL = re.compile(
    r"git|hg|svn|no-?reply|do-?not-?reply|noreply\+?.*|foo|bar|user(?:name)?|you|your[._-]?\w*"
)
_ALGORITHM_DOMAINS = {"openssh.com", "libssh.org", "ssh.com", "lysator.liu.se", "putty.projects.tartarus.org"}
"""SSH names its algorithms like addresses."""

_PARTICLE = r"(?:van|von|der|den|de|del|della|da|di|dos|du|la|le|bin|ibn|al|el|ter|ten|zu|zur|af|av)"
_GIVEN = r"[^\W\d_a-z](?:\.|(?:[^\W\d_]|['’-](?=[^\W\d_a-z])|-(?=[^\W\d_]))*)"
_NAME = rf"{_GIVEN}(?:[ \t]{{1,2}}(?:{_PARTICLE}[ \t])*{_GIVEN}){{1,3}}"
_VERBS = (
    "written|created|developed|contributed|implemented|ported|maintained|designed|coded|translated|adapted|modified"
)
_ANNOUNCED_NAME = re.compile(
    r"(?i:(?:authors?(?:[ ._-]?name)?|maintainers?|contributors?|creators?|developers?|translators?|"
    r"copyright(?:[ _-]?holders?)?|signed-off-by|co-authored-by|reviewed-by|reported-by|"
    rf"(?:{_VERBS}) by)(?:__)?(?![^\W_]))"
    r"[\"']?[ \t]*[:=>-]{0,2}[ \t]*(?i:\(c\)|©|&copy;|\\\(co)?[ \t]*"
    r"(?:\d{4}(?:[ \t]*[-–,][ \t]*(?:\d{2,4}|present))*,?[ \t]*)?(?i:\(c\)|©)?[ \t]*(?:by:?[ \t]+)?[\[(\"'{]{0,2}"
    r"(?:[\"']?name[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"'])?"
    rf"(?P<names>{_NAME}(?:[ \t]*(?:<[^<>\n]{{3,80}}>|\([^()\n]{{3,80}}\))?(?:,|,?[ \t]and|[ \t]&|;)[ "
    rf"\t]*{_NAME}){{0,9}}"
    rf"(?:,?[ \t]*(?:<[^<>\n]{{3,80}}>)?,?\n[ \t#*/;-]*{_NAME}(?=[ \t]*<)){{0,20}})"
)
_EACH_NAME = re.compile(rf"(?:<[^<>\n]*>|\([^()\n]*\))|(?P<name>{_NAME})")
_NOT_A_PERSON = re.compile(
    r"(?i)\b(?:inc|ltd|llc|llp|plc|gmbh|ag|bv|sa|srl|pty|corp|corporation|company|co|foundation|association|authors?|"
    r"contributors?|developers?|maintainers?|team|project|group|consortium|institute|university|college|laborator\w+|"
    r"labs?|research|software|systems?|technolog\w+|solutions|services|enterprises|networks?|community|organi[sz]ation|"
    r"society|committee|government|department|ministry|agency|board|council|trust|fund|bank|press|media|studios?|"
    r"all|rights|reserved|the|this|these|that|see|note|license|licence|copyright|notice|holders?|owner|name|names|"
    r"version|public|domain|free|open|source|library|file|files|package|module|python|google|microsoft|apple|facebook|"
    r"ibm|ai|nlp|limited|platforms|tensorflow|oracle|intel|nvidia|amazon|mozilla|red hat|apache|gnu|linux|unix|"
    r"internet|engineering|"
    r"task|force|center|centre|"
    r"stichting|centrum|school|faculty|international|national|digital|creations|beopen|cnri|corporate|data|code|test|"
    r"string|none|true|false|list|dict|str|int|optional|any|union|your|user|full|first|last|some|new|original|"
    r"and|or|of|for|with|from|in|to|by|is|are|if|not|no|key|value|field|index|id)\b"
)
_FIRM = re.compile(r"(?i)(?:,?[ ]|,)(?:inc|ltd|llc|gmbh|corp|co|ag|s\.?a|b\.?v)\b")
_STREET = (
    r"Street|St\.?|Avenue|Ave\.?|Road|Rd\.?|Boulevard|Blvd\.?|Lane|Ln\.?|Drive|Dr\.?|Court|Ct\.?|Square|Place|Pl\.?|"
    r"Terrace|Parkway|Pkwy\.?|Highway|Hwy\.?|Way"
)
_STREET_ANCHORS = (
    "street|st.|st,|avenue|ave|road|rd.|rd,|boulevard|blvd|lane|drive|court|square|place|terrace|parkway|highway|way"
)
_ADDRESS = re.compile(
    r"(?<![\w.#-])\d{1,5}[A-Za-z]?,?[ ](?:(?:North|South|East|West|[NSEW]\.?)[ ])?(?:[A-Z0-9][\w'’.-]*[ ]){1,3}"
    rf"(?:{_STREET})(?!\w)"
    r"(?:,?[ ](?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|#)\.?[ ]?\w{1,6})?"
    r"(?P<city>,[ ][A-Z][\w'’.-]+(?:[ ][A-Z][\w'’.-]+){0,2}(?:,[ ]*[A-Z][A-Za-z]{1,20})?"
    r"(?:,?[ ][A-Z0-9][A-Z0-9 -]{3,9}\b)?)?"
)
_ORGANISATIONS_ADDRESS = re.compile(
    r"51 Franklin|59 Temple|675 Mass|1600 Amphitheatre|500 Oracle|171 Second|444 Castro|543 Howard"
)
"""Addresses of foundations and companies in licence texts."""
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_YEAR = r"(?:19|20)\d\d"
_BIRTH_DATE = re.compile(
    r"(?i:birth(?:.?date|day)?|dob|born)\b(?:[\"']\])?[\"']?[ \t]*(?i:[:=(]{0,2}|is|was|on|->)[ \t]*"
    r"(?i:on[ \t])?[\"'(]{0,2}"
    rf"(?P<date>{_YEAR}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]{_YEAR}|\d\d?(?:st|nd|rd|th)?[ ]{_MONTH},?[ ]{_YEAR}|"
    rf"{_MONTH}[ ]\d\d?(?:st|nd|rd|th)?,?[ ]{_YEAR})(?!\d)"
)
_PASSPORT = re.compile(
    r"(?i:passport)[ _-]?(?i:no|nr|num|number|id)?\b\.?(?:[\"']\])?[\"']?[ \t]*(?:[:=#]|is)?[ \t]*[\"'#]?"
    r"(?P<number>(?=[A-Z0-9]*\d{5})[A-Z0-9]{7,9})(?![A-Za-z0-9])"
)


_LONGEST_ADDRESS = 240
"""Characters of a street address after the word for street."""


def find_personal(text: str, view: bytes) -> list[Span]:
    """Personal data in a text, whose ASCII view is `view`; spans may overlap."""
    found = [*_emails(view), *find_numbers(view)]
    for place, anchor in _ANCHORS.find(view.lower()):
        found += _FINDERS[anchor](text, place)
    return found


def _emails(view: bytes) -> Iterator[Span]:
    for at in (match.start() for match in _AT.finditer(view)):
        local = _LOCAL.search(view, max(0, at - 64), at)
        domain = _DOMAIN.match(view, at + 1)
        if local is None or domain is None or _NO_MAILBOX.search(view, max(0, local.start() - 64), local.start()):
            continue
        if not _is_personal(local[0].decode(), domain[0].decode().lower()):
            continue
        yield Span(local.start(), domain.end(), "email", SHAPED)


def _is_personal(local: str, domain: str) -> bool:
    """Whether an address may be somebody's: its top-level domain exists and it is no example, robot or algorithm."""
    top = domain.rsplit(".", 1)[1]
    return (
        _TOP_LEVEL.fullmatch(top) is not None
        and not _RESERVED_DOMAIN.fullmatch(domain)
        and not _IMPERSONAL_LOCAL.fullmatch(local.lower())
        and domain not in _ALGORITHM_DOMAINS
    )


def _names(text: str, place: int) -> Iterator[Span]:
    announced = _ANNOUNCED_NAME.match(text, place)
    for name in _EACH_NAME.finditer(text, *announced.span("names")) if announced else ():
        firm = _FIRM.match(text, name.end())
        if name["name"] and not firm and not name["name"].isupper() and not _NOT_A_PERSON.search(name["name"]):
            yield Span(*name.span("name"), "name", LIKELY)


def _birth_dates(text: str, place: int) -> Iterator[Span]:
    match = _BIRTH_DATE.match(text, place)
    if match:
        yield Span(*match.span("date"), "birth_date", LIKELY)


def _passports(text: str, place: int) -> Iterator[Span]:
    match = _PASSPORT.match(text, place)
    if match:
        yield Span(*match.span("number"), "passport", LIKELY)


def _addresses(text: str, place: int) -> Iterator[Span]:
    """The street begins before the word for street, which stands at `place`."""
    match = _ADDRESS.search(text, max(0, place - 60), place + _LONGEST_ADDRESS)
    if match and match.start() <= place < match.end() and not _ORGANISATIONS_ADDRESS.match(match[0]):
        yield Span(*match.span(), "postal_address", SHAPED if match["city"] else DOUBTFUL)


def _anchored(find: Callable[[str, int], Iterator[Span]], anchors: str) -> dict[bytes, Callable]:
    return {anchor.encode(): find for anchor in anchors.split("|")}


_FINDERS: dict[bytes, Callable[[str, int], Iterator[Span]]] = {
    **_anchored(_names, "author|maintainer|contributor|creator|developer|translator|copyright"),
    **_anchored(_names, "signed-off-by|reviewed-by|reported-by"),
    **_anchored(_names, "|".join(f"{verb} by" for verb in _VERBS.split("|"))),
    **_anchored(_birth_dates, "birth|born|dob\"|dob'|dob:|dob=|dob "),
    **_anchored(_passports, "passport"),
    **_anchored(_addresses, "|".join(f" {word}" for word in _STREET_ANCHORS.split("|"))),
}
"""By the words, in lower case, that announce what they find."""
_ANCHORS = Anchors(_FINDERS)
