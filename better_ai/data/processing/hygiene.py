"""What must not stand in an instruction: who wrote something, and how to reach anyone.

A text with any of it is turned away whole; nothing is guessed or replaced. Found are e-mail addresses (placeholders
of the privacy steps pass), telephone numbers with a country code, handles, links with user names, copyright and author
lines, and credits such as "patch by", "thanks to" before a capitalised name. Left out: names that stand alone in prose,
which no pattern tells from other capitalised words.
"""

import re

_CREDIT = "patch|based on code|contributed|reported|suggested|written|adapted|thanks|courtesy|due"
_NAME = r"[A-Z][a-z]+(?: [A-Z]\.?)*(?: [A-Z][a-z]+)+"
_HEADING = (
    "authors?|maintainers?|copyright|written by|created by|reviewed-by|signed-off-by|co-authored-by|reported-by|"
    "__author__|credits"
)
_PATTERNS = {
    "an e-mail address": r"[\w.+-]+@(?!example\b)[\w-]+\.[A-Za-z]{2,}",
    "a telephone number": r"(?<![\w.])\+\d{1,3}[ -.]?\(?\d{2,4}\)?(?:[ -.]?\d{2,4}){2,4}(?![\w.])",
    "a link with a user name": r"\b[a-z]+://[^\s/@:]+(?::[^\s/@]*)?@",
    "an author line": rf"(?im)^[\s#*+<>;%\"'.:\\/-]*(?:{_HEADING})\b\s*[:=(©\w]",
    "a credit": rf"\b(?i:{_CREDIT})(?:,? (?:provided|originally))? (?:by|to|of|from) {_NAME}",
    "a personal remark": r"\b(?:TODO|FIXME|XXX|HACK|NOTE)\s*\(\s*@?[A-Za-z][\w.-]*\s*\)",
    "a handle": r"(?<![\w./])@[A-Za-z\d][\w-]{1,38}(?=[,:]?\s+(?:said|says|wrote|suggested|suggests|reported|for))",
}
_COMPILED = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}


def personal(text: str) -> str | None:
    """What in a text points to a person, or None."""
    return next((name for name, pattern in _COMPILED.items() if pattern.search(text)), None)
