"""Pacing follows its equations, only what is available is drawn, and metrics tell what was drawn."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loading_data import PAD, assert_equal_rows, make_dataset

from better_ai.config.data.loading import ScheduledPacing, SelfPacedConfig
from better_ai.data.loading import DatasetRows, ShuffledRows, StreamingLoader
from better_ai.data.loading.curriculum import (
    CurriculumRows,
    SelfPaced,
    bucket_losses,
    combine_difficulties,
    difficulty_ranks,
    share_available,
)
from better_ai.errors import ArtifactError, UserError

ROWS = 50


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> DatasetRows:
    """Fifty rows of four tokens; the first token of row n is 4 n."""
    return DatasetRows(make_dataset(tmp_path_factory.mktemp("dataset"), [[4] * 30, [4] * 20]), 4, PAD)


def numbers(curriculum: CurriculumRows, count: int) -> np.ndarray:
    return curriculum.next_rows(count, slice(0, count)).tokens[:, 0] // 4


def pacing(type: str, **changes: float) -> ScheduledPacing:
    return ScheduledPacing.model_validate({"type": type, "start": 0.1, "rows": 1000, **changes})


def test_schedules_are_their_equations() -> None:
    for row in (0, 1, 250, 500, 999):
        t = row / 1000
        assert share_available(pacing("linear"), row) == pytest.approx(0.1 + 0.9 * t, rel=1e-12)
        cosine = 1 - 0.9 * 0.5 * (1 + math.cos(math.pi * t))
        assert share_available(pacing("cosine"), row) == pytest.approx(cosine, rel=1e-12)
        root = math.sqrt(t * (1 - 0.1**2) + 0.1**2)
        assert share_available(pacing("competence"), row) == pytest.approx(root, rel=1e-12)
        cube = (t * (1 - 0.1**3) + 0.1**3) ** (1 / 3)
        assert share_available(pacing("competence", power=3), row) == pytest.approx(cube, rel=1e-12)
        same = share_available(pacing("competence", power=1), row)
        assert same == pytest.approx(share_available(pacing("linear"), row), rel=1e-12)


@given(type=st.sampled_from(["linear", "cosine", "competence"]), start=st.floats(0.01, 1), row=st.integers(0, 2000))
def test_every_schedule_rises_from_its_start_to_all(type: str, start: float, row: int) -> None:
    schedule = pacing(type, start=start)
    assert share_available(schedule, 0) == pytest.approx(start)
    assert share_available(schedule, 1000) == pytest.approx(1) and share_available(schedule, 10**9) == pytest.approx(1)
    assert share_available(schedule, row) <= share_available(schedule, row + 1) + 1e-12


def test_the_cosine_is_flat_at_both_ends_and_meets_the_line_in_the_middle() -> None:
    schedule = pacing("cosine", rows=10**6)
    assert share_available(schedule, 1) - share_available(schedule, 0) < 1e-11
    assert share_available(schedule, 10**6) - share_available(schedule, 10**6 - 1) < 1e-11
    assert share_available(schedule, 500_000) == pytest.approx(0.55)


@given(values=st.lists(st.integers(0, 8), min_size=1, max_size=20))
def test_ranks_are_the_distribution_function(values: list[int]) -> None:
    expected = [sum(other <= value for other in values) / len(values) for value in values]
    assert difficulty_ranks(np.array(values)).tolist() == pytest.approx(expected)


def test_difficulties_combine_without_their_units() -> None:
    lengths, losses = np.array([10, 1000, 100]), np.array([0.3, 0.2, 0.1])
    combined = combine_difficulties({"length": lengths, "loss": losses}, {"length": 1, "loss": 3})
    assert combined == pytest.approx([(1 / 3 + 3) / 4, (1 + 2) / 4, (2 / 3 + 1) / 4])
    longer = combine_difficulties({"length": lengths * 7.5, "loss": losses}, {"length": 2, "loss": 6})
    assert longer == pytest.approx(combined)
    with pytest.raises(UserError, match="weights are needed"):
        combine_difficulties({"length": lengths}, {"loss": 1})
    with pytest.raises(UserError, match="1 difficulties are not a number"):
        difficulty_ranks(np.array([1.0, np.nan]))


def test_only_available_rows_are_drawn_and_each_alike(rows: DatasetRows) -> None:
    """Chi-squared with 9 degrees of freedom exceeds 27.9 once in a thousand times."""
    difficulty = np.random.default_rng(0).permutation(ROWS).astype(float)
    curriculum = CurriculumRows(rows, difficulty, pacing("linear", start=0.2, rows=1000), seed=1)
    drawn = difficulty[numbers(curriculum, 1000)]
    for row, value in enumerate(drawn):
        assert (value + 1) / ROWS <= share_available(curriculum.pacing, row) + 1e-12
    assert drawn[:100].mean() < drawn[-100:].mean() - 10
    still = CurriculumRows(rows, difficulty, pacing("linear", start=0.2, rows=10**9), seed=1)
    counts = np.bincount(difficulty[numbers(still, 2000)].astype(int), minlength=ROWS)
    assert not counts[10:].any() and ((counts[:10] - 200) ** 2 / 200).sum() < 27.9


def test_afterwards_rows_come_in_ordinary_epochs(rows: DatasetRows) -> None:
    curriculum = CurriculumRows(rows, np.arange(ROWS), pacing("competence", rows=30), seed=1)
    numbers(curriculum, 30)
    plain = ShuffledRows(rows, seed=1)
    ours = curriculum.next_rows(3 * ROWS, slice(0, 3 * ROWS))
    assert_equal_rows(ours, plain.next_rows(3 * ROWS, slice(0, 3 * ROWS)))
    assert sorted(ours.tokens[:ROWS, 0] // 4) == list(range(ROWS))


def test_equally_hard_rows_become_available_together(rows: DatasetRows) -> None:
    """Also where the easiest are more than the share: all of them, not one that was named first."""
    difficulty = np.repeat([1.0, 2.0], ROWS // 2)
    for start in (0.01, 0.5):
        early = numbers(CurriculumRows(rows, difficulty, pacing("linear", start=start, rows=10**9), seed=0), 300)
        assert set(early) == set(range(ROWS // 2))


@given(before=st.integers(0, 40), world_size=st.integers(1, 4))
def test_a_curriculum_goes_on_exactly_by_any_number_of_ranks(rows: DatasetRows, before: int, world_size: int) -> None:
    def make() -> CurriculumRows:
        return CurriculumRows(rows, np.arange(ROWS)[::-1], pacing("cosine", rows=60), seed=3)

    first = [StreamingLoader(make(), 2, rank=rank, world_size=world_size) for rank in range(world_size)]
    whole = make()
    for _ in range(before // world_size):
        batches = np.concatenate([loader.next_batch().tokens for loader in first])
        assert np.array_equal(batches, whole.next_rows(len(batches), slice(0, len(batches))).tokens)
    other = make()
    other.load_state_dict(json.loads(json.dumps(first[-1].state_dict())))
    assert_equal_rows(other.next_rows(80, slice(0, 80)), whole.next_rows(80, slice(0, 80)))


def test_metrics_tell_what_is_available_and_what_was_drawn(rows: DatasetRows) -> None:
    curriculum = CurriculumRows(rows, np.arange(ROWS), pacing("linear", rows=100), seed=0)
    drawn = numbers(curriculum, 50)
    assert curriculum.metrics() == {
        "curriculum/available_share": pytest.approx(0.55),
        "curriculum/difficulty_rank": pytest.approx((drawn + 1).mean() / ROWS),
    }
    losses = bucket_losses(np.array([0.1, 0.2, 0.9, 0.5]), np.array([1.0, 2.0, 4.0, 8.0]), (0.5, 0.7, 0.8))
    assert losses == {
        "curriculum/bucket_0_loss": 1.5,
        "curriculum/bucket_1_loss": 8.0,
        "curriculum/bucket_3_loss": 4.0,
    }


def test_unfit_difficulties_and_states_are_refused(rows: DatasetRows, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 difficulties for 50 rows"):
        CurriculumRows(rows, np.arange(3), pacing("linear"), seed=0)
    state = CurriculumRows(rows, np.arange(ROWS), pacing("linear"), seed=0).state_dict()
    for other in (
        CurriculumRows(rows, np.arange(ROWS)[::-1], pacing("linear"), seed=0),
        CurriculumRows(rows, np.arange(ROWS), pacing("cosine"), seed=0),
    ):
        with pytest.raises(ArtifactError, match=r"other data: (difficulty|pacing) is"):
            other.load_state_dict(state)


LOSSES = st.lists(st.floats(0, 10), min_size=1, max_size=20)


@given(losses=LOSSES)
def test_self_paced_selection_minimises_the_objective_of_the_paper(losses: list[float]) -> None:
    """Over all v in {0, 1}^n, sum(v * loss) - threshold * sum(v); where nothing is taken for the least share."""
    paced = SelfPaced(SelfPacedConfig(threshold=2.0, growth=1.5, min_share=1e-9))
    values = np.array(losses)
    for round in range(4):
        threshold = 2.0 * 1.5**round
        assert paced.threshold == pytest.approx(threshold)
        chosen = paced.select(values)
        best = np.minimum(values - paced.config.threshold * paced.config.growth**round, 0).sum()
        found = (values[chosen] - threshold).sum()
        assert found == pytest.approx(best) or len(chosen) == 1, "the least share is one example here"


def test_self_paced_rounds_grow_take_the_least_share_and_go_on() -> None:
    losses = np.array([5.0, 1.0, 3.0, 2.0, 9.0])
    paced = SelfPaced(SelfPacedConfig(threshold=0.5, growth=2.0, min_share=0.4))
    rounds = [paced.select(losses).tolist() for _ in range(3)]
    assert rounds == [[1, 3], [1, 3], [1, 3]]
    state = json.loads(json.dumps(paced.state_dict()))
    later = SelfPaced(paced.config)
    later.load_state_dict(state)
    assert later.threshold == 4.0
    assert [later.select(losses).tolist() for _ in range(3)] == [[1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    with pytest.raises(UserError, match="a loss for each example"):
        paced.select(np.array([1.0, np.nan]))
