"""The engine against slow definitions: no cache, no batch, no sharing."""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from better_ai.config import ModelConfig, MoEConfig, TokenizerConfig
from better_ai.errors import ArtifactError, ConfigError, UserError
from better_ai.inference import Completion, Engine, Request, SamplingParams
from better_ai.model import Transformer
from better_ai.tokenizer import train


def prompt(length: int, seed: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(0, 256, length).tolist())


def fresh_logprobs(
    model: Transformer, tokens: tuple[int, ...], new: tuple[int, ...], temperature: float
) -> torch.Tensor:
    """(new tokens, V) log-probabilities of one plain forward pass over the whole text."""
    with torch.no_grad():
        logits_TV = model(torch.tensor([tokens + new])).logits[0, len(tokens) - 1 : -1]
    return (logits_TV / temperature).log_softmax(-1)


def greedy_without_cache(model: Transformer, tokens: tuple[int, ...], count: int, stop_ids: set[int]) -> list[int]:
    new: list[int] = []
    while len(new) < count and not (new and new[-1] in stop_ids):
        with torch.no_grad():
            new.append(int(model(torch.tensor([[*tokens, *new]])).logits[0, -1].argmax()))
    return new


def test_greedy_equals_transformers_generate(model: Transformer, tokenizer: Any, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model.save_pretrained(tmp_path, layout="hf")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    for length in (3, 11, 40):
        request = Request(prompt(length, length), SamplingParams(temperature=0, max_new_tokens=40))
        (completion,) = Engine(model, tokenizer, stop_ids=()).generate([request])
        generated = theirs.generate(
            torch.tensor([request.prompt_tokens]), do_sample=False, max_new_tokens=40, eos_token_id=None, pad_token_id=0
        )
        assert list(completion.tokens) == generated[0, length:].tolist()


def test_a_mixture_of_experts_decodes_alone_as_in_a_batch(tokenizer: Any, many: list[Request]) -> None:
    moe = MoEConfig(num_experts=4, expert_dim=16)
    model = Transformer(ModelConfig(vocab_size=260, hidden_dim=32, num_layers=2, num_attention_heads=4, moe=moe))
    alone = [completion for request in many for completion in Engine(model, tokenizer).generate([request])]
    assert [c.tokens for c in Engine(model, tokenizer).generate(many)] == [c.tokens for c in alone]


def test_text_is_what_the_tokenizer_decodes(tmp_path: Path) -> None:
    lines = Path(argparse.__file__).read_text("utf-8").splitlines(keepends=True)
    tokenizer = train(lines, TokenizerConfig(vocab_size=512), tmp_path / "tokenizer")
    model = Transformer(ModelConfig(vocab_size=512, hidden_dim=32, num_layers=1, num_attention_heads=2))
    request = Request(tuple(tokenizer.encode("def f")), SamplingParams(max_new_tokens=60, n=8))
    for completion in Engine(model, tokenizer).generate([request]):
        assert completion.text == tokenizer.decode(completion.tokens)


@pytest.fixture
def many() -> list[Request]:
    """Ragged prompts, lengths, counts, temperatures and truncations."""
    return [
        Request(
            prompt(3 + 5 * i % 17, seed=i),
            SamplingParams(
                temperature=0.5 + i % 3,
                top_k=[0, 0, 5][i % 3],
                top_p=[1.0, 0.8][i % 2],
                max_new_tokens=4 + 7 * i % 23,
                n=1 + i % 4,
                seed=100 + i,
            ),
            id=f"r{i}",
        )
        for i in range(9)
    ]


def test_greedy_equals_decoding_without_a_cache(model: Transformer, tokenizer: Any) -> None:
    requests = [Request(prompt(4 + 3 * i, i), SamplingParams(temperature=0, max_new_tokens=20 + i)) for i in range(5)]
    stop_ids = {tokenizer.special["eos"], tokenizer.special["end"]}
    for request, completion in zip(requests, Engine(model, tokenizer).generate(requests), strict=True):
        count = request.sampling.max_new_tokens
        assert list(completion.tokens) == greedy_without_cache(model, request.prompt_tokens, count, stop_ids)


@pytest.mark.parametrize("max_rows", [1, 3, 8, 64])
def test_tokens_do_not_depend_on_the_rest_of_the_batch(
    model: Transformer, tokenizer: Any, many: list[Request], max_rows: int
) -> None:
    alone = [completion for request in many for completion in Engine(model, tokenizer).generate([request])]
    together = Engine(model, tokenizer, max_rows=max_rows).generate(many)
    backwards = Engine(model, tokenizer, max_rows=max_rows).generate(many[::-1])
    for batch in (together, sorted(backwards, key=lambda c: (c.request_id, c.sample_index))):
        assert [c.tokens for c in batch] == [c.tokens for c in alone]
        assert [c.text for c in batch] == [c.text for c in alone]
        worst = max(np.abs(np.subtract(a.logprobs, b.logprobs)).max() for a, b in zip(batch, alone, strict=True))
        assert worst < 1e-4


def test_completions_come_in_order_and_samples_differ(model: Transformer, tokenizer: Any, many: list[Request]) -> None:
    completions = Engine(model, tokenizer, max_rows=4).generate(many)
    asked = [(request.id, index) for request in many for index in range(request.sampling.n)]
    assert [(c.request_id, c.sample_index) for c in completions] == asked
    group = Engine(model, tokenizer).generate([Request(prompt(5, 0), SamplingParams(n=8, max_new_tokens=16))])
    assert len({c.tokens for c in group}) == 8


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.0])
def test_recorded_logprobs_and_entropies_are_those_of_a_training_pass(
    model: Transformer, tokenizer: Any, temperature: float
) -> None:
    requests = [
        Request(
            prompt(4 + 6 * i, i), SamplingParams(temperature=temperature, max_new_tokens=24, n=3, seed=i), id=str(i)
        )
        for i in range(3)
    ]
    for completion in Engine(model, tokenizer, stop_ids=()).generate(requests):
        assert len(completion.tokens) == 24
        tokens = requests[int(completion.request_id)].prompt_tokens
        logprobs_TV = fresh_logprobs(model, tokens, completion.tokens, temperature or 1.0)
        expected_T = logprobs_TV[torch.arange(24), list(completion.tokens)]
        assert torch.allclose(torch.tensor(completion.logprobs), expected_T, atol=1e-5)
        entropies_T = -(logprobs_TV.exp() * logprobs_TV).sum(-1)
        assert torch.allclose(torch.tensor(completion.entropies), entropies_T, atol=1e-5)


def test_each_prompt_is_forwarded_once_and_each_new_token_once(tokenizer: Any) -> None:
    class Spy(Transformer):
        forwarded: list[tuple[int, ...]] = []  # noqa: RUF012 - shared with the engine's view on purpose

        def forward(self, tokens_BT: torch.Tensor, **inputs: Any) -> Any:
            self.forwarded.append(tuple(tokens_BT.shape))
            return super().forward(tokens_BT, **inputs)

    model = Spy(ModelConfig(vocab_size=260, hidden_dim=32, num_layers=2, num_attention_heads=2, max_seq_len=64))
    sampling = SamplingParams(n=8, max_new_tokens=10)
    requests = [Request(prompt(12, 0), sampling), Request(prompt(9, 1), sampling)]
    Engine(model, tokenizer, max_rows=16, stop_ids=()).generate(requests)
    assert Spy.forwarded == [(2, 12)] + [(16, 1)] * 9

    Spy.forwarded.clear()
    Engine(model, tokenizer, max_rows=3, stop_ids=()).generate(requests)
    assert [shape for shape in Spy.forwarded if shape[1] > 1] == [(1, 12), (1, 9)]


def test_completions_that_end_leave_and_waiting_requests_enter(model: Transformer, tokenizer: Any) -> None:
    rows: list[int] = []
    model.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].shape[0]))
    sampling = [SamplingParams(max_new_tokens=new, seed=new) for new in (2, 30, 30, 4, 4, 4, 30)]
    requests = [Request(prompt(5 + i, i), params) for i, params in enumerate(sampling)]
    Engine(model, tokenizer, max_rows=3, stop_ids=()).generate(requests)
    assert max(rows) == 3
    assert len(rows) < 55  # 3 rows x 30 steps; one after another the requests would need 104 passes


def test_streamed_pieces_join_to_the_completion_text(model: Transformer, tokenizer: Any) -> None:
    engine = Engine(model, tokenizer)
    for seed in range(6):
        request = Request(prompt(6, seed), SamplingParams(temperature=1.5, max_new_tokens=40, seed=seed))
        pieces = list(engine.stream(request))
        (whole,) = engine.generate([request])
        assert "".join(piece.text for piece in pieces) == whole.text
        assert pieces[-1].completion == whole
        assert all(piece.completion is None for piece in pieces[:-1])
    assert not torch.is_inference_mode_enabled()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), data=st.data())
def test_a_stop_string_ends_the_completion_wherever_tokens_break_it(
    model: Transformer, tokenizer: Any, seed: int, data: st.DataObject
) -> None:
    request = Request(prompt(5, 3), SamplingParams(temperature=2.0, max_new_tokens=30, seed=seed))
    engine = Engine(model, tokenizer)
    (free,) = engine.generate([request])
    if not free.text:
        return
    start = data.draw(st.integers(0, len(free.text) - 1))
    stop = free.text[start : start + data.draw(st.integers(1, 4))]
    stopped_request = Request(
        request.prompt_tokens, SamplingParams(temperature=2.0, max_new_tokens=30, seed=seed, stop=(stop,))
    )
    (stopped,) = engine.generate([stopped_request])
    assert stopped.text == free.text[: free.text.find(stop)]
    assert stopped.finish_reason == "stop"
    assert stopped.tokens == free.tokens[: len(stopped.tokens)]
    assert "".join(piece.text for piece in engine.stream(stopped_request)) == stopped.text


def test_finish_reasons(model: Transformer, tokenizer: Any) -> None:
    def finish(engine: Engine, **params: Any) -> Completion:
        return engine.generate([Request(prompt(5, 0), SamplingParams(temperature=0, **params))])[0]

    free = finish(Engine(model, tokenizer, stop_ids=()), max_new_tokens=12)
    assert (free.finish_reason, len(free.tokens)) == ("length", 12)
    ended = finish(Engine(model, tokenizer, stop_ids={free.tokens[3]}), max_new_tokens=12)
    assert ended.finish_reason == "eos"
    assert ended.tokens == free.tokens[: free.tokens.index(free.tokens[3]) + 1]
    context = finish(Engine(model, tokenizer, stop_ids=()), max_new_tokens=1000)
    assert (context.finish_reason, len(context.tokens)) == ("length", 96 - 5)


def test_training_between_calls_is_seen_and_nothing_of_the_model_is_changed(tokenizer: Any, model: Transformer) -> None:
    request = Request(prompt(6, 0), SamplingParams(max_new_tokens=12, n=2))
    model.compute_dtype = torch.bfloat16
    model.train()
    engine = Engine(model, tokenizer)
    random_state = torch.random.get_rng_state()
    before = engine.generate([request])
    assert (model.compute_dtype, model.training) == (torch.bfloat16, True)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert before == engine.generate([request])
    with torch.no_grad():
        model.blocks[0].attention.qkv.weight.add_(0.5)
    assert before != engine.generate([request])
    model(torch.tensor([request.prompt_tokens])).hidden_BTD.sum().backward()


def test_bf16_decoding_stays_near_fp32(model: Transformer, tokenizer: Any) -> None:
    request = Request(prompt(10, 0), SamplingParams(max_new_tokens=1))
    (exact,) = Engine(model, tokenizer).generate([request])
    (rounded,) = Engine(model, tokenizer, dtype=torch.bfloat16).generate([request])
    assert 0 < abs(exact.entropies[0] - rounded.entropies[0]) < 0.05


def test_cache_memory_bounds_the_rows(model: Transformer, tokenizer: Any) -> None:
    rows: list[int] = []
    model.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].shape[0]))
    one_row_bytes = 2 * 2 * 2 * 8 * (5 + 20) * 4
    request = Request(prompt(5, 0), SamplingParams(n=6, max_new_tokens=20))
    Engine(model, tokenizer, max_cache_bytes=2 * one_row_bytes, stop_ids=()).generate([request])
    assert max(rows) == 2
    with pytest.raises(UserError, match=str(one_row_bytes)):
        Engine(model, tokenizer, max_cache_bytes=one_row_bytes - 1).generate([request])


@pytest.mark.parametrize(
    ("tokens", "shown"), [((), "0 tokens"), (tuple(range(96)), "96 tokens"), ((1, 260), "260"), ((-1,), "-1")]
)
def test_prompts_that_cannot_work_are_refused(
    model: Transformer, tokenizer: Any, tokens: tuple[int, ...], shown: str
) -> None:
    engine = Engine(model, tokenizer)
    with pytest.raises(UserError, match=shown):
        engine.generate([Request(prompt(4, 0)), Request(tokens)])
    with pytest.raises(UserError, match=shown):
        engine.stream(Request(tokens))


def test_what_does_not_belong_together_is_refused(model: Transformer, tokenizer: Any) -> None:
    tokenizer.vocab_size = 300
    with pytest.raises(ConfigError, match="300 tokens, the model 260"):
        Engine(model, tokenizer)
    tokenizer.vocab_size = 260
    with pytest.raises(UserError, match="n=2"):
        Engine(model, tokenizer).stream(Request(prompt(4, 0), SamplingParams(n=2)))
    with pytest.raises(ConfigError, match="max_rows=0"):
        Engine(model, tokenizer, max_rows=0)
    assert Engine(model, tokenizer).generate([]) == []


@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_reported(model: Transformer, tokenizer: Any, damage: float) -> None:
    with torch.no_grad():
        model.norm.weight[3] = damage
    with pytest.raises(ArtifactError, match=r"'r7'.*not finite"):
        Engine(model, tokenizer).generate([Request(prompt(4, 0), id="r7")])
