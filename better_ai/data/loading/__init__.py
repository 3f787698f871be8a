"""Documents to training rows: token shards on disk, packing, and loaders."""

from better_ai.data.loading.loader import RowLoader, Rows
from better_ai.data.loading.packing import BestFit, ConcatenatedRows, Example, PackedRows, best_fit, concatenate
from better_ai.data.loading.shards import TokenShard, write_token_shard

__all__ = [
    "BestFit",
    "ConcatenatedRows",
    "Example",
    "PackedRows",
    "RowLoader",
    "Rows",
    "TokenShard",
    "best_fit",
    "concatenate",
    "write_token_shard",
]
