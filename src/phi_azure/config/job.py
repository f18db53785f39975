"""One job: which Phi learns from which rows, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, Tag, field_serializer, field_validator, model_validator
from typing_extensions import Self

from phi_azure import catalog, names
from phi_azure.config import rules
from phi_azure.config.gate import Gate  # noqa: TC001  pydantic reads it
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

    @field_validator("path", mode="before")
    @classmethod
    def _names_a_folder(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; name a folder")
        return value

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
    """US dollars; a plan whose price may be above it is refused, and a job on managed compute that costs more is
    cancelled by whoever waits for it, or by `down --expired`."""
    max_hours: float | None = Field(default=None, gt=0)
    """Hours; a plan whose training may take longer is refused, where its hours can be known (on serverless they
    cannot), and a job that runs longer is cancelled likewise, on either route."""

    gate: Gate | None = None
    """What the tuned model has to show on test_data before it gets traffic; see `phi-azure compare`."""

    @model_validator(mode="before")
    @classmethod
    def _read_route(cls, data: object) -> object:
        if isinstance(data, dict) and "route" in data:
            return {**data, "route": _route_by_kind(data["route"])}
        return data

    @field_validator("model")
    @classmethod
    def _names_a_model(cls, value: BaseModelChoice) -> BaseModelChoice:
        if isinstance(value, str) and (problem := names.no_base_model(value)):
            raise ValueError(problem)
        return value

    @field_validator("training_data", "validation_data", "test_data", mode="before")
    @classmethod
    def _names_a_file(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; name a file")
        if isinstance(value, str | Path) and (problem := _no_place_of_data(str(value))):
            raise ValueError(problem)
        return value

    @field_validator("tags")
    @classmethod
    def _leaves_our_tags(cls, value: dict[str, str]) -> dict[str, str]:
        if ours := sorted(name for name in value if name.split(".")[0] == "phi_azure"):
            raise ValueError(f"{', '.join(ours)}: phi_azure sets it itself; choose another name")
        return value

    @field_serializer("training_data", "validation_data", "test_data")
    def _write_path(self, value: Path | None) -> str | None:
        return None if value is None else azure_address(value) or str(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [
            *_own_model_problems(self),
            *_same_file_problems(self),
            *_file_name_problems(self),
            *_rate_problems(self),
        ]
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
        from phi_azure.config.origins import with_model_defaults

        route = with_model_defaults(self).route
        found = rules.notes(route) if isinstance(route, ManagedCompute) else []
        return (*found, *_model_notes(self, route), *_data_notes(self))

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


def _no_place_of_data(text: str) -> str | None:
    """Says why no rows can lie there; whether they do is not asked here."""
    if is_in_azure(text):
        is_whole = re.fullmatch(r"azureml:(/.+|[\w.-]+:[\w.-]+)", text)
        return (
            None if is_whole else f"{text} is no whole address; write azureml:name:version or azureml://datastores/..."
        )
    if re.match(r"[a-z][a-z0-9+]+:/", text):
        return f"{text} is not read over the network; name a file here, or azureml:name:version"
    return None


def _file_name_problems(job: FineTune) -> list[str]:
    """model-bad-chars: a file keeps its name on the way to Azure, where the steps refuse these two."""
    if not isinstance(job.route, ManagedCompute) or job.route.job != "pipeline":
        return []
    places = {"training_data": job.training_data, "validation_data": job.validation_data, "test_data": job.test_data}
    return [
        f"{name} holds a backslash or a single quote, which Azure takes in no path; rename it"
        for name, path in places.items()
        if path is not None and set(path.name) & rules.BAD_IN_PATHS
    ]


def _rate_problems(job: FineTune) -> list[str]:
    """The bounds that a model's spec in the registry gives its form on the serverless route."""
    rate, given = _spec_rate(job), job.route.learning_rate
    if not isinstance(job.route, Serverless) or rate is None or given is None or _is_within(given, rate):
        return []
    bounds = f"from {rate.min:g} to {rate.max:g}"
    return [f"route.learning_rate is {given:g}; for {job.base_name} it takes a number {bounds}"]


def _spec_rate(job: FineTune) -> catalog.LearningRate | None:
    row = catalog.model(job.base_name)
    return row.learning_rate if row else None


def _is_within(given: float, rate: catalog.LearningRate) -> bool:
    return (rate.min is None or rate.min <= given) and (rate.max is None or given <= rate.max)


def _model_notes(job: FineTune, route: Serverless | ManagedCompute) -> list[Note]:
    """Speaks of what depends on the model as well as on the route."""
    found = []
    near = catalog.nearest(job.base_name)
    if isinstance(job.model, str) and catalog.model(job.base_name) is None and near:
        found.append(Note("warning", "model", f"{job.base_name} is not in the catalogue; did you mean {near}?"))
    if not isinstance(route, ManagedCompute) or route.job != "pipeline":
        return found
    rate = _spec_rate(job)
    if rate and not _is_within(route.learning_rate, rate):
        bounds = f"its spec gives {rate.min:g} to {rate.max:g} for {job.base_name}."
        found.append(Note("warning", "route.learning_rate", f"{route.learning_rate:g} is unusual; {bounds}"))
    if route.lora and route.deepspeed != 3 and route.finetune_config_path is None:
        found.append(_lora_algorithm(job))
    if route.deepspeed == 3 and job.base_name in _OLD_PHIS:
        found.append(Note("warning", "route.deepspeed", "Azure refuses stage 3 for the oldest Phi type; take 2."))
    return found


_OLD_PHIS = frozenset({"microsoft-phi-1-5", "microsoft-phi-2"})


def _lora_algorithm(job: FineTune) -> Note:
    """lora-algo: without stage 3 Azure takes its own LoRA code, whose list holds no Phi."""
    text = "below DeepSpeed stage 3 Azure takes PEFT only where finetune_config.json says lora_algo: peft"
    if isinstance(job.model, str) and not _is_hugging_face_id(job.model):
        return Note("info", "route.lora", f"{text}; the registry's Phi bring such a file as far as known.")
    return Note("warning", "route.lora", f"{text}; give one as finetune_config_path, or take deepspeed: 3.")


def _data_notes(job: FineTune) -> list[Note]:
    """split-none-given, split-validation-missing, split-test-missing: what Azure takes away from the training rows."""
    if isinstance(job.route, Serverless):
        text = "serverless jobs have no place for it; it is kept for the comparison."
        return [Note("info", "test_data", text)] if job.test_data is not None else []
    if job.route.job != "pipeline":
        return []
    if job.validation_data is None:
        parts = (
            "10 % of the training rows to validate and 10 % to test" if job.test_data is None else "20 % to validate"
        )
        return [Note("info", "validation_data", f"Azure takes {parts}, and learns from the rest.")]
    if job.test_data is None:
        text = (
            "Azure puts 20 % of the training rows aside for a test that it never makes; name a file to learn from all."
        )
        return [Note("warning", "test_data", text)]
    return [Note("info", "test_data", "Azure keeps it apart and evaluates nothing; it is there for the comparison.")]
