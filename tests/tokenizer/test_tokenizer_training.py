"""Training is deterministic, robust to hostile text, and its files are checked."""

import json
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from threading import Event

import pytest

from better_ai.config import TokenizerConfig
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import SPECIAL_IDS, SPECIAL_TOKENS, Tokenizer, load, train
from better_ai.tokenizer.manifest import MANIFEST_FILE, MODEL_FILE
from better_ai.tokenizer.sample import sample_lines
from better_ai.tokenizer.unigram import heard

SMALL = TokenizerConfig(vocab_size=800)


def test_equal_texts_give_equal_files_in_another_process(
    texts: list[str], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    source = tmp_path / "texts.json"
    source.write_text(json.dumps(texts))
    program = (
        "import json, sys; from better_ai.config import TokenizerConfig; from better_ai.tokenizer import train\n"
        "train(json.load(open(sys.argv[1])), TokenizerConfig(vocab_size=800), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", program, str(source), str(tmp_path / "other")], check=True, timeout=120)
    again = train(iter(texts), SMALL, tmp_path / "again")
    other = load(tmp_path / "other")
    assert again.content_id == other.content_id == tokenizer.content_id
    for name in (MODEL_FILE, MANIFEST_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_manifest_tells_where_the_pieces_come_from(tokenizer: Tokenizer, texts: list[str]) -> None:
    manifest = tokenizer.manifest
    assert manifest.config == SMALL
    assert manifest.special == SPECIAL_IDS
    assert 0 < manifest.sample_bytes < sum(len(text.encode()) for text in texts)
    assert set(manifest.libraries) == {"sentencepiece"}


def test_text_full_of_special_spellings_teaches_none(texts: list[str], tmp_path: Path) -> None:
    spellings = [*SPECIAL_TOKENS.values(), "<0x41>", "<0xFF>", "▁", "a\0b"]
    hostile = "\n".join(f"{spelling}{spelling} {spelling}" for spelling in spellings for _ in range(300))
    tokenizer = train([*texts, hostile], SMALL, tmp_path)
    learned = {tokenizer.token_bytes(id) for id in range(tokenizer.vocab_size)}
    assert not learned & {spelling.encode() for spelling in SPECIAL_TOKENS.values()}
    assert tokenizer.decode(tokenizer.encode(hostile)) == hostile


@pytest.mark.parametrize(
    ("texts", "vocab_size", "message"),
    [
        ([], 512, "no text"),
        (["\n  \n"], 512, "no text"),
        (["def f(x): return x"], 512, r"cannot learn 512 pieces .* hold at most \d+"),
        (["".join(map(chr, range(0x4E00, 0x5200)))], 512, r"more characters .* more than 1\d\d\d"),
        (["a\ud800"], 512, "lone surrogate"),
    ],
)
def test_texts_that_cannot_work_are_refused(texts: list[str], vocab_size: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        train(texts, TokenizerConfig(vocab_size=vocab_size), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sample_is_bounded_ordered_and_fixed() -> None:
    texts = [f"    line {number} of the text\n" for number in range(5000)]
    lines, num_bytes = sample_lines(texts, 10_000)
    assert num_bytes == sum(len(line) + 1 for line in lines)
    assert 9_900 < num_bytes <= 10_000
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert min(numbers) < 100 and max(numbers) > 4900, "the sample is drawn from everywhere"
    assert sample_lines(iter(texts), 10_000)[0] == lines
    assert sample_lines(texts, 1 << 30)[0] == [text.strip() for text in texts]


def test_damaged_missing_and_foreign_files_are_refused(tokenizer: Tokenizer, texts: list[str], tmp_path: Path) -> None:
    train(texts, SMALL, tmp_path)
    model, manifest = tmp_path / MODEL_FILE, tmp_path / MANIFEST_FILE
    good_model, good_manifest = model.read_bytes(), manifest.read_text()

    model.write_bytes(good_model[:-1] + bytes([good_model[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=f"{MODEL_FILE} is damaged"):
        load(tmp_path)
    model.unlink()
    with pytest.raises(ArtifactError, match=f"cannot read .*{MODEL_FILE}"):
        load(tmp_path)
    model.write_bytes(good_model)

    values = json.loads(good_manifest)
    for key, value, message in [
        ("format", "something else", "format"),
        ("format_version", 99, "format_version"),
        ("special", {**SPECIAL_IDS, "end": 77}, "special tokens"),
        ("vocab_size", 801, "vocab_size"),
    ]:
        manifest.write_text(json.dumps({**values, key: value}))
        with pytest.raises(ArtifactError, match=message):
            load(tmp_path)
    manifest.write_text("{")
    with pytest.raises(ArtifactError, match=MANIFEST_FILE):
        load(tmp_path)
    manifest.unlink()
    with pytest.raises(ArtifactError, match=f"{MANIFEST_FILE} is missing"):
        load(tmp_path)
    manifest.write_text(good_manifest)
    assert load(tmp_path).content_id == tokenizer.content_id


def test_bytes_per_token(tokenizer: Tokenizer, texts: list[str]) -> None:
    measured = tokenizer.bytes_per_token(texts)
    ids = [tokenizer.encode(text) for text in texts]
    assert measured == sum(len(text.encode()) for text in texts) / sum(map(len, ids))
    assert measured > 2
    with pytest.raises(UserError, match="no text"):
        tokenizer.bytes_per_token([])


def test_ctrl_c_does_not_wait_for_a_call_that_is_deaf_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, ended = Event(), Event()

    def deaf() -> None:
        let_go.wait()
        ended.set()

    def interrupted(self: Future[None], timeout: float | None = None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Future, "result", interrupted)
        heard(deaf)
    assert not ended.is_set()
    let_go.set()
    assert ended.wait(60)
    with pytest.raises(ZeroDivisionError):
        heard(lambda: 1 / 0)
