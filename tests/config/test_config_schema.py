"""Configurations refuse what cannot work, and say what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config import MODEL_PRESETS, AdamWConfig, ModelConfig, MuonConfig, Recipe, TrainingConfig
from better_ai.errors import ConfigError


def test_the_two_examples_of_the_requirements_work() -> None:
    model = ModelConfig(vocab_size=32000, hidden_dim=768, num_layers=8, num_attention_heads=12)
    assert (model.head_width, model.kv_heads) == (64, 12)
    training = TrainingConfig(
        batch_size=32,
        gradient_accumulation_steps=4,
        learning_rate=1e-4,
        warmup_steps=2000,
        max_steps=100000,
        lr_schedule="cosine",
        bf16=True,
        distributed_backend="fsdp",
    )
    assert training.max_steps == 100_000
    ModelConfig()
    TrainingConfig()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pretrian": {}}, "unknown key 'pretrian'; did you mean 'pretrain'?"),
        ({"pretrain": {"train": {"learning_rat": 1}}}, "did you mean 'learning_rate'?"),
        ({"pretrain": {"train": {"batch_size": 0}}}, "pretrain.train.batch_size"),
        ({"pretrain": {"model": {"hidden_dim": 100, "num_attention_heads": 12}}}, "does not divide hidden_dim=100"),
        ({"pretrain": {"model": {"num_attention_heads": 12, "num_key_value_heads": 5}}}, "num_key_value_heads=5"),
        ({"pretrain": {"train": {"optimizer": {"type": "moun"}}}}, "'adamw', 'muon'"),
        ({"pretrain": {"train": {"warmup_steps": 10, "max_steps": 10}}}, "leaves no step"),
        ({"tokenizer": {"vocab_size": 8192}}, "does not match tokenizer.vocab_size=8192"),
        ({"evaluate": {"samples_per_task": 2}}, "needs at least 8 samples_per_task"),
        ({"evaluate": {"k": [4, 8]}}, "k=[4, 8] leaves out 1"),
        ({"name": "../escape"}, "name"),
    ],
)
def test_each_wrong_recipe_is_refused_by_name(values: dict, said: str) -> None:
    base = {"name": "x", "tokenizer": {"vocab_size": 32_000}}
    with pytest.raises(ConfigError, match=r"^r\.yaml") as error:
        Recipe.parse(base | values, where="r.yaml")
    assert said in str(error.value)


def test_the_optimizer_is_chosen_by_its_type() -> None:
    assert isinstance(TrainingConfig.parse({"optimizer": {"type": "muon"}}, where="t").optimizer, MuonConfig)
    assert isinstance(TrainingConfig.parse({"optimizer": {"type": "adamw"}}, where="t").optimizer, AdamWConfig)


def test_a_configuration_cannot_be_changed_after_it_was_checked() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ModelConfig().hidden_dim = 7  # type: ignore[misc]


@given(st.sampled_from(sorted(MODEL_PRESETS)))
def test_presets_survive_a_round_trip_through_plain_data(name: str) -> None:
    preset = MODEL_PRESETS[name]
    assert ModelConfig.parse(preset.model_dump(mode="json"), where=name) == preset
