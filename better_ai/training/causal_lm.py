"""Next-token prediction: the objective of pretraining and of supervised fine-tuning, which differ in their masks."""

from better_ai.model import Transformer, linear_cross_entropy
from better_ai.training.batch import TokenBatch
from better_ai.training.objective import ObjectiveOutput


class CausalLMObjective:
    """Cross entropy, in nats, of the targets that the loss mask marks, and a mixture of experts' auxiliary losses."""

    def weight(self, batch: TokenBatch) -> float:
        return float(batch.loss_mask_BT.sum())

    def __call__(self, model: Transformer, batch: TokenBatch) -> ObjectiveOutput:
        output = model(batch.tokens_BT, positions_BT=batch.positions_BT, segment_ids_BT=batch.segment_ids_BT)
        mask_N = batch.loss_mask_BT.flatten()
        loss_sum = linear_cross_entropy(
            output.hidden_BTD.flatten(0, 1), output.head_weight_VD, batch.targets_BT.flatten(), mask_N
        )
        metrics = {"train/cross_entropy_nats": loss_sum.detach()}
        if output.aux_losses:
            weight = mask_N.sum()
            loss_sum = loss_sum + output.total_aux_loss * weight
            metrics |= {f"moe/{name}_loss": loss.detach() * weight for name, loss in output.aux_losses.items()}
        return ObjectiveOutput(loss_sum, metrics)
