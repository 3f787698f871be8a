import logging

import pytest
import torch

from better_ai.training import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bf16_where_the_processor_computes_in_it(
    supported: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda device: supported)
    assert precision.compute_dtype("auto", CPU) == expected
    assert precision.compute_dtype(True, CPU) == torch.bfloat16
    assert precision.compute_dtype(False, CPU) == torch.float32


@pytest.mark.parametrize("supported", [True, False])
def test_emulated_bf16_is_logged(
    supported: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda device: supported)
    with caplog.at_level(logging.WARNING):
        precision.compute_dtype(True, CPU)
        precision.compute_dtype("auto", CPU)
    assert ("no bfloat16 instructions" in caplog.text) is not supported
