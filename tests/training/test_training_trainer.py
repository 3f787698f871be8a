import logging
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from byte_batches import TEXT, ByteBatches, tiny_config, tiny_model, tiny_trainer

from better_ai.config import TrainingConfig
from better_ai.errors import BetterAIError, ConfigError, UserError
from better_ai.model import Transformer
from better_ai.training import CausalLMObjective, StepReport, Trainer, read_metrics
from better_ai.training.objective import ObjectiveOutput


def weights(model: Transformer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_learns_the_bytes_of_a_real_text(optimizer: str) -> None:
    share = TEXT.bincount() / len(TEXT)
    entropy_of_single_bytes = -torch.special.xlogy(share, share).sum().item()
    losses: list[float] = []
    config = tiny_config(max_steps=200, optimizer={"type": optimizer}, learning_rate=2e-2, warmup_steps=5)
    result = tiny_trainer(config, on_step=lambda report: losses.append(report.loss)).run()
    assert losses[0] == pytest.approx(np.log(512), abs=0.1)
    assert np.mean(losses[-10:]) < entropy_of_single_bytes
    assert (result.steps, result.tokens) == (200, 200 * 4 * 24)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    runs = []
    for seed in (0, 0, 1):
        model = tiny_model()
        tiny_trainer(tiny_config(seed=seed, optimizer={"type": "muon"}), model).run()
        runs.append(weights(model))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_micro_batches_only_change_the_last_bits_of_a_whole_run() -> None:
    ends = []
    for micro_rows in (4, 1):
        model = tiny_model()
        Trainer(model, CausalLMObjective(), ByteBatches(micro_rows=micro_rows), tiny_config()).run()
        ends.append(weights(model))
    torch.testing.assert_close(ends[0], ends[1], atol=1e-4, rtol=0)


def test_validation_runs_on_time_without_gradients_and_without_a_trace(tmp_path: Path) -> None:
    def validate(model: Transformer) -> dict[str, float]:
        assert not torch.is_grad_enabled()
        return {"validation/noise": float(torch.rand(()) + np.random.rand())}

    plain, validated = tiny_model(), tiny_model()
    tiny_trainer(model=plain).run()
    result = tiny_trainer(tiny_config(validate_every_steps=3), validated, validate=validate, folder=tmp_path).run()
    assert [entry["step"] for entry in result.validation] == [3, 6, 8]
    assert torch.equal(weights(plain), weights(validated))
    logged = [line for line in read_metrics(tmp_path / "metrics.jsonl") if "validation/noise" in line]
    assert logged == result.validation


def test_reports_every_step_and_logs_every_few(tmp_path: Path) -> None:
    reports: list[StepReport] = []
    config = tiny_config(log_every_steps=3, lr_schedule="linear", warmup_steps=2)
    tiny_trainer(config, folder=tmp_path, on_step=reports.append).run()
    assert [report.step for report in reports] == list(range(1, 9))
    assert [report.tokens for report in reports] == [96 * step for step in range(1, 9)]
    assert [report.learning_rate for report in reports[:3]] == [0.005, 0.01, 0.01]
    logged = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in logged] == [3, 6, 8]
    assert logged[0]["train/loss"] == reports[2].loss == logged[0]["train/cross_entropy_nats"]
    assert logged[-1]["train/gradient_norm"] == reports[-1].grad_norm


def test_a_source_may_report_on_its_steps() -> None:
    class Rollouts(ByteBatches):
        def step_metrics(self) -> dict[str, float]:
            return {"rollout/reward": 0.25}

    result = Trainer(tiny_model(), CausalLMObjective(), Rollouts(), tiny_config(max_steps=1)).run()
    assert result.metrics["rollout/reward"] == 0.25


def test_values_that_are_no_numbers_are_left_out_of_the_records(tmp_path: Path) -> None:
    class Unscored(ByteBatches):
        def step_metrics(self) -> dict[str, float]:
            return {"rollout/reward": float("nan"), "rollout/count": 0.0}

    validate = lambda _: {"validation/x": float("inf"), "validation/y": 2.0}  # noqa: E731
    trainer = Trainer(
        tiny_model(), CausalLMObjective(), Unscored(), tiny_config(max_steps=1), folder=tmp_path, validate=validate
    )
    result = trainer.run()
    assert result.validation == [{"step": 1, "validation/y": 2.0}]
    assert "rollout/count" in result.metrics and "rollout/reward" not in result.metrics


def test_a_run_without_a_folder_can_be_run_again_from_new_optimizer_state() -> None:
    model = tiny_model()
    trainer = tiny_trainer(model=model)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    source_start = trainer.batches.state_dict()
    ends = []
    for _ in range(2):
        model.load_state_dict(start)
        trainer.batches.load_state_dict(source_start)
        trainer.run()
        ends.append(weights(model))
    assert torch.equal(*ends)


def test_fsdp_is_refused() -> None:
    config = TrainingConfig(batch_size=32, bf16=False, distributed_backend="fsdp")
    with pytest.raises(ConfigError, match="'fsdp', but this version trains on one machine"):
        tiny_trainer(config)


def test_threads_are_those_asked_for_and_put_back() -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    config = tiny_config(num_threads=before + 1, max_steps=1)
    tiny_trainer(config, on_step=lambda _: seen.append(torch.get_num_threads())).run()
    assert (seen, torch.get_num_threads()) == ([before + 1], before)


class Sabotaged(CausalLMObjective):
    """Does something to the loss of one step."""

    def __init__(self, step: int, deed: Any) -> None:
        self.countdown, self.deed = step, deed

    def __call__(self, model: Transformer, batch: Any) -> ObjectiveOutput:
        self.countdown -= 1
        output = super().__call__(model, batch)
        return output if self.countdown else self.deed(output)


def test_a_diverged_run_stops_at_its_step_and_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    objective = Sabotaged(5, lambda output: ObjectiveOutput(output.loss_sum * float("nan")))
    model, config = tiny_model(), tiny_config(checkpoint_every_steps=2)
    with pytest.raises(BetterAIError, match="diverged at step 5"):
        Trainer(model, objective, ByteBatches(), config, folder=tmp_path).run()
    assert weights(model).isfinite().all()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000002", "step-00000004"]


def test_a_step_of_empty_masks_stops_the_run() -> None:
    class Truncated(ByteBatches):
        def next_step(self) -> list[Any]:
            batches = super().next_step()
            for batch in batches:
                batch.loss_mask_BT.zero_()
            return batches

    with pytest.raises(UserError, match="step 1 has nothing to learn from"):
        Trainer(tiny_model(), CausalLMObjective(), Truncated(), tiny_config()).run()


@pytest.mark.parametrize("way", ["ctrl-c", "stop"])
def test_a_stopped_run_finishes_its_step_and_continues_to_the_same_bits(way: str, tmp_path: Path) -> None:
    left_alone = tiny_model()
    tiny_trainer(model=left_alone).run()

    model, steps = tiny_model(), []

    def press(*_: Any) -> None:
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    if way == "ctrl-c":
        model.blocks[1].register_forward_hook(press)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tiny_trainer(
            model=model,
            folder=tmp_path,
            on_step=lambda report: steps.append(report.step),
            stop=lambda: way == "stop" and len(steps) == 3,
        ).run()
    assert steps == [1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is handler
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000003"]

    continued = tiny_model(seed=9)
    assert tiny_trainer(model=continued, folder=tmp_path).run().steps == 8
    assert torch.equal(weights(left_alone), weights(continued))


def test_ctrl_c_during_the_last_step_is_not_swallowed(tmp_path: Path) -> None:
    def press(report: StepReport) -> None:
        if report.step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tiny_trainer(folder=tmp_path, on_step=press).run()
    assert tiny_trainer(folder=tmp_path).run().steps == 8


def test_the_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    def press_twice(output: ObjectiveOutput) -> ObjectiveOutput:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("went on after the second Ctrl-C")

    with pytest.raises(KeyboardInterrupt):
        Trainer(tiny_model(), Sabotaged(2, press_twice), ByteBatches(), tiny_config(), folder=tmp_path).run()
    assert not (tmp_path / "checkpoints").exists()


def test_a_finished_run_returns_its_result_without_a_step(tmp_path: Path) -> None:
    first = tiny_trainer(folder=tmp_path, validate=lambda _: {"validation/x": 1.0}).run()
    untouched = (tmp_path / "metrics.jsonl").read_text()
    again = tiny_trainer(folder=tmp_path, on_step=lambda _: pytest.fail("took a step")).run()
    assert (again.steps, again.tokens, again.metrics, again.validation) == (8, 768, first.metrics, first.validation)
    assert again.seconds == pytest.approx(first.seconds)
    assert (tmp_path / "metrics.jsonl").read_text() == untouched


def test_another_number_of_threads_on_resume_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tiny_trainer(folder=tmp_path).run()
    with caplog.at_level(logging.WARNING):
        tiny_trainer(tiny_config(num_threads=2), folder=tmp_path).run()
    assert "begun with 1 threads and continued with 2" in caplog.text


def test_the_rate_of_bf16_learning_is_that_of_fp32() -> None:
    curves = {}
    for bf16 in (False, True):
        losses: list[float] = []
        config = tiny_config(max_steps=60, bf16=bf16, optimizer={"type": "muon"})
        tiny_trainer(config, on_step=lambda report, losses=losses: losses.append(report.loss)).run()
        curves[bf16] = np.array(losses)
    assert np.abs(curves[True] - curves[False]).max() < 0.15
    assert np.abs(curves[True] - curves[False]).mean() < 0.02


def test_the_model_gets_its_own_dtype_back() -> None:
    model, seen = tiny_model(), []
    tiny_trainer(tiny_config(bf16=True, max_steps=1), model, on_step=lambda _: seen.append(model.compute_dtype)).run()
    assert (seen, model.compute_dtype) == ([torch.bfloat16], torch.float32)
