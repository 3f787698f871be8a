"""Reading what a tokenizer learns from, and measuring what it does, against counts made by hand."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from better_ai.cli.main import app
from better_ai.config import TokenizerConfig
from better_ai.errors import UserError
from better_ai.tokenizer import SPECIAL_IDS, Tokenizer, train
from better_ai.tokenizer.inputs import Text, is_heldout, read_texts
from better_ai.tokenizer.report import Codec, _byte_characters, byte_level_bpe, measure, ours


def write_corpus(folder: Path, texts: dict[str, list[tuple[str, str]]]) -> None:
    for split, rows in texts.items():
        (folder / split).mkdir(parents=True)
        table = pa.table({"content": [text for text, _ in rows], "language": [language for _, language in rows]})
        pq.write_table(table, folder / split / "00000.parquet")


def test_a_corpus_says_itself_what_is_held_out(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"train": [("a", "python"), ("b", "go")], "validation": [("c", "python")]})
    pq.write_table(pa.table({"reason": ["x"]}), tmp_path / "rejected.parquet")
    assert list(read_texts(tmp_path, "train")) == [Text("a", "python"), Text("b", "go")]
    assert list(read_texts(tmp_path, "heldout")) == [Text("c", "python")]


def test_any_other_input_is_parted_by_a_hash_of_the_text(tmp_path: Path) -> None:
    rows = [f"text {number}" for number in range(600)]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": row, "language": "go"}) + "\n\n" for row in rows))
    (tmp_path / "a.txt").write_text("plain")
    (tmp_path / ".hidden.txt").write_text("hidden")
    learned, held = (list(read_texts(tmp_path, split)) for split in ("train", "heldout"))
    assert sorted([text.content for text in learned + held]) == sorted([*rows, "plain"])
    assert {text.content for text in held} == {row for row in [*rows, "plain"] if is_heldout(row)}
    assert 0 < len(held) < len(learned) / 5
    assert {text.language for text in learned if text.content != "plain"} == {"go"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", b'["text"]\n', "line 1 holds list"),
        ("a.jsonl", b'{"body": "x"}\n', "line 1 has body; expected a column named content or text"),
        ("a.jsonl", b'{"text": 3}\n', "line 1: the text is int"),
        ("a.txt", b"caf\xe9", "not UTF-8 at byte 3"),
        ("a.parquet", b"PAR1 but no more", "cannot read"),
        ("a.csv", b"", "no .parquet, .jsonl or .txt"),
    ],
)
def test_bad_inputs_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_texts(tmp_path, "train")) + list(read_texts(tmp_path, "heldout"))


def test_a_parquet_file_without_texts_names_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="has body; expected"):
        list(read_texts(tmp_path, "train"))


def test_figures_are_those_counted_by_hand() -> None:
    letters = Codec(
        name="letters",
        vocab_size=256,
        encode=lambda text: list(text.encode()),
        decode=lambda ids: bytes(ids).decode() if 64 not in ids else "?",
        token_bytes=lambda id: bytes([id]),
        is_byte=lambda id: id >= 128,
    )
    (figures,) = measure([letters], [Text("getName é", "go"), Text("a@b", "go"), Text("", "go"), Text("x", "c")])
    by_name = {row["language"]: row for row in figures.to_dict()["languages"]}
    go = by_name["go"]
    assert (go["documents"], go["bytes"], go["tokens"], go["words"]) == (2, 13, 13, 4)
    assert (go["byte_tokens"], go["broken_round_trips"]) == (2, 1)
    assert (go["borders"], go["borders_met"]) == (1, 1)
    assert go["fertility"] == 13 / 4 and go["bytes_per_token"] == 1
    assert by_name["all"]["tokens"] == 14
    assert figures.to_dict()["vocabulary_used"] == len(set(b"getName \xc3\xa9a@bx")) / 256


def test_the_peer_is_a_byte_level_bpe_without_loss(texts: list[str], tokenizer: Tokenizer) -> None:
    assert sorted(_byte_characters().values()) == list(range(256)) and len(_byte_characters()) == 256
    peer = byte_level_bpe(texts, vocab_size=800, training_bytes=200_000)
    assert peer.vocab_size == 800
    ids = peer.encode("    naïve = 'x'\n")
    assert b"".join(map(peer.token_bytes, ids)).decode() == peer.decode(ids) == "    naïve = 'x'\n"
    mine, its = (
        result.to_dict()["languages"][-1] for result in measure([ours(tokenizer), peer], [Text(texts[0], "python")])
    )
    assert mine["broken_round_trips"] == its["broken_round_trips"] == 0
    assert mine["bytes"] == its["bytes"] == len(texts[0].encode())


@given(st.text(st.sampled_from("aB_\t\n xY<>reserved_019"), max_size=60))
def test_tabs_borders_and_reserved_tokens_keep_every_text(rich_tokenizer: Tokenizer, text: str) -> None:
    ids = rich_tokenizer.encode(text)
    assert rich_tokenizer.decode(ids) == text
    assert min(ids, default=99) >= len(SPECIAL_IDS) + 3


def test_options_shape_the_pieces(rich_tokenizer: Tokenizer) -> None:
    pieces = [rich_tokenizer.token_bytes(id) for id in range(rich_tokenizer.vocab_size)]
    assert {b"\n\t", b"\n\t\t\t", b"\n\n\t"} <= set(pieces)
    assert not [piece for piece in pieces if re.search(rb"[a-z][A-Z]|[A-Z][A-Z][a-z]|[A-Za-z0-9]_+[A-Za-z]", piece)]
    first = len(SPECIAL_IDS)
    assert pieces[first : first + 3] == [b"", b"", b""] and pieces[first + 3] != b""


@pytest.fixture(scope="module")
def rich_tokenizer(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    tabbed = [text.replace("    ", "\t").replace("is_", "isA") for text in texts]
    config = TokenizerConfig(vocab_size=800, tab_indents=3, split_identifiers=True, reserved_tokens=3)
    return train(tabbed, config, tmp_path_factory.mktemp("rich"))


def test_the_command_trains_and_reports(texts: list[str], tmp_path: Path) -> None:
    lines = [line for text in texts for line in text.split("\n\n") if line.strip()]
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps({"text": line, "language": "python"}) + "\n" for line in lines)
    )
    base = ["tokenizer", "train", "--input", str(tmp_path / "in.jsonl"), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*base, "--vocab-size", "700"], catch_exceptions=False)
    assert result.exit_code == 0 and "700 pieces" in result.output
    again = CliRunner().invoke(app, [*base, "--vocab-size", "700"])
    assert "exists already" in str(again.exception)
    report = ["tokenizer", "report", str(tmp_path / "out"), "--input", str(tmp_path / "in.jsonl"), "--json"]
    mine, peer = json.loads(CliRunner().invoke(app, report, catch_exceptions=False).stdout)
    assert mine["languages"][-1]["documents"] == peer["languages"][-1]["documents"] == sum(map(is_heldout, lines))
    assert mine["languages"][-1]["broken_round_trips"] == 0
