"""One job: which Phi learns from which rows, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, Tag, field_serializer, field_validator, model_validator
from typing_extensions import Self

from phi_azure import catalog
from phi_azure.config import rules
from phi_azure.config.managed import ManagedCompute
from phi_azure.config.rules import Note
from phi_azure.config.serverless import Serverless
from phi_azure.config.strict import Strict


class HuggingFaceModel(Strict):
    """A model of Hugging Face, which Azure's import step fetches: managed compute only."""

    huggingface: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """Its id, such as microsoft/Phi-3.5-mini-instruct."""

    def __str__(self) -> str:
        """Returns the id."""
        return self.huggingface


class LocalModel(Strict):
    """Weights of your own, which are uploaded: managed compute only."""

    path: Path
    """A folder as Hugging Face's save_pretrained writes it, or one with an MLmodel file."""

    def __str__(self) -> str:
        """Returns the folder."""
        return str(self.path)


def _model_form(value: object) -> str | None:
    """Tells the three ways to name a model apart."""
    if isinstance(value, str):
        return "registry"
    if isinstance(value, HuggingFaceModel) or (isinstance(value, dict) and "huggingface" in value):
        return "hugging_face"
    if isinstance(value, LocalModel) or (isinstance(value, dict) and "path" in value):
        return "local"
    return None


BaseModelChoice = Annotated[
    Annotated[str, Field(min_length=1), Tag("registry")]
    | Annotated[HuggingFaceModel, Tag("hugging_face")]
    | Annotated[LocalModel, Tag("local")],
    Discriminator(_model_form),
]


class FineTune(Strict):
    """One job: which Phi learns from which rows, and where.

    Built in Python or read from a file, it raises ConfigError with every problem, each with its field or its line.
    """

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,59}$")
    """Names the job, and what comes out of it; letters, digits, `-` and `_`."""
    model: BaseModelChoice = catalog.DEFAULT_MODEL
    """A Phi of Azure's registry, with a version if wanted: Phi-4:7; an azureml: address; managed: a Hugging Face id
    as {huggingface: org/name}, or own weights as {path: DIR}."""
    training_data: Path
    """JSONL, one conversation a line; `azureml:name:version` or an azureml:// address is taken as it is."""
    validation_data: Path | None = None
    """JSONL whose loss is watched; None means the service takes a part of the training data, or none."""
    test_data: Path | None = None
    """JSONL that is kept apart; managed compute splits the training data for it when it is missing."""
    route: Annotated[Serverless | ManagedCompute, Field(discriminator="kind")] = Serverless()
    """Where the training runs."""
    experiment: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_ -]{0,254}$")
    """Groups runs in the studio; None means the job's name."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Put on everything that the job makes."""
    registered_name: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$")
    """Names the tuned model; None means the job's name."""
    max_price: float | None = Field(default=None, gt=0)
    """US dollars; a plan whose price may be above it is refused."""
    max_hours: float | None = Field(default=None, gt=0)
    """Hours; a plan whose training may take longer is refused."""

    @model_validator(mode="before")
    @classmethod
    def _read_route(cls, data: object) -> object:
        if isinstance(data, dict) and "route" in data:
            return {**data, "route": _route_by_kind(data["route"])}
        return data

    @field_validator("training_data", "validation_data", "test_data", mode="before")
    @classmethod
    def _names_a_file(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; name a file")
        return value

    @field_serializer("training_data", "validation_data", "test_data")
    def _write_path(self, value: Path | None) -> str | None:
        return None if value is None else azure_address(value) or str(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*_own_model_problems(self), *_same_file_problems(self)]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def base_name(self) -> str:
        """The model without its version: a name of the registry, a Hugging Face id, or the folder's name."""
        if isinstance(self.model, LocalModel):
            return self.model.path.name
        text = str(self.model)
        if text.startswith("azureml:"):
            return text.rsplit("/models/", maxsplit=1)[-1].split("/", maxsplit=1)[0]
        return text if isinstance(self.model, HuggingFaceModel) else text.partition(":")[0]

    @property
    def model_name(self) -> str:
        """The name under which the tuned model is registered."""
        return self.registered_name or self.name

    @property
    def experiment_name(self) -> str:
        """The experiment that the run belongs to."""
        return self.experiment or self.name

    def notes(self) -> tuple[Note, ...]:
        """Returns what Azure takes and a person should know: knobs that do nothing, or other than they say."""
        found = rules.notes(self.route) if isinstance(self.route, ManagedCompute) else []
        return (*found, *_data_notes(self))

    @classmethod
    def from_yaml(cls, path: Path | str) -> FineTune:
        """Reads a job file; paths in it start from its folder. Raises ConfigError with every problem and its line."""
        from phi_azure import jobfile

        return jobfile.read(Path(path))

    def to_yaml(self) -> str:
        """Writes the job as a file that `from_yaml` reads; what has its default is left out."""
        from phi_azure import jobfile

        return jobfile.write(self)


def is_in_azure(path: Path | str | None) -> bool:
    """Tells an azureml: address from a path on this machine."""
    return str(path).startswith("azureml:")


def azure_address(path: Path | str) -> str | None:
    """Returns the azureml: address that a path stands for; a Path loses the second slash of azureml://."""
    if not is_in_azure(path):
        return None
    text = str(path)
    return re.sub(r"^azureml:/+", "azureml://", text) if text.startswith("azureml:/") else text


def _route_by_kind(data: object) -> object:
    """Reads `route: serverless` and `route: managed` as the route with its defaults; a missing kind is serverless."""
    if isinstance(data, str):
        return {"kind": data}
    if isinstance(data, dict) and "kind" not in data:
        return {"kind": "serverless", **data}
    return data


def _own_model_problems(job: FineTune) -> list[str]:
    """Azure's own machines take models of its registry alone."""
    pipeline = isinstance(job.route, ManagedCompute) and job.route.job == "pipeline"
    if pipeline or not (isinstance(job.model, HuggingFaceModel | LocalModel) or _is_hugging_face_id(job.model)):
        return []
    what = "serverless machines take" if isinstance(job.route, Serverless) else "a fine-tuning job takes"
    whose = "own weights" if isinstance(job.model, LocalModel) else "a Hugging Face id"
    text = (
        f"model: {job.model} is {whose}, and {what} only models that Azure's registry offers for it; "
        "use route kind managed, or name one such as Phi-4-mini-instruct"
    )
    return [text]


def _is_hugging_face_id(model: str) -> bool:
    return "/" in model and not model.startswith("azureml:")


def _same_file_problems(job: FineTune) -> list[str]:
    """A model that is judged by the rows that it learnt from looks better than it is."""
    places = {"training_data": job.training_data, "validation_data": job.validation_data, "test_data": job.test_data}
    known = [(name, path) for name, path in places.items() if path is not None]
    return [
        f"{name} is the same file as {first}; phi-azure split makes two of one"
        for index, (name, path) in enumerate(known)
        for first, other in known[:index]
        if path == other
    ]


def _data_notes(job: FineTune) -> list[Note]:
    if job.test_data is not None and isinstance(job.route, Serverless):
        return [Note("info", "test_data", "serverless jobs have no place for it; it is kept for the comparison.")]
    return []
