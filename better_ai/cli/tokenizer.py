"""`better-ai tokenizer`: train one, and see how well it does."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from better_ai.cli.options import JsonOption
from better_ai.cli.text import plain

app = typer.Typer(no_args_is_help=True)

InputOption = Annotated[
    Path, typer.Option("--input", help="A corpus folder, or files: .parquet, .jsonl (content or text), .txt.")
]


@app.command()
def train(
    source: InputOption,
    output_dir: Annotated[Path, typer.Option(help="A new folder for the tokenizer.")],
    vocab_size: Annotated[int, typer.Option(help="Number of pieces, special ones included.")] = 65536,
    training_bytes: Annotated[int, typer.Option(help="Text to learn from: a fixed sample of the lines.")] = 64_000_000,
    tab_indents: Annotated[int, typer.Option(help="Deepest indentation by tabs that is one piece.")] = 8,
    split_identifiers: Annotated[
        bool, typer.Option(help="Let no piece cross a border inside camelCase or snake_case.")
    ] = True,
    reserved_tokens: Annotated[int, typer.Option(help="Control tokens kept free for later use.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a SentencePiece unigram tokenizer with byte fallback; one text in twenty is held out for the report."""
    from better_ai.artifacts import atomic_folder
    from better_ai.cli.progress import counting, stopping
    from better_ai.config import TokenizerConfig
    from better_ai.tokenizer import load
    from better_ai.tokenizer import train as train_tokenizer
    from better_ai.tokenizer.inputs import read_texts

    config = TokenizerConfig.parse(
        {
            "vocab_size": vocab_size,
            "training_bytes": training_bytes,
            "tab_indents": tab_indents,
            "split_identifiers": split_identifiers,
            "reserved_tokens": reserved_tokens,
        },
        where="tokenizer",
    )
    errors = Console(stderr=True, highlight=False, emoji=False)
    with stopping("Nothing was written; the same command begins again."), atomic_folder(output_dir) as folder:
        texts = counting(errors, "reading and learning", read_texts(source, "train"))
        train_tokenizer((text.content for text in texts), config, folder)
    tokenizer = load(output_dir)
    if as_json:
        typer.echo(tokenizer.manifest.model_dump_json(indent=2))
        return
    print_to = Console(highlight=False, emoji=False)
    print_to.print(
        f"{tokenizer.vocab_size:,} pieces from {tokenizer.manifest.sample_bytes:,} bytes of text in {plain(output_dir)}"
    )
    print_to.print(f"next:   better-ai tokenizer report {plain(output_dir)} --input {plain(source)}", soft_wrap=True)


@app.command()
def report(
    tokenizer: Annotated[Path, typer.Argument(help="The folder of a tokenizer.")],
    source: InputOption,
    peer: Annotated[bool, typer.Option(help="Also train a byte-level BPE of the same size to compare with.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Measure bytes per token by language, fertility and round trips on texts that were held out from training."""
    from better_ai.cli.progress import counting
    from better_ai.tokenizer import load
    from better_ai.tokenizer.inputs import read_texts
    from better_ai.tokenizer.report import byte_level_bpe, measure, ours

    loaded = load(tokenizer)
    errors = Console(stderr=True, highlight=False, emoji=False)
    codecs = [ours(loaded)]
    if peer:
        texts = counting(errors, "training the peer", read_texts(source, "train"))
        codecs.append(
            byte_level_bpe(
                (text.content for text in texts),
                vocab_size=loaded.vocab_size,
                training_bytes=loaded.manifest.config.training_bytes,
            )
        )
    measured = measure(codecs, counting(errors, "measuring", read_texts(source, "heldout")))
    figures = [result.to_dict() for result in measured]
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    console = Console(highlight=False, emoji=False)
    for result in figures:
        console.print(_table(result))


def _table(result: dict[str, Any]) -> Table:
    table = Table(
        title=f"{result['name']}, {result['vocab_size']:,} pieces, {result['vocabulary_used']:.0%} of them used here"
    )
    table.add_column("language")
    for title in ("docs", "kB", "B/token", "tok/word", "borders", "bytes", "broken"):
        table.add_column(title, justify="right")
    for row in result["languages"]:
        table.add_row(
            plain(row["language"]),
            f"{row['documents']:,}",
            f"{row['bytes'] / 1000:,.0f}",
            f"{row['bytes_per_token']:.3f}" if row["tokens"] else "-",
            f"{row['fertility']:.2f}" if row["words"] else "-",
            f"{row['word_borders_met']:.0%}" if row["borders"] else "-",
            f"{row['byte_token_share']:.2%}" if row["tokens"] else "-",
            str(row["broken_round_trips"]),
            end_section=row is result["languages"][-2] if len(result["languages"]) > 1 else False,
        )
    return table
