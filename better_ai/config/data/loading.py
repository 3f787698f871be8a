"""How documents are mixed, ordered and chosen for training."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from better_ai.config.schema import Config

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class WeightChange(Config):
    """New weights from some row of the blend on."""

    at_row: NonNegativeInt
    weights: dict[str, Weight]


class MixtureConfig(Config):
    """Sources by name and the shares of their rows; only the ratios of the weights count."""

    weights: dict[str, Weight]
    changes: tuple[WeightChange, ...] = ()
    """In ascending order of their rows."""
    max_epochs: dict[str, PositiveFloat] = Field(default_factory=dict)
    """A source seen this often leaves the blend, and the others take its share. Those not named repeat without end."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for weights in (self.weights, *(change.weights for change in self.changes)):
            if set(weights) != set(self.weights):
                raise ValueError(f"weights are needed for {sorted(self.weights)}, found {sorted(weights)}")
            if not sum(weights.values()) > 0:
                raise ValueError(f"at least one weight must be above 0, found {weights}")
        if unknown := set(self.max_epochs) - set(self.weights):
            raise ValueError(f"max_epochs names {sorted(unknown)}, which have no weight")
        rows = [change.at_row for change in self.changes]
        if rows != sorted(set(rows)):
            raise ValueError(f"changes must come in ascending order of at_row, found {rows}")
        return self


class ScheduledPacing(Config):
    """The share of the rows available, easiest first, grows from `start` to 1 over the first `rows` rows drawn."""

    type: Literal["linear", "cosine", "competence"] = "competence"
    start: float = Field(0.01, gt=0, le=1)
    rows: PositiveInt
    power: PositiveFloat = 2.0
    """Of `competence`: 2 is the square root of Platanios et al. 2019; 1 is `linear`."""


class SelfPacedConfig(Config):
    """Examples whose loss is below a threshold that grows by a factor in every round (Kumar et al. 2010)."""

    threshold: PositiveFloat
    growth: float = Field(1.3, gt=1)
    min_share: float = Field(0.1, gt=0, le=1)
    """At least this share, the easiest, is taken where the threshold lets through fewer."""


class SelectionConfig(Config):
    """A small set of good, hard and varied examples (after s1, Muennighoff et al. 2025)."""

    count: PositiveInt
    max_pass_rate: float = Field(0.75, gt=0, le=1)
    """Examples that a model solves more often are too easy; those it never solves may be broken and go too."""
    seed: NonNegativeInt = 0
