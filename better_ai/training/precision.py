"""Which type activations are computed in. Weights are fp32 masters whatever the choice."""

import logging
from typing import Literal

import torch

log = logging.getLogger(__name__)


def computes_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 matrix instructions: AVX512-BF16 or AMX on a CPU, Ampere or later on CUDA."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def compute_dtype(bf16: bool | Literal["auto"], device: torch.device) -> torch.dtype:
    """The activations' dtype for `TrainingConfig.bf16`.

    Never float16, which is many times slower than float32 on a CPU. `bf16=True` is honoured on any device; where it is
    emulated the log says so.
    """
    if bf16 == "auto":
        return torch.bfloat16 if computes_bf16(device) else torch.float32
    if bf16 and not computes_bf16(device):
        log.warning("bf16=True, but this %s has no bfloat16 instructions: they are emulated, slowly; "
                    "bf16=auto chooses float32 here", device.type)  # fmt: skip
    return torch.bfloat16 if bf16 else torch.float32
