"""Shares are exact at every moment, weights may change, and a blend comes again bit by bit from its record."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading_data import PAD, assert_equal_rows, make_dataset

from better_ai.config.data.loading import MixtureConfig, WeightChange
from better_ai.data.loading import (
    BlendRecord,
    DatasetRows,
    Mixture,
    ShuffledRows,
    StreamingLoader,
    WholeDocumentRows,
    mix_examples,
)
from better_ai.data.loading.mixer import ExcessLossWeights, Mixer, temperature_weights
from better_ai.errors import ArtifactError, UserError

T = 8


def deviations(weights: list[float], draws: int) -> np.ndarray:
    """Rows drawn minus rows due, of each source after each draw."""
    chosen = Mixer(weights).draw(draws)[:, None] == np.arange(len(weights))
    shares = np.array(weights) / sum(weights)
    return np.cumsum(chosen, axis=0) - shares * np.arange(1, draws + 1)[:, None]


@pytest.mark.parametrize("weights", [[70, 20, 10], [75, 25], [0.7, 0.2, 0.1], [1, 1, 1], [3], [0.999, 0.001]])
def test_shares_are_exact_within_one_row_at_every_prefix(weights: list[float]) -> None:
    assert np.abs(deviations(weights, 10_000)).max() < 1


def test_round_numbers_are_hit_exactly() -> None:
    mixer = Mixer([70, 20, 10])
    for hundreds in range(1, 50):
        mixer.draw(100)
        assert mixer.counts == [70 * hundreds, 20 * hundreds, 10 * hundreds]


@given(weights=st.lists(st.integers(1, 1000), min_size=2, max_size=12))
def test_the_bound_of_tijdeman_holds_for_any_weights(weights: list[int]) -> None:
    """In exact arithmetic: at most 1 - 1/(2S - 2) from the share."""
    bound, total = 1 - Fraction(1, 2 * len(weights) - 2), sum(weights)
    mixer = Mixer(weights)
    for drawn in range(1, 150):
        mixer.draw(1)
        for weight, count in zip(weights, mixer.counts, strict=True):
            assert abs(Fraction(weight * drawn, total) - count) <= bound + Fraction(1, 10**9)


def test_the_largest_deficit_does_not_hold_the_bound() -> None:
    """The plain rule fails where this one does not."""
    weights = [290, 290, 5, 20]
    shares, counts = np.array(weights) / sum(weights), np.zeros(4)
    worst = 0.0
    for drawn in range(1, 49):
        counts[np.argmax(shares * drawn - counts)] += 1
        worst = max(worst, np.abs(shares * drawn - counts).max())
    assert worst > 1
    assert np.abs(deviations(weights, 2000)).max() <= 1 - 1 / 6 + 1e-9


def test_a_source_of_weight_0_is_never_drawn_and_debts_outlive_a_change_of_weights() -> None:
    """Weights 60/40 changed to themselves after every draw would always draw the first if debts were forgotten."""
    mixer = Mixer([0.6, 0.4, 0])
    for _ in range(1000):
        mixer.draw(1)
        mixer.set_weights([0.6, 0.4, 0])
    assert mixer.counts == [600, 400, 0]
    mixer.set_weights([0, 0.5, 0.5])
    mixer.draw(100)
    assert mixer.counts[0] == 600 and abs(mixer.counts[2] - 50) <= 1


@given(phases=st.lists(st.tuples(st.integers(1, 9), st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any))))
def test_changing_weights_keep_close_to_what_was_due(phases: list[tuple[int, list[int]]]) -> None:
    mixer, due = Mixer([1, 1, 1, 1]), np.zeros(4)
    for draws, weights in phases:
        silent = [weight == 0 for weight in weights]
        before = list(mixer.counts)
        mixer.set_weights(weights)
        mixer.draw(draws)
        due += np.array(weights) / sum(weights) * draws
        assert all(count == old for count, old, off in zip(mixer.counts, before, silent, strict=True) if off)
        assert sum(mixer.counts) == pytest.approx(due.sum())


@given(before=st.integers(0, 40), weights=st.lists(st.floats(0.01, 5), min_size=1, max_size=5))
def test_a_mixer_goes_on_from_its_state(before: int, weights: list[float]) -> None:
    mixer, other = Mixer(weights), Mixer([1.0] * len(weights))
    mixer.draw(before)
    mixer.set_weights([weight + 1 for weight in weights])
    mixer.draw(before)
    other.load_state_dict(json.loads(json.dumps(mixer.state_dict())))
    assert other.draw(50).tolist() == mixer.draw(50).tolist()


@pytest.mark.parametrize("weights", [[], [-1, 2], [0, 0], [float("nan"), 1], [float("inf"), 1]])
def test_unusable_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(UserError, match="one finite weight"):
        Mixer(weights)


def test_temperature() -> None:
    sizes = {"python": 8_000_000, "rust": 1_000_000}
    assert temperature_weights(sizes, 1) == pytest.approx({"python": 8 / 9, "rust": 1 / 9})
    assert temperature_weights(sizes, 0) == pytest.approx({"python": 0.5, "rust": 0.5})
    assert temperature_weights(sizes, 1 / 3) == pytest.approx({"python": 2 / 3, "rust": 1 / 3})
    with pytest.raises(UserError, match="at least one row"):
        temperature_weights({"python": 0}, 1)


def test_excess_loss_weights_follow_the_equations_of_doremi() -> None:
    """Written out: w * exp(excess) normalised, then (1 - c) of it and c of uniform; the answer is the mean."""
    weights = ExcessLossWeights({"a": 1, "b": 1, "c": 2}, {"a": 1.0, "b": 2.0, "c": 3.0}, smoothing=0.01)
    first = np.array([0.25, 0.25, 0.5]) * np.exp([0.5, 0.0, 1.0])
    first = 0.99 * first / first.sum() + 0.01 / 3
    assert list(weights.update({"a": 1.5, "b": 1.0, "c": 4.0}).values()) == pytest.approx(first)
    second = first * np.exp([0.0, 0.25, 0.0])
    second = 0.99 * second / second.sum() + 0.01 / 3
    assert list(weights.update({"b": 2.25, "c": 3.0}).values()) == pytest.approx(second)
    assert list(weights.average.values()) == pytest.approx((first + second) / 2)
    again = ExcessLossWeights({"a": 1, "b": 1, "c": 2}, weights.reference, smoothing=0.01)
    again.load_state_dict(json.loads(json.dumps(weights.state_dict())))
    assert again.update({"a": 9.0}) == weights.update({"a": 9.0}) and again.average == weights.average
    with pytest.raises(UserError, match="not finite"):
        weights.update({"a": float("nan")})
    with pytest.raises(UserError, match="reference losses are needed"):
        ExcessLossWeights({"a": 1}, {"b": 1.0})


def sources(folder: Path, *, seed: int = 0) -> dict[str, ShuffledRows]:
    lengths = {"code": [[30, 1, 4], [90]], "text": [[17] * 5], "chat": [[5, 5, 6]]}
    return {
        name: ShuffledRows(
            DatasetRows(make_dataset(folder / name, shards, first=1000 * number), T, PAD), seed=seed + number
        )
        for number, (name, shards) in enumerate(lengths.items())
    }


CONFIG = MixtureConfig(weights={"code": 70, "text": 20, "chat": 10})


def origin(tokens: np.ndarray) -> np.ndarray:
    """Which source each row is from, as its tokens tell: 0 code, 1 text, 2 chat."""
    return tokens[:, 0] // 1000


def test_rows_of_a_mixture_are_those_of_its_sources_in_their_order(tmp_path: Path) -> None:
    mixture = Mixture(sources(tmp_path), CONFIG)
    rows = mixture.next_rows(200, slice(0, 200))
    for number, alone in enumerate(sources(tmp_path).values()):
        mine = np.flatnonzero(origin(rows.tokens) == number)
        assert len(mine) == (140, 40, 20)[number]
        assert_equal_rows(rows.take(mine), alone.next_rows(len(mine), slice(0, len(mine))))
    names = np.array(["code", "text", "chat"])[origin(rows.tokens)]
    assert [mixture.names[number] for number in mixture.drawn] == names.tolist()
    metrics = mixture.metrics()
    assert metrics["data/code_rows_share"] == 0.7
    assert metrics["data/code_epochs"] == 140 / 17
    real = rows.segment_ids != 0
    assert metrics["data/chat_tokens_share"] == pytest.approx(real[names == "chat"].sum() / real.sum())


CHANGING = CONFIG.model_copy(
    update={
        "changes": (
            WeightChange(at_row=37, weights={"code": 1, "text": 1, "chat": 0}),
            WeightChange(at_row=61, weights={"code": 0, "text": 1, "chat": 3}),
        )
    }
)


def test_weights_change_at_their_row(tmp_path: Path) -> None:
    mixture = Mixture(sources(tmp_path), CHANGING)
    drawn = origin(mixture.next_rows(261, slice(0, 261)).tokens)
    assert not (drawn[37:61] == 2).any() and not (drawn[61:] == 0).any()
    assert abs((drawn[37:61] == 0).sum() - 12) <= 1 and abs((drawn[61:] == 2).sum() - 150) <= 1


@pytest.fixture(scope="module")
def shared_sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ShuffledRows]:
    return sources(tmp_path_factory.mktemp("mixture"))


@settings(max_examples=30)
@given(world_size=st.integers(1, 4), batch_size=st.integers(1, 5), before=st.integers(0, 12))
def test_a_mixture_goes_on_exactly_by_any_number_of_ranks(
    shared_sources: dict[str, ShuffledRows], world_size: int, batch_size: int, before: int
) -> None:
    def mixture() -> Mixture:
        streams = {name: ShuffledRows(source.rows, seed=5) for name, source in shared_sources.items()}
        return Mixture(streams, CHANGING)

    first = [StreamingLoader(mixture(), batch_size, rank=rank, world_size=world_size) for rank in range(world_size)]
    whole = mixture()
    for _ in range(before):
        batches = [loader.next_batch().tokens for loader in first]
        count = world_size * batch_size
        assert np.array_equal(np.concatenate(batches), whole.next_rows(count, slice(0, count)).tokens)
    other = StreamingLoader(mixture(), 3)
    other.load_state_dict(json.loads(json.dumps(first[0].state_dict())))
    for _ in range(20):
        assert_equal_rows(other.next_batch(), whole.next_rows(3, slice(0, 3)))


def test_a_blend_comes_again_bit_by_bit_from_its_record(tmp_path: Path) -> None:
    """Also one whose weights were changed by hand in the course, once in the middle of a batch's worth of rows."""
    mixture = Mixture(sources(tmp_path), CHANGING)
    parts = [mixture.next_rows(11, slice(0, 11))]
    mixture.set_weights({"code": 0, "text": 9, "chat": 0})
    mixture.set_weights({"code": 1, "text": 1, "chat": 8})
    parts += [mixture.next_rows(30, slice(0, 30)) for _ in range(3)]
    mixture.set_weights({"code": 5, "text": 1, "chat": 1})
    parts.append(mixture.next_rows(40, slice(0, 40)))
    record = mixture.record()
    written = tmp_path / "blend.json"
    written.write_text(record.model_dump_json())

    read = BlendRecord.model_validate_json(written.read_text())
    assert read.content_id == record.content_id
    assert [change.at_row for change in read.mixture.changes] == [11, 37, 61, 101]
    again = Mixture.from_record(sources(tmp_path), read)
    for part in parts:
        assert_equal_rows(again.next_rows(len(part), slice(0, len(part))), part)
    assert again.record().content_id == record.content_id

    with pytest.raises(ArtifactError, match="other data: seed is 2 there and 11 here"):
        Mixture.from_record(sources(tmp_path, seed=9), read)
    other = Mixture(sources(tmp_path, seed=9), CHANGING).record()
    assert other.content_id != Mixture(sources(tmp_path), CHANGING).record().content_id


def test_weights_set_by_hand_are_part_of_the_state(tmp_path: Path) -> None:
    mixture, other = Mixture(sources(tmp_path), CONFIG), Mixture(sources(tmp_path), CONFIG)
    mixture.next_rows(13, slice(0, 13))
    mixture.set_weights({"code": 0, "text": 1, "chat": 1})
    other.load_state_dict(json.loads(json.dumps(mixture.state_dict())))
    rows = mixture.next_rows(50, slice(0, 50))
    assert_equal_rows(other.next_rows(50, slice(0, 50)), rows)
    assert not (origin(rows.tokens) == 0).any() and other.record() == mixture.record()
    for weights in ({"code": 1}, {"code": 0, "text": 0, "chat": 0}):
        with pytest.raises(UserError, match="weight"):
            mixture.set_weights(weights)


@pytest.mark.parametrize("batch", [1, 7, 60])
def test_a_source_seen_often_enough_leaves_the_blend(tmp_path: Path, batch: int) -> None:
    """Chat has 2 rows and may be seen 3 times; text has 11 rows and may be seen twice."""
    config = CONFIG.model_copy(update={"max_epochs": {"chat": 3, "text": 2.0}})
    mixture = Mixture(sources(tmp_path), config)
    drawn = np.concatenate([origin(mixture.next_rows(batch, slice(0, batch)).tokens) for _ in range(420 // batch)])
    assert ((drawn == 2).sum(), (drawn == 1).sum()) == (6, 22)
    assert mixture.epochs["chat"] == 3 and mixture.epochs["text"] == 2
    last = np.flatnonzero(drawn == 2)[-1]
    assert 50 <= last < 60, "until then it has its share"
    assert (drawn[np.flatnonzero(drawn == 1)[-1] + 1 :] == 0).all()


def test_a_blend_that_is_used_up_says_so(tmp_path: Path) -> None:
    config = MixtureConfig(weights={"code": 1, "text": 1, "chat": 1}, max_epochs={"code": 1, "text": 1, "chat": 1})
    mixture = Mixture(sources(tmp_path), config)
    total = 17 + 11 + 2
    rows = mixture.next_rows(total, slice(0, total))
    assert len(np.unique(rows.tokens[rows.segment_ids != 0])) == 125 + 85 + 16, "every token once"
    with pytest.raises(UserError, match="after 30 rows every source has been seen"):
        mixture.next_rows(1, slice(0, 1))


def test_unfit_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the weights are for"):
        Mixture({}, CONFIG)
    whole = WholeDocumentRows(make_dataset(tmp_path / "whole", [[9, 9]]), T, PAD, seed=0)
    with pytest.raises(UserError, match="no fixed number of rows"):
        Mixture({"a": whole}, MixtureConfig(weights={"a": 1}, max_epochs={"a": 1}))
    with pytest.raises(ArtifactError, match="other data"):
        Mixture(sources(tmp_path), CONFIG).load_state_dict(Mixture(sources(tmp_path), CHANGING).state_dict())


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"weights": {"a": 0}}, "at least one weight must be above 0"),
        ({"weights": {"a": -1}}, "greater than or equal to 0"),
        ({"weights": {"a": 1}, "changes": [{"at_row": 1, "weights": {"b": 1}}]}, "weights are needed for"),
        ({"weights": {"a": 1}, "changes": [{"at_row": 1, "weights": {"a": 1}}] * 2}, "ascending order"),
        ({"weights": {"a": 1}, "max_epochs": {"b": 1}}, "have no weight"),
    ],
)
def test_a_mixture_that_cannot_be_meant_is_refused(values: dict, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        MixtureConfig.parse(values, where="mixture")


def test_examples_are_mixed_75_to_25_within_one_per_hundred() -> None:
    mixed = mix_examples({"new": range(0, 900), "old": range(1000, 1400)}, {"new": 75, "old": 25}, 1000)
    assert mixed.shares() == {"new": 0.75, "old": 0.25}
    assert mixed.shares(lambda example: 3 if example < 1000 else 1) == {"new": 0.9, "old": 0.1}
    for start in range(0, 1000, 100):
        assert abs(sum(example < 1000 for example in mixed.examples[start : start + 100]) - 75) <= 1
    assert sorted(mixed.examples) == [*range(750), *range(1000, 1250)]
    with pytest.raises(UserError, match="take 500 of old, which has 400"):
        mix_examples({"new": range(0, 9000), "old": range(400)}, {"new": 75, "old": 25}, 2000)
