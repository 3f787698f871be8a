"""Streams give every token once an epoch over all ranks, and go on exactly, by any number of ranks."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading_data import PAD, assert_equal_rows, make_dataset, real_tokens

from better_ai.data import Example, PackedRows
from better_ai.data.loading import DatasetRows, RowStream, ShuffledRows, StreamingLoader, WholeDocumentRows
from better_ai.data.loading.bucketing import BucketLoader, bucket_batches
from better_ai.data.loading.buffer import BufferedRows, IterableDocuments, ParquetDocuments, reservoir_sample
from better_ai.data.loading.dataset import TokenDataset
from better_ai.data.loading.order import RandomOrder
from better_ai.data.loading.packing import PADDING_SEGMENT
from better_ai.data.loading.whole_documents import split_spans
from better_ai.data.schema import DOCUMENT_SCHEMA, document_id
from better_ai.data.step import document_batch
from better_ai.data.tables import write_parquet
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import Tokenizer
from better_ai.training import PackedRowsSource

SHARDS = [[30, 1, 4, 0, 9], [3] * 20, [100], [17, 8, 8, 40, 2]]
NUM_TOKENS = sum(map(sum, SHARDS))
T = 8


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TokenDataset:
    return make_dataset(tmp_path_factory.mktemp("dataset"), SHARDS)


def shuffled(dataset: TokenDataset, seed: int = 0) -> ShuffledRows:
    return ShuffledRows(DatasetRows(dataset, T, PAD), seed=seed)


def whole(dataset: TokenDataset, seed: int = 0) -> WholeDocumentRows:
    return WholeDocumentRows(dataset, T, PAD, seed=seed, window_documents=7)


def buffered(dataset: TokenDataset, seed: int = 0) -> BufferedRows:
    documents = IterableDocuments(dataset.documents, id=dataset.content_id)
    return BufferedRows(documents, T, PAD, seed=seed, buffer_documents=5)


STREAMS = [shuffled, whole, buffered]
MakeStream = Callable[..., RowStream]


@given(size=st.integers(1, 300), seed=st.integers(0, 99), epoch=st.integers(0, 3))
def test_an_order_is_a_permutation_that_can_be_asked_at_any_place(size: int, seed: int, epoch: int) -> None:
    order = RandomOrder(size, seed, epoch)
    every = order(np.arange(size))
    assert sorted(every.tolist()) == list(range(size))
    places = np.arange(size)[::3]
    assert order(places).tolist() == every[places].tolist()


def test_all_orders_of_four_are_equally_likely() -> None:
    """Chi-squared with 23 degrees of freedom exceeds 49.7 once in a thousand times."""
    counts = Counter(tuple(RandomOrder(4, seed)(np.arange(4)).tolist()) for seed in range(2400))
    assert len(counts) == 24
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 49.7


def test_a_long_order_looks_random() -> None:
    size = 20_011
    order = RandomOrder(size, 3)(np.arange(size))
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(np.arange(size), order)[0, 1]) < 0.03
    table = np.histogram2d(np.arange(size), order, bins=8)[0]
    assert ((table - size / 64) ** 2 / (size / 64)).sum() < 100, "chi-squared of 49 degrees of freedom"
    ascents = (np.diff(order) > 0).mean()
    assert abs(ascents - 0.5) < 0.01


def test_an_order_of_trillions_is_asked_at_one_place() -> None:
    order = RandomOrder(10**13, 1)
    places = np.array([0, 5, 10**13 - 1])
    assert len(set(order(places).tolist())) == 3 and order(places).max() < 10**13


@pytest.mark.parametrize("make", STREAMS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(world_size=st.integers(1, 5), batch_size=st.integers(1, 4), before=st.integers(0, 9), after=st.integers(1, 4))
def test_ranks_share_one_order_and_go_on_in_any_number(
    dataset: TokenDataset, make: MakeStream, world_size: int, batch_size: int, before: int, after: int
) -> None:
    def draw(loaders: list[StreamingLoader], steps: int) -> list[list[int]]:
        return [row for _ in range(steps) for loader in loaders for row in loader.next_batch().tokens.tolist()]

    def ranks(count: int, size: int) -> list[StreamingLoader]:
        return [StreamingLoader(make(dataset), size, rank=rank, world_size=count) for rank in range(count)]

    alone = ranks(1, 1)
    first = ranks(world_size, batch_size)
    assert draw(first, before) == draw(alone, before * world_size * batch_size)
    states = [loader.state_dict() for loader in first]
    assert all(state == states[0] for state in states), "every rank writes the same state"
    state = json.loads(json.dumps(states[0]))
    expected = draw(alone, after * 6)
    for count, size in ((2, 3), (3, 1), (1, 6), (world_size, batch_size)):
        going_on = ranks(count, size)
        for loader in going_on:
            loader.load_state_dict(state)
        steps = max(1, after * 6 // (count * size))
        drawn = draw(going_on, steps)
        assert drawn[: len(expected)] == expected[: len(drawn)]


@pytest.mark.parametrize("make", STREAMS)
def test_a_state_of_other_data_is_refused(dataset: TokenDataset, make: MakeStream, tmp_path: Path) -> None:
    state = make(dataset).state_dict()
    other = make_dataset(tmp_path, [[50]])
    for stream, key in ((make(dataset, 1), "seed"), (make(other), "rows|dataset|documents")):
        with pytest.raises(ArtifactError, match=f"other data: ({key}) is"):
            stream.load_state_dict(state)
    with pytest.raises(ArtifactError, match="other data"):
        make(dataset).load_state_dict({"epoch": 0, "position": 0})


@pytest.mark.parametrize("make", STREAMS)
def test_the_trainer_takes_a_stream(dataset: TokenDataset, make: MakeStream) -> None:
    source = PackedRowsSource(StreamingLoader(make(dataset), 3), gradient_accumulation_steps=2)
    source.next_step()
    assert all(np.isfinite(value) for value in source.step_metrics().values()) and source.step_metrics()
    state = source.state_dict()
    torch.save(state, dataset.folder / "state.pt")
    expected = source.next_step()
    again = PackedRowsSource(StreamingLoader(make(dataset), 3), gradient_accumulation_steps=2)
    again.load_state_dict(torch.load(dataset.folder / "state.pt", weights_only=True))
    for ours, theirs in zip(again.next_step(), expected, strict=True):
        assert torch.equal(ours.tokens_BT, theirs.tokens_BT) and torch.equal(ours.positions_BT, theirs.positions_BT)


@pytest.mark.parametrize(("size", "rank", "world_size"), [(0, 0, 1), (1, 2, 2), (1, -1, 2)])
def test_impossible_ranks_are_refused(dataset: TokenDataset, size: int, rank: int, world_size: int) -> None:
    with pytest.raises(UserError, match=f"batches of {size} rows for rank {rank} of {world_size}"):
        StreamingLoader(shuffled(dataset), size, rank=rank, world_size=world_size)


@given(world_size=st.integers(1, 5), batch_size=st.integers(1, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_every_token_comes_once_an_epoch_over_the_ranks(
    dataset: TokenDataset, world_size: int, batch_size: int
) -> None:
    loaders = [StreamingLoader(shuffled(dataset), batch_size, rank=r, world_size=world_size) for r in range(world_size)]
    count = len(DatasetRows(dataset, T, PAD))
    rows: list[list[int]] = []
    while len(rows) < 2 * count:
        for loader in loaders:
            batch = loader.next_batch()
            rows += [real_tokens(batch.take(np.array([row]))) for row in range(len(batch))]
    for epoch in (rows[:count], rows[count : 2 * count]):
        assert sorted(token for row in epoch for token in row) == list(range(NUM_TOKENS))
    assert rows[:count] != rows[count : 2 * count], "epochs differ in order"


def test_order_can_be_that_of_the_data(dataset: TokenDataset) -> None:
    stream = ShuffledRows(DatasetRows(dataset, T, PAD), seed=0, shuffle=False)
    assert real_tokens(stream.next_rows(len(stream.rows), slice(0, len(stream.rows)))) == list(range(NUM_TOKENS))
    assert stream.epoch == 1


def test_the_state_of_shuffled_rows_is_one_number_and_an_identity(dataset: TokenDataset) -> None:
    stream = shuffled(dataset)
    stream.next_rows(50_000_000, slice(3, 5))
    assert stream.state_dict().keys() == {"position", "identity"} and len(json.dumps(stream.state_dict())) < 300
    assert stream.state_dict()["position"] == 50_000_000


def rows_of_epoch(stream: WholeDocumentRows) -> list[PackedRows]:
    rows = []
    while stream.state_dict()["epoch"] == 0:
        rows.append(stream.next_rows(1, slice(0, 1)))
    return rows


def test_whole_documents_lose_no_token_and_no_target(dataset: TokenDataset) -> None:
    rows = rows_of_epoch(whole(dataset))
    assert sorted(token for row in rows for token in real_tokens(row)) == list(range(NUM_TOKENS))
    ends = set((np.cumsum([length for shard in SHARDS for length in shard]) - 1).tolist())
    for row in rows:
        assert (row.targets[row.loss_mask] == row.tokens[row.loss_mask] + 1).all(), "tokens count on in a document"
    learned = sorted(token for row in rows for token in row.tokens[row.loss_mask].tolist())
    assert learned == [token for token in range(NUM_TOKENS) if token not in ends]


def test_documents_that_fit_are_never_cut(dataset: TokenDataset) -> None:
    first = np.cumsum([0, *(length for shard in SHARDS for length in shard)])
    begins = dict(zip(first.tolist(), np.diff(first).tolist(), strict=False))
    seen = 0
    for row in rows_of_epoch(whole(dataset)):
        (tokens,), (segments,) = row.tokens, row.segment_ids
        for segment in set(segments.tolist()) - {PADDING_SEGMENT}:
            run = tokens[segments == segment].tolist()
            assert row.positions[0][segments == segment].tolist() == list(range(len(run)))
            if 0 < begins.get(run[0], T + 1) <= T:
                assert run == list(range(run[0], run[0] + begins[run[0]]))
                seen += 1
    assert seen == sum(0 < length <= T for shard in SHARDS for length in shard)


def test_a_window_is_packed_so_that_no_two_of_its_rows_would_fit_into_one(dataset: TokenDataset) -> None:
    stream = WholeDocumentRows(dataset, T, PAD, seed=0, window_documents=1000)
    rows = rows_of_epoch(stream)
    fills = sorted(int((row.segment_ids != PADDING_SEGMENT).sum()) for row in rows)
    assert fills[0] + fills[1] > T
    assert stream.epoch == 1


@given(spans=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 40)), max_size=8))
def test_split_spans(spans: list[tuple[int, int, int]]) -> None:
    given_spans = np.array([(shard, start, start + length) for shard, start, length in spans], np.int64).reshape(-1, 3)
    expected = [
        (shard, start, min(start + T, end), end)
        for shard, first, end in given_spans.tolist()
        for start in range(first, end, T)
    ]
    assert split_spans(given_spans, T).tolist() == [list(piece) for piece in expected]


def test_a_buffer_gives_each_document_once_a_pass_and_mixes_them(dataset: TokenDataset) -> None:
    stream = buffered(dataset)
    rows = stream.next_rows(200, slice(0, 200))
    counts = Counter(real_tokens(rows))
    full = 200 * T // NUM_TOKENS
    assert all(full - 2 <= counts[token] <= full + 2 for token in range(NUM_TOKENS))
    targets = rows.targets[rows.loss_mask]
    assert (targets == rows.tokens[rows.loss_mask] + 1).all()
    other = buffered(dataset, 1).next_rows(200, slice(0, 200))
    assert real_tokens(other) != real_tokens(rows)


def test_parquet_documents_go_on_inside_a_row_group(tokenizer: Tokenizer, tmp_path: Path) -> None:
    texts = [f"value = {number}\n" for number in range(30)]
    files = []
    for part in range(3):
        rows = [
            {
                "id": document_id(text.encode()), "content": text, "language": "python", "source": "s",
                "license": "MIT", "quality_score": None, "metadata": "{}",
            }
            for text in texts[part * 10 : part * 10 + 10]
        ]  # fmt: skip
        files.append(tmp_path / f"{part}.parquet")
        write_parquet([document_batch(rows if part != 1 else [])], DOCUMENT_SCHEMA, files[-1])
    documents = ParquetDocuments(files, tokenizer)
    expected = texts[:10] + texts[20:]
    assert [tokenizer.decode(next(documents).tolist()) for _ in range(43)] == (expected * 3)[:43]
    state = json.loads(json.dumps(documents.state_dict()))
    again = ParquetDocuments(files, tokenizer)
    again.load_state_dict(state)
    assert [next(again).tolist() for _ in range(25)] == [next(documents).tolist() for _ in range(25)]
    with pytest.raises(UserError, match="no document in the 1 files"):
        ParquetDocuments(files[1:2], tokenizer)
    files[0].write_bytes(b"PAR1 no")
    with pytest.raises(ArtifactError, match="cannot read"):
        ParquetDocuments(files, tokenizer)


def test_an_empty_stream_is_refused() -> None:
    def nothing() -> Iterable[np.ndarray]:
        return []

    with pytest.raises(UserError, match="'none' has no document"):
        next(IterableDocuments(nothing, id="none"))


def test_a_reservoir_holds_every_subset_equally_often() -> None:
    """Chi-squared with 20 degrees of freedom exceeds 45.3 once in a thousand times."""
    counts = Counter(tuple(sorted(reservoir_sample(range(7), 2, seed=seed))) for seed in range(4200))
    assert set(counts) == set(combinations(range(7), 2))
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 45.3
    assert reservoir_sample(iter([1, 2]), 5, seed=0) == [1, 2] and reservoir_sample([1], 0, seed=0) == []


LENGTHS = st.lists(st.integers(2, 32), min_size=1, max_size=40)


@given(lengths=LENGTHS, seed=st.integers(0, 5))
def test_bucketed_batches_hold_every_example_once_within_their_budget(lengths: list[int], seed: int) -> None:
    batches = bucket_batches(np.array(lengths), (4, 9, 32), 64, seed, 0)
    assert sorted(number for _, numbers in batches for number in numbers.tolist()) == list(range(len(lengths)))
    for bound, numbers in batches:
        assert 0 < len(numbers) * bound <= 64
        lower = {4: 0, 9: 4, 32: 9}[bound]
        assert all(lower < lengths[number] <= bound for number in numbers)


@settings(max_examples=30)
@given(lengths=LENGTHS, world_size=st.integers(1, 3), before=st.integers(0, 5))
def test_a_bucket_loader_goes_on_by_any_number_of_ranks(lengths: list[int], world_size: int, before: int) -> None:
    examples = [Example(list(range(100, 100 + length)), [True] * length) for length in lengths]

    def ranks(count: int) -> list[BucketLoader]:
        return [
            BucketLoader(examples, (4, 9, 32), 64, PAD, seed=2, rank=rank, world_size=count) for rank in range(count)
        ]

    first = ranks(world_size)
    for _ in range(before):
        for loader in first:
            loader.next_batch()
    (alone,) = ranks(1)
    alone.load_state_dict(json.loads(json.dumps(first[-1].state_dict())))
    expected = [loader.next_batch() for loader in first]
    for rows in expected:
        assert_equal_rows(alone.next_batch(), rows)
        assert rows.tokens.shape[1] in (4, 9, 32) and rows.loss_mask.any(1).all()


def test_examples_that_fit_no_bucket_are_refused() -> None:
    with pytest.raises(UserError, match="an example has 33 tokens, the longest bucket 32"):
        bucket_batches(np.array([3, 33]), (4, 32), 64, 0)
    for bounds in ((32, 4), (), (4, 65), (0, 4)):
        with pytest.raises(UserError, match="must ascend"):
            bucket_batches(np.array([3]), bounds, 64, 0)
