"""Documents to training rows: token shards on disk, packing, streams of rows, mixtures and loaders."""

from better_ai.data.loading.dataset import DatasetRows, TokenDataset, write_dataset
from better_ai.data.loading.loader import BatchLoader, RowLoader, Rows
from better_ai.data.loading.mixture import BlendRecord, Mixture, mix_examples
from better_ai.data.loading.packing import BestFit, ConcatenatedRows, Example, PackedRows, best_fit, concatenate
from better_ai.data.loading.shards import TokenShard, write_token_shard
from better_ai.data.loading.stream import RowStream, ShuffledRows, StreamingLoader
from better_ai.data.loading.tokenize import tokenize_files
from better_ai.data.loading.whole_documents import WholeDocumentRows

__all__ = [
    "BatchLoader",
    "BestFit",
    "BlendRecord",
    "ConcatenatedRows",
    "DatasetRows",
    "Example",
    "Mixture",
    "PackedRows",
    "RowLoader",
    "RowStream",
    "Rows",
    "ShuffledRows",
    "StreamingLoader",
    "TokenDataset",
    "TokenShard",
    "WholeDocumentRows",
    "best_fit",
    "concatenate",
    "mix_examples",
    "tokenize_files",
    "write_dataset",
    "write_token_shard",
]
