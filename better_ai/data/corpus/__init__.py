"""A corpus: built from sources, and read."""

from better_ai.data.corpus.build import build_corpus
from better_ai.data.corpus.files import (
    SPLITS,
    TRAIN,
    VALIDATION,
    corpus_files,
    corpus_texts,
    read_corpus,
)
from better_ai.data.corpus.report import CORPUS_FILE, TIMINGS_FILE, CorpusStats

__all__ = [
    "CORPUS_FILE",
    "SPLITS",
    "TIMINGS_FILE",
    "TRAIN",
    "VALIDATION",
    "CorpusStats",
    "build_corpus",
    "corpus_files",
    "corpus_texts",
    "read_corpus",
]
