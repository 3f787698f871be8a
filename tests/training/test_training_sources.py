import math
from pathlib import Path

import numpy as np
import pytest
import torch
from byte_batches import tiny_config, tiny_model

from better_ai.data import Example, PackedRows, RowLoader, best_fit, concatenate
from better_ai.errors import ArtifactError
from better_ai.training import CausalLMObjective, PackedRowsSource, TokenBatch, Trainer, bits_per_byte

BOS, EOS, PAD = 1, 2, 3


def documents(seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 40, 12)
    return [[BOS, *generator.integers(10, 512, length).tolist(), EOS] for length in lengths]


def packed(seq_len: int = 32, seed: int = 0) -> PackedRows:
    rows = concatenate(documents(seed), seq_len, PAD)
    return rows.take(np.arange(len(rows)))


def source(micro_rows: int, accumulation: int, *, data_seed: int = 0) -> PackedRowsSource:
    return PackedRowsSource(RowLoader(packed(seed=data_seed), micro_rows, seed=4), accumulation)


def test_a_step_is_the_same_rows_however_it_is_split() -> None:
    for _ in range(5):
        whole, split = source(6, 1), source(2, 3)
        (one,), parts = whole.next_step(), split.next_step()
        assert torch.equal(one.tokens_BT, torch.cat([part.tokens_BT for part in parts]))
        assert [len(part.tokens_BT) for part in parts] == [2, 2, 2]


def test_goes_on_where_its_state_was_taken_and_refuses_other_data() -> None:
    first = source(3, 2)
    for _ in range(7):
        first.next_step()
    state = first.state_dict()
    second = source(3, 2)
    second.load_state_dict(state)
    for ours, theirs in zip(first.next_step(), second.next_step(), strict=True):
        assert torch.equal(ours.tokens_BT, theirs.tokens_BT)
    with pytest.raises(ArtifactError, match="other data"):
        source(3, 2, data_seed=1).load_state_dict(state)


def test_training_on_packed_rows_resumes_to_the_same_bits(tmp_path: Path) -> None:
    ends = []
    for name, stops in (("alone", ()), ("stopped", (2, 5))):
        for stop_at in (*stops, 99):
            model, steps = tiny_model(), []
            trainer = Trainer(
                model, CausalLMObjective(), source(3, 2), tiny_config(), folder=tmp_path / name,
                on_step=lambda report, steps=steps: steps.append(report.step),
                stop=lambda steps=steps, stop_at=stop_at: stop_at in steps,
            )  # fmt: skip
            if stop_at == 99:
                trainer.run()
            else:
                with pytest.raises(KeyboardInterrupt):
                    trainer.run()
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_packed_documents_cost_what_each_costs_alone() -> None:
    model = tiny_model(zero_init_residual=False)
    examples = [Example(document, [False] + [True] * (len(document) - 1)) for document in documents()]
    rows = best_fit(examples, 64, PAD).rows
    objective = CausalLMObjective()
    together = sum(objective(model, batch).loss_sum for batch in PackedRowsSource.batches(rows, 3))
    alone = torch.zeros(())
    for document in documents():
        ids = torch.tensor(document)
        logits = model(ids[None, :-1]).logits[0]
        alone += torch.nn.functional.cross_entropy(logits, ids[1:], reduction="sum")
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-3)


def test_validation_batches_hold_every_row_once_in_order() -> None:
    rows = packed()
    for size in (1, 4, len(rows), 100):
        batches = PackedRowsSource.batches(rows, size)
        assert all(0 < len(batch.tokens_BT) <= size for batch in batches)
        assert np.array_equal(torch.cat([batch.tokens_BT for batch in batches]).numpy(), rows.tokens)


def test_bits_per_byte_of_a_model_that_knows_nothing_is_the_logarithm_of_its_vocabulary() -> None:
    model = tiny_model()
    torch.nn.init.zeros_(model.embedding)
    batches = PackedRowsSource.batches(packed(), 2)
    num_targets = sum(len(document) - 1 for document in documents())
    num_bytes = 3 * num_targets
    assert sum(int(batch.loss_mask_BT.sum()) for batch in batches) == num_targets
    assert bits_per_byte(model, batches, num_bytes) == pytest.approx(math.log2(512) / 3, rel=1e-6)


def test_bits_per_byte_does_not_depend_on_the_batches() -> None:
    model = tiny_model(zero_init_residual=False)
    values = [bits_per_byte(model, PackedRowsSource.batches(packed(), size), 1000) for size in (1, 5)]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_splitting_a_batch_keeps_every_row() -> None:
    (batch,) = PackedRowsSource.batches(packed(), 100)
    parts = batch.split(3)
    for name in ("tokens_BT", "targets_BT", "loss_mask_BT", "positions_BT", "segment_ids_BT"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    assert isinstance(parts[0], TokenBatch) and sum(part.num_tokens for part in parts) == batch.num_tokens
