"""A trained model of a run, ready to talk: the model, its tokenizer and how it says its name."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from better_ai.artifacts import MANIFEST, Manifest, atomic_folder
from better_ai.data import Conversation, Message, render
from better_ai.errors import ArtifactError, UserError
from better_ai.inference import Completion, Engine, Request, SamplingParams
from better_ai.model import Transformer, from_pretrained
from better_ai.tokenizer import Tokenizer
from better_ai.tokenizer import load as load_tokenizer

MODEL_STAGES = ("rl", "sft", "pretrain")
"""Latest first."""


@dataclass(frozen=True)
class Trained:
    """A model that came out of a stage."""

    run: Path
    stage: str
    manifest: Manifest
    model: Transformer
    tokenizer: Tokenizer

    @property
    def name(self) -> str:
        return f"{self.run.name}/{self.stage}@{self.manifest.content_id[:12]}"

    @property
    def description(self) -> str:
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return f"{parameters:,} parameters, trained on this machine; finished {self.manifest.created_at}"

    @cached_property
    def engine(self) -> Engine:
        return Engine(self.model, self.tokenizer)

    def chat_tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The prompt that asks for the assistant's next turn."""
        return tuple(render(Conversation(tuple(messages)), self.tokenizer, add_generation_prompt=True).tokens)

    def complete_tokens(self, text: str) -> tuple[int, ...]:
        """The prompt that continues a text, as in pretraining.

        White space at its end is left to the model: a line's end and the indentation after it are one token, so a
        prompt that ends between them is one the model has never seen.
        """
        return (self.tokenizer.special["bos"], *self.tokenizer.encode(text.rstrip(" \n")))

    def generate(self, tokens: tuple[int, ...], **sampling: Any) -> dict[str, Any]:
        completion: Completion = self.engine.generate([self._request(tokens, sampling)])[0]
        return {"text": completion.text, "tokens": len(completion.tokens), "finish_reason": completion.finish_reason}

    def stream(self, tokens: tuple[int, ...], **sampling: Any) -> Iterator[str]:
        for delta in self.engine.stream(self._request(tokens, sampling)):
            yield delta.text

    def _request(self, tokens: tuple[int, ...], sampling: dict[str, Any]) -> Request:
        room = self.model.config.max_seq_len - len(tokens)
        if room < 1:
            raise UserError(
                f"the prompt has {len(tokens)} tokens, the model's context {self.model.config.max_seq_len}; shorten it"
            )
        sampling = {**sampling, "max_new_tokens": min(sampling["max_new_tokens"], room)}
        return Request(prompt_tokens=tokens, sampling=SamplingParams(**sampling))


def load_trained(run: Path, stage: str | None = None) -> Trained:
    """Load a run's model of that stage, or the latest. Raises ArtifactError when there is none, or it is damaged."""
    folder = _model_folder(run, stage)
    manifest = Manifest.read(folder)
    manifest.verify(folder, products_only=True)
    tokenizer = Manifest.read(run / "tokenizer")
    if manifest.inputs["tokenizer"] != tokenizer.content_id:
        raise ArtifactError(
            f"{folder} was trained with the tokenizer {manifest.inputs['tokenizer'][:12]}, but "
            f"{run / 'tokenizer'} holds {tokenizer.content_id[:12]}; run the recipe again"
        )
    return Trained(
        run=run,
        stage=folder.name,
        manifest=manifest,
        model=from_pretrained(folder / "model"),
        tokenizer=load_tokenizer(run / "tokenizer"),
    )


def export_model(run: Path, to: Path, *, stage: str | None = None) -> Trained:
    """Write a run's model to the new folder `to` in the Hugging Face layout, its SentencePiece tokenizer beside it."""
    trained = load_trained(run, stage)
    with atomic_folder(to) as folder:
        trained.model.save_pretrained(folder, layout="hf", special_tokens=trained.tokenizer.special)
        for file in sorted((run / "tokenizer").glob("tokenizer.*")):
            shutil.copy2(file, folder / file.name)
    return trained


def import_model(source: Path, to: Path) -> Transformer:
    """Read a model in any layout and write it to the new folder `to` in the native one."""
    model = from_pretrained(source)
    with atomic_folder(to) as folder:
        model.save_pretrained(folder)
    return model


def _model_folder(run: Path, stage: str | None) -> Path:
    if stage is not None and stage not in MODEL_STAGES:
        raise UserError(f"no stage {stage!r} makes a model; choose from {', '.join(reversed(MODEL_STAGES))}")
    for name in [stage] if stage else MODEL_STAGES:
        if (run / name / MANIFEST).exists():
            return run / name
    raise ArtifactError(
        f"{run} holds no finished {stage or 'model'} stage; run `make quickstart`, or name another run folder"
    )
