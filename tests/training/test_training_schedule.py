import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config import TrainingConfig
from better_ai.training.schedule import lr_multiplier


def config(schedule: str, **changes: object) -> TrainingConfig:
    return TrainingConfig(lr_schedule=schedule, **{"max_steps": 100, "warmup_steps": 10, **changes})


@pytest.mark.parametrize("schedule", ["cosine", "linear", "wsd", "constant"])
def test_warmup_rises_linearly_and_is_complete_at_its_last_step(schedule: str) -> None:
    assert [lr_multiplier(step, config(schedule)) for step in (1, 5, 10, 11)] == [0.1, 0.5, 1.0, 1.0]
    assert lr_multiplier(1, config(schedule, warmup_steps=0)) == 1.0


def test_falls_end_at_the_floor_one_step_after_the_last() -> None:
    for schedule in ("cosine", "linear", "wsd"):
        assert lr_multiplier(101, config(schedule, min_lr_ratio=0.25)) == pytest.approx(0.25, abs=1e-15)
    assert lr_multiplier(100, config("linear")) == pytest.approx(1 / 90)
    assert lr_multiplier(100, config("cosine")) == pytest.approx((1 + math.cos(math.pi * 89 / 90)) / 2)
    assert lr_multiplier(56, config("linear")) == 0.5 == pytest.approx(lr_multiplier(56, config("cosine")))
    assert lr_multiplier(100, config("constant")) == 1.0


def test_wsd_stays_until_its_decay_fraction() -> None:
    wsd = config("wsd", decay_fraction=0.6)
    assert [lr_multiplier(step, wsd) for step in (40, 41, 71)] == [1.0, 1.0, 0.5]
    assert lr_multiplier(100, wsd) == pytest.approx(1 / 60)
    assert lr_multiplier(42, wsd) < 1


def test_wsd_decays_at_least_one_step_and_never_inside_the_warmup() -> None:
    assert lr_multiplier(100, config("wsd", decay_fraction=1e-9)) == 1.0
    assert lr_multiplier(11, config("wsd", decay_fraction=1.0)) == 1.0


@given(
    st.sampled_from(["cosine", "linear", "wsd", "constant"]),
    st.integers(1, 60),
    st.data(),
    st.floats(0, 1),
    st.floats(0.01, 1),
)
def test_rises_then_never_rises_again_and_every_step_learns(
    schedule: str, max_steps: int, data: st.DataObject, floor: float, decay: float
) -> None:
    warmup = data.draw(st.integers(0, max_steps - 1))
    settings = TrainingConfig(
        lr_schedule=schedule, max_steps=max_steps, warmup_steps=warmup, min_lr_ratio=floor, decay_fraction=decay
    )
    values = [lr_multiplier(step, settings) for step in range(1, max_steps + 1)]
    assert values[:warmup] == sorted(values[:warmup])
    assert values[warmup:] == sorted(values[warmup:], reverse=True)
    assert all(0 < value <= 1 for value in values)
    assert values[warmup] == pytest.approx(1)
