"""What licences are called and how their texts read, in the normal form: lower-case words with one space between.

Two tables. TEXTS recognises a licence by sentences only it has. NAMES recognises its name where a text says that
something is under it. Identifiers of the SPDX licence list 3.27; `LicenseRef-...` for what has none there.
"""

import re
from dataclasses import dataclass

PERMISSION_MIT = "permission is hereby granted free of charge to any person obtaining a copy of this"
PERMISSION_ISC = "permission to use copy modify and or distribute this software for any purpose with or without fee"
SOURCE_BSD = "redistributions of source code must retain the above"
BINARY_BSD = "redistributions in binary form must reproduce the above"
DISCLAIMERS_NCSA = "this list of conditions and the following disclaimers"


@dataclass(frozen=True)
class Text:
    """A licence's own words."""

    spdx: str
    phrases: tuple[str, ...]
    """All of them stand in the text."""
    unless: tuple[str, ...] = ()
    """None of them does: they belong to a licence that says more."""
    length: int = 0
    """Normalised characters of a text that names other licences: what follows the first phrase is not searched for
    names over this length."""


TEXTS: tuple[Text, ...] = (
    Text("AGPL-3.0-only", ("gnu affero general public license version 3 19 november 2007",), length=34_000),
    Text("LGPL-2.0-only", ("gnu library general public license version 2 june 1991",), length=25_000),
    Text("LGPL-2.1-only", ("gnu lesser general public license version 2 1 february 1999",), length=26_000),
    Text("LGPL-3.0-only", ("gnu lesser general public license version 3 29 june 2007",), length=7_300),
    Text("GPL-1.0-only", ("gnu general public license version 1 february 1989",), length=12_000),
    Text("GPL-2.0-only", ("gnu general public license version 2 june 1991",), length=17_500),
    Text("GPL-3.0-only", ("gnu general public license version 3 29 june 2007",), length=34_000),
    Text("GFDL-1.3-only", ("gnu free documentation license version 1 3 3 november 2008",), length=22_000),
    Text("GFDL-1.2-only", ("gnu free documentation license version 1 2 november 2002",), length=20_000),
    Text("MPL-2.0", ("mozilla public license version 2 0 1 definitions",), length=16_000),
    Text("MPL-1.1", ("mozilla public license version 1 1 1 definitions",), length=24_500),
    Text("EPL-2.0", ("eclipse public license v 2 0 the accompanying program",), length=13_500),
    Text("EPL-1.0", ("eclipse public license v 1 0 the accompanying program",), length=11_000),
    Text("EUPL-1.2", ("european union public licence v 1 2",), length=13_500),
    Text("CDDL-1.0", ("common development and distribution license cddl version 1 0",), length=15_500),
    Text("Apache-2.0", ("apache license version 2 0 january 2004",), length=10_000),
    Text("Artistic-2.0", ("the artistic license 2 0 copyright",), length=8_800),
    Text("Artistic-1.0", ("the artistic license preamble the intent of this document",), length=6_000),
    Text("CC0-1.0", ("cc0 1 0 universal",), length=6_500),
    Text("Python-2.0", ("beopen python open source license agreement version 1", "cnri license agreement"),
         length=9_000),
    Text("PSF-2.0", ("python software foundation license version 2",), ("cnri license agreement",), length=2_500),
    Text("PSF-2.0", ("licensed to psf under a contributor agreement",)),
    Text("MIT", (PERMISSION_MIT, "the above copyright notice and this permission notice"),
         (DISCLAIMERS_NCSA, "except as contained in this notice", "shall be used for good not evil")),
    Text("MIT-0", (PERMISSION_MIT,),
         ("notice and this permission notice", "subject to the following conditions", DISCLAIMERS_NCSA)),
    Text("X11", (PERMISSION_MIT, "except as contained in this notice")),
    Text("JSON", (PERMISSION_MIT, "shall be used for good not evil")),
    Text("NCSA", (PERMISSION_MIT, DISCLAIMERS_NCSA)),
    Text("BSD-4-Clause", (SOURCE_BSD, BINARY_BSD, "all advertising materials mentioning features")),
    Text("BSD-3-Clause", (SOURCE_BSD, BINARY_BSD, "to endorse or promote products"),
         ("all advertising materials mentioning features", DISCLAIMERS_NCSA)),
    Text("BSD-2-Clause", (SOURCE_BSD, BINARY_BSD),
         ("to endorse or promote products", "all advertising materials mentioning features", DISCLAIMERS_NCSA)),
    Text("0BSD", (f"{PERMISSION_ISC} is hereby granted",), (f"{PERMISSION_ISC} is hereby granted provided that",)),
    Text("ISC", (f"{PERMISSION_ISC} is hereby granted provided that the above copyright notice",)),
    Text("ISC", ("permission to use copy modify and distribute this software for any purpose with or without fee is "
                 "hereby granted provided that the above copyright notice",)),
    Text("PostgreSQL", ("permission to use copy modify and distribute this software and its documentation for any "
                        "purpose without fee and without a written agreement is hereby granted",)),
    Text("BSL-1.0", ("permission is hereby granted free of charge to any person or organization obtaining a copy of "
                     "the software and accompanying documentation covered by this license",)),
    Text("BSL-1.0", ("boost software license version 1 0",)),
    Text("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    Text("WTFPL", ("do what the fuck you want to",)),
    Text("Zlib", ("altered source versions must be plainly marked as such", "in no event will the author"),
         ("acknowledgment in the product documentation is required",)),
    Text("OFL-1.1", ("sil open font license version 1 1",), length=4_000),
    Text("MS-PL", ("microsoft public license ms pl",)),
    Text("UPL-1.0", ("the universal permissive license upl version 1 0",)),
    Text("BlueOak-1.0.0", ("blue oak model license",)),
    Text("AFL-3.0", ("licensed under the academic free license version 3 0",)),
    Text("ZPL-2.1", ("zope public license zpl version 2 1",)),
    Text("Beerware", ("the beer ware license",)),
    Text("OpenSSL", ("this product includes software developed by the openssl project",)),
    Text("CECILL-2.1", ("cecill free software license agreement version 2 1",), length=20_000),
    Text("SSPL-1.0", ("server side public license",)),
    Text("BUSL-1.1", ("business source license 1 1",)),
    Text("Elastic-2.0", ("elastic license 2 0",)),
    Text("LicenseRef-Commons-Clause", ("commons clause license condition",)),
    Text("LicenseRef-PolyForm", ("polyform project org licenses",)),
    *(Text("LicenseRef-proprietary", (phrase,)) for phrase in (
        "proprietary and confidential",
        "confidential and proprietary",
        "unauthorized copying of this file",
        "may not be used copied or distributed without",
        "for evaluation purposes only",
        "this is unpublished proprietary source code",
        "is the proprietary property of",
    )),
)  # fmt: skip
"""Every one that fits counts, in this order."""

_LICENSE = "licen[cs]es?"
_PUBLIC = f"public {_LICENSE}"

NAMES: tuple[tuple[str, str], ...] = (
    ("AGPL", rf"(?:gnu )?affero (?:gnu )?(?:general )?{_PUBLIC}|a ?gpl"),
    ("LGPL", rf"(?:gnu )?(?:lesser|library)(?: or library)? (?:general )?{_PUBLIC}|(?:gnu )?l ?gpl|gnu lesser"),
    ("GFDL", rf"(?:gnu )?free documentation {_LICENSE}|gfdl"),
    ("GPL", rf"(?:gnu )?general {_PUBLIC}|gnu {_PUBLIC}|(?:gnu )?g ?p ?l|gnu copyleft|licence publique generale gnu"),
    ("SSPL-1.0", rf"server side {_PUBLIC}|sspl"),
    ("MPL", rf"mozilla {_PUBLIC}|mpl"),
    ("EPL", rf"eclipse {_PUBLIC}|epl"),
    ("EUPL-1.2", rf"european union {_PUBLIC}|eupl"),
    ("CDDL-1.0", rf"common development and distribution {_LICENSE}|cddl"),
    ("CECILL-2.1", "cecill"),
    ("BUSL-1.1", rf"business source {_LICENSE}|busl"),
    ("Apache-2.0", rf"apache(?: software)?(?: {_LICENSE})?(?: version)?(?: v)? ?2(?: 0)?(?: {_LICENSE})?"),
    ("Apache-2.0", rf"apache(?: software)? {_LICENSE}|asl 2(?: 0)?|apache"),
    ("0BSD", "0 ?bsd|(?:zero|0) clause bsd|bsd (?:zero|0) clause"),
    ("BSD-2-Clause", "(?:2|two) clause (?:simplified )?bsd|bsd (?:2|two) clause|simplified bsd|freebsd"),
    ("BSD-4-Clause", "(?:4|four) clause bsd|bsd (?:4|four) clause|original bsd|old bsd"),
    ("BSD-3-Clause", "(?:3|three) clause bsd|bsd (?:3|three) clause|(?:new|modified|revised) bsd|bsd"),
    ("MIT-0", "mit 0"),
    ("MIT", "mit|expat"),
    ("ISC", rf"isc(?: {_LICENSE})?|iscl"),
    ("PSF-2.0", rf"(?:the )?python software foundation(?: {_LICENSE})?|psf(?: 2(?: 0)?)?|psfl|python {_LICENSE}"),
    ("Unlicense", "unlicense|the unlicence"),
    ("CC0-1.0", "cc0|creative commons zero|cc zero"),
    ("CC-BY-NC-SA-4.0", "cc by nc sa|creative commons attribution non ?commercial share ?alike"),
    ("CC-BY-NC-ND-4.0", "cc by nc nd|creative commons attribution non ?commercial no ?deriv\\w+"),
    ("CC-BY-NC-4.0", "cc by nc|creative commons attribution non ?commercial"),
    ("CC-BY-ND-4.0", "cc by nd|creative commons attribution no ?deriv\\w+"),
    ("CC-BY-SA-4.0", "cc by sa|creative commons attribution share ?alike"),
    ("CC-BY-4.0", "cc by|creative commons attribution"),
    ("Zlib", "zlib|zlib libpng"),
    ("BSL-1.0", rf"boost(?: software {_LICENSE})?|bsl 1 0"),
    ("WTFPL", "wtfpl"),
    ("Artistic-2.0", rf"artistic(?: {_LICENSE})? (?:version )?2(?: 0)?"),
    ("Artistic-1.0", rf"artistic {_LICENSE}"),
    ("OFL-1.1", rf"(?:sil )?open font {_LICENSE}|ofl"),
    ("MS-PL", rf"microsoft {_PUBLIC}|ms pl"),
    ("PostgreSQL", rf"postgresql {_LICENSE}|postgresql"),
    ("ZPL-2.1", rf"zope {_PUBLIC}|zpl"),
    ("NCSA", "(?:university of illinois )?ncsa"),
    ("UPL-1.0", rf"universal permissive {_LICENSE}"),
    ("BlueOak-1.0.0", "blue ?oak"),
    ("AFL-3.0", rf"academic free {_LICENSE}"),
    ("HPND", "historical permission notice and disclaimer|hpnd"),
    ("LicenseRef-public-domain", "public domain"),
    ("LicenseRef-proprietary", rf"proprietary {_LICENSE}|commercial {_LICENSE}|(?:other )?proprietary"),
)  # fmt: skip
"""Identifier or family -> the names, tried in this order at each place."""

VERSIONED: dict[str, tuple[str, ...]] = {
    "AGPL": ("3.0", "1.0"),
    "LGPL": ("2.0", "2.1", "3.0"),
    "GPL": ("1.0", "2.0", "3.0"),
    "GFDL": ("1.3", "1.2", "1.1"),
    "MPL": ("2.0", "1.1", "1.0"),
    "EPL": ("2.0", "1.0"),
}
"""Families: the versions there are, first the one that holds when none is named (for GNU licences: or any later)."""

_ALL_NAMES = "|".join(f"(?P<n{number}>{names})" for number, (_, names) in enumerate(NAMES))
NAME = re.compile(rf"\b(?:{_ALL_NAMES})(?=v?\d|\b)")
"""Any of them; the group that matched is `n` and its position in NAMES."""

INTRODUCTION = (
    "under|terms of|conditions of|subject to|governed by|covered by|according to|released as|rights to the|"
    "licen[cs]ed?|licen[cs]es|licensing|licen[cs]ed? to you|copying|copyleft|module licen[cs]e|see the|"
    "lizenz|lizenziert|unter|licencia|bajo|sous|selon|licenza|termos da|copy of the"
)
"""Words after which, within a few words, a licence's name says that the text is under it."""

SPEAKS_OF = (
    r"\b(?:in|non)?compatib|\bnot\b|n t\b|\bnon\b|\bunlike\b|\bnever\b|\bwithout\b|\bexcept the\b"
    r"|\binstead of\b|\bsuch as\b|\bother software\b"
)
"""Between introduction and name, or shortly before: the text speaks of the licence but is not under it."""
