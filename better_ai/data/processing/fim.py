"""Fill-in-the-middle: documents turned so that a model learns to write what stands between two parts.

Bavarian et al. 2022, arXiv 2207.14255: a document is cut in two places drawn at random, and the middle part goes last.

    PSM  <fim_prefix> prefix <fim_suffix> suffix <fim_middle> middle
    SPM  <fim_prefix> <fim_suffix> suffix <fim_middle> prefix middle        (the paper's joint form)

The cuts of `fill_in_the_middle` fall between tokens; the paper cuts between characters, which teaches a model to go on
from half a token but ties the transform to the tokenizer. `gaps` cuts texts, at characters, functions or nodes of the
syntax tree, and `arrange` puts their encoded parts in order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from better_ai.errors import UserError


def fill_in_the_middle(
    tokens: np.ndarray, generator: np.random.Generator, special: Mapping[str, int], *, spm: bool
) -> np.ndarray:
    """One document's ids, without `bos` and `eos`, in PSM or SPM form: three tokens longer."""
    first, second = sorted(generator.integers(0, len(tokens) + 1, 2))
    return arrange(tokens[:first], tokens[first:second], tokens[second:], special, spm=spm).astype(tokens.dtype)


def arrange(
    prefix: Sequence[int] | np.ndarray,
    middle: Sequence[int] | np.ndarray,
    suffix: Sequence[int] | np.ndarray,
    special: Mapping[str, int],
    *,
    spm: bool,
) -> np.ndarray:
    """Three parts of a document in PSM or SPM form."""
    before, after, between = ([special[f"fim_{name}"]] for name in ("prefix", "suffix", "middle"))
    parts = (
        [before, after, suffix, between, prefix, middle] if spm else [before, prefix, after, suffix, between, middle]
    )
    return np.concatenate([np.asarray(part, np.int64) for part in parts])


def restore(tokens: np.ndarray, special: Mapping[str, int]) -> np.ndarray:
    """The document that either form was made of. Raises UserError when the ids are in neither."""
    places = [np.flatnonzero(tokens == special[f"fim_{name}"]) for name in ("prefix", "suffix", "middle")]
    if [len(place) for place in places] != [1, 1, 1]:
        raise UserError("expected each fill-in-the-middle token once; the ids are in no fill-in-the-middle form")
    before, after, between = (int(place[0]) for place in places)
    if before != 0 or not before < after < between:
        raise UserError("expected the fill-in-the-middle tokens in the order prefix, suffix, middle")
    return np.concatenate([tokens[1:after], tokens[between + 1 :], tokens[after + 1 : between]])


def transform_documents(
    documents: Iterable[np.ndarray], special: Mapping[str, int], *, rate: float, seed: int, spm_rate: float = 0.5
) -> Iterator[np.ndarray]:
    """Turn a share of documents, each `bos` ... `eos`; a share `spm_rate` of those into SPM.

    What happens to a document depends on the seed and its number alone. With rate 0 all pass through unchanged.
    """
    for number, document in enumerate(documents):
        generator = np.random.default_rng((seed, number))
        turn, spm = generator.random(2) < (rate, spm_rate)
        if not turn:
            yield document
            continue
        inner = fill_in_the_middle(document[1:-1], generator, special, spm=bool(spm))
        yield np.concatenate([document[:1], inner, document[-1:]])
