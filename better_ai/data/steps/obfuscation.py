"""A score from 0 to 1 of how much a document looks like malware or like code made unreadable.

Each signal has a weight, the score it gives alone; together they give 1 - product(1 - weight), so that two weak signals
are more than one and none takes another back. The signals are the constructions of published stagers and packers
(MITRE ATT&CK T1027 obfuscation, T1059 interpreters, T1105 download and run) and of Trojan Source (arXiv:2111.00169).
Words alone are none: `eval` or `base64` is everyday code, `eval` of what `base64` decoded in the same breath is not.

Left out: data flow, so that a decoder two functions away is not seen, and signatures of known samples.
"""

import json
import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from better_ai.config.data import ObfuscationConfig
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns

TAGS = pa.schema([pa.field("score", pa.float64()), pa.field("signals", pa.string())])
"""`signals`: a JSON object of the weights of what was found."""

_RUN = r"(?:(?<![\w.$])(?:exec|eval|Function|loadstring|Invoke-Expression|IEX|os\.system)\s*\(|@eval\s*\(|\|\s*iex\b)"
_DECODE = (
    r"(?:b64decode|b32decode|a85decode|atob|fromhex|unhexlify|decompress|marshal\.loads|gzinflate|gzuncompress|str_rot13"
    r"|base64_decode|unescape\(|FromBase64String|fromCharCode|codecs\.decode|base64\s+(?:-d|-D|--decode))"
)
_FETCH = r"(?:urlopen|urlretrieve|requests\.get|DownloadString|DownloadData|Invoke-WebRequest|file_get_contents\(.http)"

SIGNALS: tuple[tuple[str, float, tuple[str, ...], str], ...] = (
    ("runs_decoded_text", 0.9, ("decode", "atob", "hex", "decompress", "marshal", "gzinflate", "rot13", "unescape",
                                "FromBase64", "fromCharCode", "gzuncompress"), rf"{_RUN}[^\n#]{{0,120}}?{_DECODE}"),
    ("pipes_decoded_text", 0.9, ("base64",), r"base64\s+(?:-d|-D|--decode)[^\n]{0,40}\|\s*(?:ba|z|da)?sh\b"),
    ("runs_downloaded_text", 0.8, ("urlopen", "requests.get", "Download", "WebRequest", "file_get_contents"),
     rf"{_RUN}[^\n#]{{0,120}}?{_FETCH}|(?:IEX|iex)\b[^\n]{{0,80}}{_FETCH}"),
    ("pipes_download_to_shell", 0.3, ("curl", "wget"), r"(?:curl|wget)\s[^\n|]{1,200}\|\s*(?:sudo\s+)?(?:ba|z)?sh\b"),
    ("reverse_shell", 0.95, ("/dev/tcp/", "dup2", "nc ", "ncat", "pty.spawn", "TCPClient", "fsockopen"),
     r"/dev/tcp/\d|\bnc(?:at)?\s+(?:-\w+\s+)*-\w*[ec]\s*(?:/bin/)?(?:ba)?sh"
     r"|\.connect\(\([^\n]{0,200}(?:\n[^\n]{0,200}){0,6}?os\.dup2\(|os\.dup2\([^\n]{0,80}(?:\n[^\n]{0,80}){0,6}?/bin/(?:ba)?sh"
     r"|fsockopen\([^\n]{0,200}/bin/(?:ba)?sh|Net\.Sockets\.TCPClient\([^\n]{0,600}(?:iex|Invoke-Expression)"),
    ("hidden_window", 0.75, ("owershell",), r"(?i)powershell[^\n]{0,120}-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{40}"),
    ("packed", 0.9, ("pyarmor", "pytransform", "eval(function(p,a,c,k,e", "__pyarmor__"),
     r"__pyarmor__|\bpytransform\b|eval\(function\(p,a,c,k,e"),
    ("scrambled_names", 0.75, ("_0x",), r"(?:[^\n]*?\b_0x[0-9a-f]{4,}\b){10}|(?:_0x[0-9a-f]{4,}\b[\s\S]{0,400}?){20}"),
    ("look_alike_names", 0.6, ("IlI", "lIl", "O0O", "0O0", "lll"), r"(?:\b[lIO01]{8,}\b[\s\S]{0,300}?){10}"),
    ("escaped_text", 0.5, ("\\x",), r"(?:\\x[0-9a-fA-F]{2}){40}"),
    ("text_from_character_codes", 0.75, ("chr(", "fromCharCode", "Chr(", "[char]"),
     r"(?i)(?:chr\(\s*\d+\s*\)\s*[.+&,]\s*){15}|fromCharCode\(\s*(?:\d+\s*,\s*){20}|(?:\[char\]\d+\s*\+\s*){15}"),
    ("code_out_of_sight", 0.75, (" " * 200,), r"\S[ \t]{200,}[^\s#]"),
    ("hidden_direction_marks", 0.75, ("\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068"),
     "[\u202a-\u202e\u2066-\u2069]"),
    ("steals_browser_data", 0.75, ("Login Data", "leveldb", "wallet.dat"),
     r"(?:Login Data|Local Storage.{1,4}leveldb|wallet\.dat)[\s\S]{0,4000}?(?:webhook|CryptUnprotect|sendDocument)"),
)  # fmt: skip
"""Name, weight, words of which one must be there, and the construction."""

_PATTERNS = tuple((name, weight, words, re.compile(pattern)) for name, weight, words, pattern in SIGNALS)

ENCODED_RUN_BYTES = 120
"""A shorter run of the base64 alphabet is a name, a path or a digest."""
_ALPHABET = np.zeros(256, dtype=bool)
_ALPHABET[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")] = True
_MIXED = re.compile(rb"(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9])|[0-9a-fA-F]+\Z")


def obfuscation(config: ObfuscationConfig) -> Step:
    """Tag each document with its score and signals; turn away high scores, note the others in the metadata."""

    def problem(score: float, signals: str) -> str | None:
        if score <= config.max_score:
            return None
        return f"scores {score}, more than {config.max_score}: {', '.join(json.loads(signals))}"

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        scores, signals = (tags.column(name).to_pylist() for name in TAGS.names)
        metadata = [
            _with_signals(old, found) if score else old
            for old, score, found in zip(batch.column("metadata").to_pylist(), scores, signals, strict=True)
        ]
        noted = replace_columns(batch, {"metadata": pa.array(metadata, pa.string())})
        return reject_rows(noted, "obfuscation", [*map(problem, scores, signals)])

    return Step("obfuscation", judge, _tag, TAGS, {"version": 1})


def find_signals(text: str) -> dict[str, float]:
    """The signals of a document with their weights."""
    return dict(_signals(text))


def score_signals(signals: dict[str, float]) -> float:
    """1 - product(1 - weight)."""
    clean = 1.0
    for weight in signals.values():
        clean *= 1 - weight
    return round(1 - clean, 4)


def _signals(text: str) -> Iterator[tuple[str, float]]:
    for name, weight, words, pattern in _PATTERNS:
        if any(word in text for word in words) and pattern.search(text):
            yield name, weight
    content = text.encode()
    share = _encoded_share(content)
    if share > 0.05:
        yield "encoded_text", round(min(0.65, share), 4)
    if _is_minified(content):
        yield "minified", 0.5


def _encoded_share(content: bytes) -> float:
    """Share of the bytes in long runs that look like base64 or hex."""
    if len(content) < ENCODED_RUN_BYTES:
        return 0.0
    inside = _ALPHABET[np.frombuffer(content, dtype=np.uint8)]
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    long = np.flatnonzero(ends - starts >= ENCODED_RUN_BYTES)
    runs = [content[starts[run] : ends[run]] for run in long]
    return sum(len(run) for run in runs if _MIXED.match(run)) / len(content)


def _is_minified(content: bytes) -> bool:
    """Long lines without spaces: code from which they were taken out."""
    lines = content.count(b"\n") + 1
    if len(content) / lines < 200:
        return False
    return content.count(b" ") / len(content) < 0.06 and max(map(len, content.split(b"\n"))) > 500


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    found = [find_signals(text) for text in batch.column("content").to_pylist()]
    scores = pa.array([score_signals(signals) for signals in found], pa.float64())
    signals = pa.array([json.dumps(signals, sort_keys=True) for signals in found], pa.string())
    return pa.RecordBatch.from_arrays([scores, signals], schema=TAGS)


def _with_signals(metadata: str, signals: str) -> str:
    return json.dumps({**json.loads(metadata), "obfuscation": json.loads(signals)}, sort_keys=True, ensure_ascii=False)
