"""Several streams as one, by weights, and the record from which the same blend is made again bit by bit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from better_ai.artifacts import content_id
from better_ai.config.data.loading import MixtureConfig, WeightChange
from better_ai.data.loading.mixer import Mixer
from better_ai.data.loading.packing import PADDING_SEGMENT, PackedRows
from better_ai.data.loading.stream import RowStream, ShuffledRows, check_identity, join_rows
from better_ai.errors import UserError

T = TypeVar("T")


class BlendRecord(BaseModel):
    """What a blend was made of: enough, with the sources, to make it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["better-ai-blend"] = "better-ai-blend"
    format_version: Literal[1] = 1
    sources: dict[str, dict[str, Any]]
    """Identity of each stream by name: content ids, seeds and settings."""
    mixture: MixtureConfig
    """The weights, with every change that was made on the way."""

    @property
    def content_id(self) -> str:
        return content_id(self.model_dump(mode="json"))


class Mixture:
    """A `RowStream` that takes its rows from several others, each within one row of its share at every moment."""

    def __init__(self, sources: Mapping[str, RowStream], config: MixtureConfig) -> None:
        """Raises UserError when weights and sources differ, or epochs are bounded of a stream that has none."""
        if set(sources) != set(config.weights):
            raise UserError(f"the weights are for {sorted(config.weights)}, the sources are {sorted(sources)}")
        self.config = config
        self.names = sorted(sources)
        self.sources = [sources[name] for name in self.names]
        self.position = 0
        """Rows passed since the start."""
        self.drawn = np.empty(0, np.int64)
        """Source, as a place in `names`, of each row made last."""
        self._limits = [self._limit(name, source) for name, source in zip(self.names, self.sources, strict=True)]
        self._asked = self._in_force = self._in_order(config.weights)
        self._mixer = Mixer(self._asked)
        self._made: dict[int, WeightChange] = {}
        self._scheduled = {change.at_row: change for change in config.changes}
        self._batch_tokens = np.zeros(len(self.names))

    @classmethod
    def from_record(cls, sources: Mapping[str, RowStream], record: BlendRecord) -> "Mixture":
        """The same blend again, of sources at their start. Raises ArtifactError when one is not what was recorded."""
        mixture = cls(sources, record.mixture)
        for name, source in zip(mixture.names, mixture.sources, strict=True):
            check_identity({"identity": record.sources.get(name)}, source.identity())
        return mixture

    def record(self) -> BlendRecord:
        """The blend as it was up to now, and as its schedule has it from here on."""
        changes = self._scheduled | self._made
        mixture = self.config.model_copy(update={"changes": tuple(changes[row] for row in sorted(changes))})
        identities = {name: source.identity() for name, source in zip(self.names, self.sources, strict=True)}
        return BlendRecord(sources=identities, mixture=mixture)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Mix by other weights from the next row on, until the schedule changes them.

        To be called on every rank alike. The change is part of the state and of the record. Raises UserError when the
        weights do not fit the sources.
        """
        if set(weights) != set(self.names):
            raise UserError(f"weights are needed for {self.names}, found {sorted(weights)}")
        Mixer(self._in_order(weights))
        self._made[self.position] = WeightChange(at_row=self.position, weights=dict(weights))

    def next_rows(self, count: int, mine: slice) -> PackedRows:
        choices = self._choose(count)
        self.drawn = choices[mine]
        parts, places = [], []
        for number, source in enumerate(self.sources):
            before, inside, total = (int((choices[:stop] == number).sum()) for stop in (mine.start, mine.stop, count))
            if total:
                rows = source.next_rows(total, slice(before, inside))
                parts.append(rows)
                places.append(np.flatnonzero(self.drawn == number))
                self._batch_tokens[number] = (rows.segment_ids != PADDING_SEGMENT).sum()
            else:
                self._batch_tokens[number] = 0
        return join_rows(parts).take(np.argsort(np.concatenate(places)))

    def _choose(self, count: int) -> np.ndarray:
        """Sources of the next rows."""
        choices = np.empty(count, np.int64)
        for place in range(count):
            if change := self._made.get(self.position) or self._scheduled.get(self.position):
                self._asked = self._in_order(change.weights)
            if (weights := self._not_used_up()) != self._in_force:
                self._mixer.set_weights(weights)
                self._in_force = weights
            choices[place] = self._mixer.next()
            self.position += 1
        return choices

    def _not_used_up(self) -> list[float]:
        """The weights asked for, 0 for a source that may give no more."""
        weights = [
            0.0 if drawn == limit else weight
            for weight, drawn, limit in zip(self._asked, self._mixer.counts, self._limits, strict=True)
        ]
        if not any(weights):
            raise UserError(
                f"after {self.position} rows every source has been seen as often as max_epochs allows; raise it, add "
                "data or train for fewer steps"
            )
        return weights

    @property
    def epochs(self) -> dict[str, float]:
        """How often the rows of each source that has a fixed number of them have been seen."""
        return {
            name: source.epoch
            for name, source in zip(self.names, self.sources, strict=True)
            if isinstance(source, ShuffledRows)
        }

    def metrics(self) -> dict[str, float]:
        """Share of all rows drawn and epochs of each source, and its share of the tokens of the rows made last."""
        metrics: dict[str, float] = {}
        for number, name in enumerate(self.names):
            metrics[f"data/{name}_rows_share"] = self._mixer.counts[number] / max(1, self.position)
            metrics[f"data/{name}_tokens_share"] = self._batch_tokens[number] / max(1, self._batch_tokens.sum())
        return metrics | {f"data/{name}_epochs": epochs for name, epochs in self.epochs.items()}

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "mixture",
            "sources": {name: source.identity() for name, source in zip(self.names, self.sources, strict=True)},
            "mixture": self.config.model_dump(mode="json"),
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "asked": list(self._asked),
            "in_force": list(self._in_force),
            "mixer": self._mixer.state_dict(),
            "made": [change.model_dump(mode="json") for change in self._made.values()],
            "sources": {name: source.state_dict() for name, source in zip(self.names, self.sources, strict=True)},
            "identity": self.identity(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_identity(state, self.identity())
        for name, source in zip(self.names, self.sources, strict=True):
            source.load_state_dict(state["sources"][name])
        self.position = state["position"]
        self._asked, self._in_force = list(state["asked"]), list(state["in_force"])
        self._made = {change["at_row"]: WeightChange(**change) for change in state["made"]}
        self._mixer.load_state_dict(state["mixer"])

    def _in_order(self, weights: Mapping[str, float]) -> list[float]:
        return [weights[name] for name in self.names]

    def _limit(self, name: str, source: RowStream) -> int | None:
        """Rows a source may give; None for no bound."""
        if name not in self.config.max_epochs:
            return None
        if not isinstance(source, ShuffledRows):
            raise UserError(f"max_epochs bounds {name}, whose stream has no fixed number of rows; leave it out")
        return max(1, int(self.config.max_epochs[name] * len(source.rows)))


@dataclass(frozen=True)
class MixedExamples(Generic[T]):
    """Examples of several sources in one order, and the name of the source of each."""

    examples: list[T]
    sources: list[str]

    def shares(self, size: Callable[[T], float] = lambda example: 1.0) -> dict[str, float]:
        """The share of each source by some size, such as tokens; by examples where none is given."""
        sums: dict[str, float] = {}
        for example, source in zip(self.examples, self.sources, strict=True):
            sums[source] = sums.get(source, 0.0) + size(example)
        return {source: total / sum(sums.values()) for source, total in sums.items()}


def mix_examples(sources: Mapping[str, Sequence[T]], weights: Mapping[str, float], count: int) -> MixedExamples[T]:
    """`count` examples by weights such as 75/25, exact to one at every prefix; each source is taken from its start.

    Raises UserError when a source has too few: examples are not repeated.
    """
    names = sorted(sources)
    if set(names) != set(weights):
        raise UserError(f"the weights are for {sorted(weights)}, the sources are {names}")
    choices = Mixer([weights[name] for name in names]).draw(count)
    for number, name in enumerate(names):
        if (needed := int((choices == number).sum())) > len(sources[name]):
            raise UserError(
                f"{count} examples by these weights take {needed} of {name}, which has {len(sources[name])}; "
                "ask for fewer or add examples"
            )
    following = [iter(sources[name]) for name in names]
    return MixedExamples([next(following[choice]) for choice in choices], [names[choice] for choice in choices])
