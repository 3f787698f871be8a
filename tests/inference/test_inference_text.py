"""Streamed text never breaks a character and never shows a part of a stop string."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from better_ai.inference.text import TextAssembler

ALPHABET = st.text(alphabet="abé€😀\n", max_size=40)


@settings(max_examples=300)
@given(text=ALPHABET, stops=st.lists(st.text(alphabet="abé\n", min_size=1, max_size=4), max_size=3), data=st.data())
def test_assembly_equals_the_slow_definition(text: str, stops: list[str], data: st.DataObject) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=len(raw))) | {0, len(raw)})
    pieces = [raw[a:b] for a, b in itertools.pairwise(cuts)]

    expected, stopped_at = text, None
    for end in cuts[1:]:  # slow definition: look at the whole decoded text after every piece
        seen = raw[:end].decode(errors="ignore")
        found = [seen.find(stop) for stop in stops if stop in seen]
        if found:
            expected, stopped_at = seen[: min(found)], end
            break

    assembler, given_out = TextAssembler(stops), []
    for piece, end in zip(pieces, cuts[1:], strict=True):
        given_out.append(assembler.push(piece))
        assert not any(stop in "".join(given_out) for stop in stops)
        assert text.startswith("".join(given_out)), "a broken character or text that the pieces do not hold"
        if assembler.stopped:
            assert end == stopped_at
            break
    given_out.append(assembler.finish())
    assert "".join(given_out) == expected
    assert assembler.stopped == (stopped_at is not None)


@given(raw=st.binary(max_size=60), cut=st.integers(0, 60))
def test_any_bytes_decode_as_python_decodes_them(raw: bytes, cut: int) -> None:
    assembler = TextAssembler()
    assert assembler.push(raw[:cut]) + assembler.push(raw[cut:]) + assembler.finish() == raw.decode(errors="replace")


def test_possible_beginnings_of_a_stop_string_are_held_back_until_decided() -> None:
    assembler = TextAssembler(["\n\nclass"])
    assert assembler.push(b"x = 1\n\n") == "x = 1"
    assert assembler.push(b"cl") == ""
    assert assembler.push(b"ip") == "\n\nclip"
    assert assembler.push(b"\n\nclass A") == ""
    assert assembler.stopped
    assert assembler.finish() == ""
