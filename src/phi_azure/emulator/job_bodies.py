"""What the body of a job must be: members, types and words, and what it may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.emulator import chat_completion, computes, references, registry
from phi_azure.emulator.shapes import ANYTHING, FLAG, TEXT, TEXTS, ListOf, MapOf, Object, Word, require
from phi_azure.emulator.wire import Call, WireError

if TYPE_CHECKING:
    from phi_azure.emulator.store import Document

_INPUT = Object(
    "JobInput", dict.fromkeys(("uri", "value", "jobInputType", "mode", "description", "pathOnCompute"), TEXT)
)
_OUTPUT_MEMBERS: dict[str, Any] = dict.fromkeys(
    ("uri", "assetName", "assetVersion", "jobOutputType", "mode", "description", "pathOnCompute"), TEXT
)
_OUTPUT = Object("JobOutput", _OUTPUT_MEMBERS | {"autoDeleteSetting": ANYTHING}, frozenset({"jobOutputType"}))
_COMMON: dict[str, Any] = {
    "description": TEXT,
    "tags": TEXTS,
    "properties": TEXTS,
    "displayName": TEXT,
    "experimentName": TEXT,
    "computeId": TEXT,
    "componentId": TEXT,
    "isArchived": FLAG,
    "identity": ANYTHING,
    "notificationSetting": ANYTHING,
    "secretsConfiguration": ANYTHING,
    "services": ANYTHING,
    "jobType": TEXT,
    "outputs": MapOf(_OUTPUT),
}
_NODE = Object(
    "PipelineNode", {"componentId": TEXT, "inputs": MapOf(ANYTHING), "outputs": MapOf(MapOf(ANYTHING))}, open=True
)
_PIPELINE = Object(
    "PipelineJob",
    _COMMON | {"inputs": MapOf(_INPUT), "jobs": MapOf(_NODE), "settings": ANYTHING, "sourceJobId": TEXT},
    frozenset({"jobs"}),
)
TASKS = (
    "ChatCompletion",
    "TextCompletion",
    "TextClassification",
    "QuestionAnswering",
    "TextSummarization",
    "TokenClassification",
    "TextTranslation",
    "ImageClassification",
    "ImageInstanceSegmentation",
    "ImageObjectDetection",
    "VideoMultiObjectTracking",
)
_FINETUNING = Object(
    "FineTuningJob",
    _COMMON
    | {
        "fineTuningDetails": Object(
            "CustomModelFineTuning",
            {
                "taskType": Word("FineTuningTaskType", TASKS),
                "model": Object("MLFlowModelJobInput", _INPUT.members, frozenset({"uri"})),
                "modelProvider": Word("ModelProvider", ("Custom",)),
                "trainingData": Object("UriFileJobInput", _INPUT.members, frozenset({"uri"})),
                "validationData": Object("UriFileJobInput", _INPUT.members, frozenset({"uri"})),
                "hyperParameters": TEXTS,
            },
            frozenset({"taskType", "model", "modelProvider", "trainingData"}),
        ),
        "resources": Object("Resources", {"instanceTypes": ListOf(TEXT)}),
        "queueSettings": Object("QueueSettings", {"jobTier": TEXT}),
    },
    frozenset({"fineTuningDetails", "outputs"}),
)
_SHAPES = {"pipeline": _PIPELINE, "finetuning": _FINETUNING}


def checked(call: Call, body: Document) -> Document:
    """Returns the properties of a job's body, or refuses it with all that is wrong with it."""
    require(Object("JobBaseResource", {"properties": MapOf(ANYTHING)}, frozenset({"properties"})), body)
    properties: Document = body["properties"]
    kind = str(properties.get("jobType", "")).lower()
    if kind not in _SHAPES:
        raise WireError(
            400,
            "UserError",
            f"The emulator runs Pipeline and FineTuning jobs, not {properties.get('jobType')!r}; "
            "it runs a command as a node of a pipeline.",
            inner="RequestInvalid",
        )
    require(Object("JobBaseResource", {"properties": _SHAPES[kind]}), body)
    if kind == "finetuning":
        _check_finetuning(call, properties)
    return properties


def _check_finetuning(call: Call, properties: Document) -> None:
    details = properties["fineTuningDetails"]
    if details["taskType"].lower() != "chatcompletion":
        raise WireError(
            400,
            "UserError",
            f"The emulator trains for ChatCompletion only, not {details['taskType']}.",
            inner="BadArgument",
        )
    entry = references.registry_entry(details["model"]["uri"])
    model = registry.models().get(entry.name.lower()) if entry else None
    if chat_completion.is_serverless(properties):
        _check_serverless(call, details["model"]["uri"], model)
    if properties.get("computeId") and not computes.exists(call, properties["computeId"].rsplit("/", 1)[-1]):
        raise WireError(
            400, "UserError", f"Compute with name {properties['computeId']} not found.", inner="ComputeNotFound"
        )
    if "registered_model" not in properties["outputs"] or not properties["outputs"]["registered_model"].get(
        "assetName"
    ):
        raise WireError(
            400, "UserError", "The outputs.registered_model.assetName field is required.", inner="RequestInvalid"
        )


def _check_serverless(call: Call, uri: str, model: Document | None) -> None:
    name = model["name"] if model else uri
    retired = (model or {}).get("finetune_retirement_date")
    if model is None or retired or call.emulator.region not in model["serverless_training_regions"]:
        since = f" The model was retired on {retired}." if retired else ""
        message = f"{name} : Serverless FineTuning not supported in {call.emulator.region}.{since}"
        raise WireError(400, "UserError", message, inner="ModelNotSupportedByMaaS")
