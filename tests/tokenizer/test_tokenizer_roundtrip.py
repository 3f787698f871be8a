"""Any text comes back exactly, and no text becomes a special token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.errors import UserError
from better_ai.tokenizer import SPECIAL_TOKENS, Tokenizer

AWKWARD = [
    "▁",
    "\0",
    "\r\n",
    "\t",
    " ",
    "    ",
    "\n",
    "\n    ",
    "\n\n\n  ",
    "<thought>",
    "<0x0A>",
    "<unk>",
    "\ue000",
    "é",
    "🙂",
]
TEXTS = st.text(st.characters(exclude_categories=("Cs",))) | st.lists(
    st.sampled_from([*AWKWARD, "def", "self.x", "1234", "\uffff", "\U0010fffd", "a\u0301", "\ufeff"])
).map("".join)


@given(text=TEXTS)
def test_round_trip_is_exact_and_plain(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert not set(ids) & set(tokenizer.special.values())


@pytest.mark.parametrize("spelling", SPECIAL_TOKENS.values())
def test_spelled_special_stays_plain(tokenizer: Tokenizer, spelling: str) -> None:
    for text in (spelling, f" {spelling}", f"x = {spelling}{spelling}\n"):
        ids = tokenizer.encode(text)
        assert not set(ids) & set(tokenizer.special.values())
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("text", ["\ud800", "▁\udfff", "ok \0 \udc80"])
def test_lone_surrogates_are_refused_by_name(tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises(UserError, match="lone surrogate"):
        tokenizer.encode(text)


def test_specials_have_no_bytes_and_are_shown_on_request(tokenizer: Tokenizer) -> None:
    special = tokenizer.special
    ids = [special["bos"], *tokenizer.encode("a"), special["thought_end"], special["unk"]]
    assert tokenizer.decode(ids) == "a"
    assert tokenizer.decode(ids, show_special=True) == "<bos>a</thought><unk>"
    assert all(tokenizer.token_bytes(id) == b"" for id in special.values())


@pytest.mark.parametrize("id", [-1, 1 << 40])
def test_ids_out_of_range_are_refused(tokenizer: Tokenizer, id: int) -> None:
    with pytest.raises(UserError, match=f"token id {id}"):
        tokenizer.decode([5, id])
    with pytest.raises(UserError, match=f"token id {id}"):
        tokenizer.token_bytes(id)


def test_broken_utf8_is_replaced(tokenizer: Tokenizer) -> None:
    smiley = tokenizer.encode("🙂")
    assert len(smiley) == 4, "the test wants a character without a piece"
    assert tokenizer.decode(smiley[:2]) == "�"
    assert tokenizer.decode_bytes(smiley[:2]) == "🙂".encode()[:2]


@pytest.mark.parametrize("indent", [0, 4, 8, 12, 16, 20, 24, 28, 32])
def test_a_line_end_and_its_indentation_are_one_piece(tokenizer: Tokenizer, indent: int) -> None:
    pieces = [tokenizer.token_bytes(id) for id in tokenizer.encode(f"pass\n{' ' * indent}return")]
    assert b"\n" + b" " * indent in pieces


def test_digits_are_split(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_bytes(id) for id in tokenizer.encode("12345")] == [b"1", b"2", b"3", b"4", b"5"]
    assert all(
        sum(byte in b"0123456789" for byte in tokenizer.token_bytes(id)) <= 1 for id in range(tokenizer.vocab_size)
    )
