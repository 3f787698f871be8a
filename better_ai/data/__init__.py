"""Data: documents from sources to training rows, and conversations."""

from better_ai.data.chat import Conversation, Message, MessageSpan, RenderedChat, ToolCall, color_trained, render
from better_ai.data.corpus import (
    CORPUS_FILE,
    SPLITS,
    TIMINGS_FILE,
    TRAIN,
    VALIDATION,
    CorpusStats,
    build_corpus,
    corpus_files,
    corpus_texts,
    read_corpus,
)
from better_ai.data.loading.loader import RowLoader
from better_ai.data.loading.packing import BestFit, ConcatenatedRows, Example, PackedRows, best_fit, concatenate
from better_ai.data.loading.shards import TokenShard, write_token_shard
from better_ai.data.processing.fim import fill_in_the_middle, transform_documents
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_FILE, REJECTED_SCHEMA
from better_ai.data.tables import read_documents, read_rejected

__all__ = [
    "CORPUS_FILE",
    "DOCUMENT_SCHEMA",
    "REJECTED_FILE",
    "REJECTED_SCHEMA",
    "SPLITS",
    "TIMINGS_FILE",
    "TRAIN",
    "VALIDATION",
    "BestFit",
    "ConcatenatedRows",
    "Conversation",
    "CorpusStats",
    "Example",
    "Message",
    "MessageSpan",
    "PackedRows",
    "RenderedChat",
    "RowLoader",
    "TokenShard",
    "ToolCall",
    "best_fit",
    "build_corpus",
    "color_trained",
    "concatenate",
    "corpus_files",
    "corpus_texts",
    "fill_in_the_middle",
    "read_corpus",
    "read_documents",
    "read_rejected",
    "render",
    "transform_documents",
    "write_token_shard",
]
