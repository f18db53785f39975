"""The shape of a row about one Phi: what it is, where it runs, how long Azure keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Confidence = Literal["high", "medium", "low"]
State = Literal["current", "legacy", "deprecated", "retired"]
Template = Literal["phi3", "phi4", "phi4_mini"]
Value = str | int | float


@dataclass(frozen=True)
class Dims:
    """The lengths that decide a model's memory."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int
    tied: bool = False
    """The output layer is the embedding table, so that it counts once."""
    experts: int = 1
    active_experts: int = 1
    """Experts that each token passes through."""
    gated: bool = True
    """The feed-forward part has three matrices; the oldest Phi have two."""

    @property
    def kv_hidden(self) -> int:
        """Length of a token's keys, and of its values."""
        return self.hidden // self.heads * self.kv_heads

    @property
    def parameters(self) -> int:
        """Weights that these lengths make; norms and biases, below a thousandth, are left out."""
        return self._weights(self.experts)

    @property
    def active_parameters(self) -> int:
        """Weights that one token passes through."""
        return self._weights(self.active_experts)

    def _weights(self, experts: int) -> int:
        attention = 2 * self.hidden * (self.hidden + self.kv_hidden)
        feed_forward = (3 if self.gated else 2) * self.hidden * self.intermediate
        tables = self.vocab * self.hidden * (1 if self.tied else 2)
        return self.layers * (attention + experts * feed_forward) + tables


@dataclass(frozen=True)
class LearningRate:
    """The step size that Azure's samples take for a model, and the bounds that its spec gives."""

    default: float
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class TokenPrice:
    """US dollars for a million tokens read and written by a serverless deployment of the model as it comes."""

    input: float
    output: float


@dataclass(frozen=True)
class Lifecycle:
    """The days on which Azure narrows what can be done with a model serverlessly; None where none is known."""

    legacy: date | None = None
    """From here on a successor is named."""
    deprecated: date | None = None
    """From here on only those who use it already may go on."""
    retires: date | None = None
    """From here on nobody may."""
    confidence: Confidence = "low"
    """High: in Azure's own specs. Low: announced in one secondary source, or no date was found."""


@dataclass(frozen=True)
class PhiModel:
    """One Phi of the azureml registry."""

    name: str
    hugging_face: str
    version: str
    """The newest version that was seen in the registry."""
    parameters: int
    """Weights, as the model's makers count them."""
    active_parameters: int
    """Weights that one token passes through; fewer than all in a mixture of experts."""
    context: int
    """Tokens that it reads and writes at most."""
    dims: Dims | None = None
    """None where no stored source gives them; memory is then estimated from `parameters` alone."""
    chat_template: Template | None = None
    system_role: bool = True
    """False where the template has no place for a system message."""
    modalities: tuple[str, ...] = ("text",)
    """What it reads; all of them write text."""
    tasks: tuple[str, ...] = ("chat-completion",)
    tunable: bool = True
    """Azure's chat fine-tuning takes it."""
    serverless: bool = True
    """It is, or was, offered on the serverless route."""
    serverless_regions: tuple[str, ...] = ()
    """Regions that train it serverlessly; empty once it is retired."""
    deploy_regions: tuple[str, ...] = ()
    """Regions that serve it serverlessly."""
    finetune_sizes: tuple[str, ...] = ()
    """Machine sizes that its spec lists for training; a job that names none takes the first."""
    inference_sizes: tuple[str, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    successor: str | None = None
    """The model that Azure names in its place."""
    defaults: Mapping[str, Value] = field(default_factory=dict, hash=False)
    """Component inputs that Azure's samples set for this model, by Azure's names."""
    learning_rate: LearningRate | None = None
    lora_modules: tuple[str, ...] = ()
    """Its linear layers, by name; which of them Azure's component trains is not published."""
    price: TokenPrice | None = None
    assumed: tuple[str, ...] = ()
    """Fields whose value is our guess, because no stored source gives one."""
    source: str = ""
    as_of: date | None = None
    """The day of the newest source."""

    @property
    def retires(self) -> date | None:
        """The day from which Azure no longer takes serverless jobs for it."""
        return self.lifecycle.retires

    @property
    def mixture(self) -> bool:
        """Whether only some of its weights work on each token."""
        return self.active_parameters < self.parameters

    def state(self, today: date | None = None) -> State:
        """Returns how far its retirement has come; a model without dates counts as current."""
        today = today or date.today()  # noqa: DTZ011  a day, not a moment
        steps: tuple[tuple[State, date | None], ...] = (
            ("retired", self.lifecycle.retires),
            ("deprecated", self.lifecycle.deprecated),
            ("legacy", self.lifecycle.legacy),
        )
        return next((state for state, day in steps if day is not None and day <= today), "current")
