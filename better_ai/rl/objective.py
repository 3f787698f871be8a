"""GRPO as an objective of the one training loop."""

import torch
from torch import Tensor

from better_ai.config import GRPOConfig
from better_ai.errors import ConfigError
from better_ai.model import ModelOutput, RecordedKV, SharedPrefix, Transformer, token_logprobs
from better_ai.rl.batch import PolicyBatch
from better_ai.rl.policy_loss import clipped_surrogate, kl_estimate, normalizer, token_weights
from better_ai.training import ObjectiveOutput


class GRPOObjective:
    """Clipped policy gradient on group-relative advantages (arXiv 2402.03300), with an unbiased KL penalty.

    The ratio is the training pass's probability over the one recorded when the token was drawn. Recorded values are
    the truth about where a sample came from: they make the ratio a right off-policy correction when several updates
    share a rollout, and when rollouts are in fp32 and training in bf16 (there the first update's ratios scatter around
    one by about 0.01, far inside the clip range). They also save the pass that would compute them anew.

    Args:
        config: only its loss settings and `sampling` are used.
        reference: the policy that `kl_weight` ties this one to, an object whose weights nobody changes; its compute
            dtype is made to follow the policy's, so that both are rounded alike. Not forwarded when `kl_weight` is 0.

    Raises ConfigError for settings that would make the gradient a wrong one or leave it out.
    """

    def __init__(self, config: GRPOConfig, reference: Transformer | None = None) -> None:
        sampling = config.sampling
        if sampling.temperature == 0:
            raise ConfigError("sampling.temperature=0 makes all samples of a group equal: nothing could be learned")
        if sampling.top_k or sampling.top_p < 1:
            raise ConfigError(
                f"sampling.top_k={sampling.top_k}, top_p={sampling.top_p}: tokens drawn from a truncated distribution "
                "bias the policy gradient; set top_k=0 and top_p=1 for training"
            )
        if config.kl_weight and reference is None:
            raise ConfigError(f"kl_weight={config.kl_weight} needs a reference policy; give one or set kl_weight=0")
        self.config = config
        self.reference = reference.requires_grad_(False).eval() if reference is not None else None

    def weight(self, batch: PolicyBatch) -> float:
        num_tokens, num_sequences = int(batch.action_mask_RT.sum()), len(batch.completions_RT)
        config = self.config
        return normalizer(num_tokens, num_sequences, config.sampling.max_new_tokens, config.loss_normalization)

    def __call__(self, model: Transformer, batch: PolicyBatch) -> ObjectiveOutput:
        config, weight = self.config, self.weight(batch)
        logprobs_N, entropies_N, auxiliary = completion_logprobs(model, batch, config.sampling.temperature)
        behaviour_N = batch.behaviour_logprobs_RT[batch.action_mask_RT]
        counts_R = batch.action_mask_RT.sum(1)
        surrogate = clipped_surrogate(
            logprobs_N,
            behaviour_N,
            batch.advantages_R.repeat_interleave(counts_R),
            clip_low=config.clip_low,
            clip_high=config.clip_high,
        )
        loss_N = surrogate.loss_N
        means = {
            "policy/ratio": surrogate.ratio_N.detach(),
            "policy/clipped_low_share": surrogate.clipped_low_N,
            "policy/clipped_high_share": surrogate.clipped_high_N,
            "policy/entropy_nats": entropies_N,
            "policy/rollout_logprob_difference_nats": (logprobs_N.detach() - behaviour_N).abs(),
        }
        if config.kl_weight and self.reference is not None:
            kl_N = kl_estimate(logprobs_N, self._reference_logprobs(model, batch), surrogate.ratio_N)
            loss_N = loss_N + config.kl_weight * kl_N
            means["policy/kl_nats"] = kl_N.detach()
        weights_N = token_weights(counts_R, config.loss_normalization, dtype=loss_N.dtype)
        loss_sum = (weights_N * loss_N).sum() + weight * auxiliary
        return ObjectiveOutput(loss_sum, {name: values_N.float().mean() * weight for name, values_N in means.items()})

    @torch.no_grad()
    def _reference_logprobs(self, model: Transformer, batch: PolicyBatch) -> Tensor:
        assert self.reference is not None
        self.reference.compute_dtype = model.compute_dtype
        return completion_logprobs(self.reference, batch, self.config.sampling.temperature)[0]


def completion_logprobs(model: Transformer, batch: PolicyBatch, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """logprobs_N and entropies_N of the action tokens, row by row, and the model's auxiliary loss.

    Each prompt is forwarded once and its completions attend to its keys and values: the same numbers and gradients as
    one flat row per completion, at a cost that does not grow with group size times prompt length (as in Prefix
    Grouper, arXiv 2506.05433). Logits exist at action positions alone, in chunks.
    """
    recorded = RecordedKV()
    last = model.config.max_seq_len - 1  # padding may reach beyond the context; where it stands does not matter
    positions_PS = (
        torch.arange(batch.prompts_PS.shape[1], device=batch.prompts_PS.device)
        .clamp(max=last)
        .expand_as(batch.prompts_PS)
    )
    prompts = model(batch.prompts_PS, positions_BT=positions_PS, kv=recorded)
    prompt_lengths_P = batch.prompt_mask_PS.sum(1)
    before_first_PD = prompts.hidden_BTD[torch.arange(len(prompt_lengths_P)), prompt_lengths_P - 1]
    hidden_R1D = before_first_PD.repeat_interleave(batch.group_size, 0)[:, None]
    read_RT = batch.completions_RT[:, :-1]  # the last token predicts nothing
    if read_RT.shape[1] == 0:
        hidden_RTD, auxiliary = hidden_R1D, prompts.total_aux_loss
    else:
        prefix = SharedPrefix(recorded, batch.group_size, batch.prompt_mask_PS)
        num_read = read_RT.shape[1]
        positions_RT = prefix.positions(num_read).clamp(max=last)
        completions = model(read_RT, positions_BT=positions_RT, kv=prefix, mask_BTS=prefix.mask(num_read))
        hidden_RTD = torch.cat([hidden_R1D, completions.hidden_BTD], 1)
        auxiliary = _mean_auxiliary_loss([prompts, completions])
    logprobs_N, entropies_N = token_logprobs(
        hidden_RTD[batch.action_mask_RT],
        model.head_weight_VD,
        batch.completions_RT[batch.action_mask_RT],
        temperature=temperature,
    )
    return logprobs_N, entropies_N, auxiliary


def _mean_auxiliary_loss(outputs: list[ModelOutput]) -> Tensor:
    """Mean over the tokens of several passes; zero for a dense model."""
    counts = [output.hidden_BTD.shape[:2].numel() for output in outputs]
    losses = torch.stack([count * output.total_aux_loss for count, output in zip(counts, outputs, strict=True)])
    return losses.sum() / sum(counts)
