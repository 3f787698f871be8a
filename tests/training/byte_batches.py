"""A batch source over the bytes of a real text, for the tests of the trainer."""

import inspect
import random
import textwrap
from typing import Any

import numpy as np
import torch

from better_ai.config import TrainingConfig, model_preset
from better_ai.model import Transformer
from better_ai.training import TokenBatch, Trainer
from better_ai.training.causal_lm import CausalLMObjective

TEXT = torch.tensor(list(inspect.getsource(textwrap).encode()))


class ByteBatches:
    """Random windows of the text. Draws from its own generator and from all three global ones, as user code may."""

    def __init__(self, rows: int = 4, length: int = 24, micro_rows: int = 4) -> None:
        self.rows, self.length, self.micro_rows = rows, length, micro_rows
        self.generator = torch.Generator().manual_seed(1)

    def next_step(self) -> list[TokenBatch]:
        starts = torch.randint(len(TEXT) - self.length - 1, (self.rows,), generator=self.generator)
        window = TEXT[starts[:, None] + torch.arange(self.length + 1)]
        shape = (self.rows, self.length)
        mask = torch.rand(shape) < 0.5 + 0.2 * random.random() + 0.2 * np.random.rand()
        positions = torch.arange(self.length).expand(shape)
        batch = TokenBatch(window[:, :-1], window[:, 1:], mask, positions, torch.zeros_like(positions))
        return batch.split(self.micro_rows)

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"])


def tiny_model(seed: int = 0, **changes: Any) -> Transformer:
    return Transformer(model_preset("tiny").model_copy(update=changes), seed=seed)


def tiny_config(**changes: Any) -> TrainingConfig:
    values = {"max_steps": 8, "learning_rate": 1e-2, "num_threads": 1, "log_every_steps": 1, "bf16": False}
    return TrainingConfig.parse(values | changes, where="train")


def tiny_trainer(config: TrainingConfig | None = None, model: Transformer | None = None, **options: Any) -> Trainer:
    return Trainer(model or tiny_model(), CausalLMObjective(), ByteBatches(), config or tiny_config(), **options)
