"""The Phi models of Azure's registry, a row each.

Collected on AS_OF. Sources: model specs of Azure/azureml-assets (2026-07-01) for sizes, defaults, dates and context;
Azure's own tables of regions (2026-02-17) and of retired models (2026-04-23); the Foundry catalogue of 2026-08-21 for
versions; litgpt, transformers 5.3.0 and torchtune for dimensions; litellm 1.109.1 (2026-11), which cites Azure's retail
price API, for prices. Phi-4-mini, -multimodal and the reasoning models have no stored spec: their machines are ours.
The retirement of the Phi-4 family (2027-01-17) comes from litellm alone; its deprecation day is ninety days before, as
Azure's lifecycle rule has it. Retired sizes come last in a list, because a job that names none takes the first.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from phi_azure.catalog.phi import Dims, LearningRate, Lifecycle, PhiModel, TokenPrice, Value

AS_OF = date(2026, 11, 23)
DEFAULT_MODEL = "Phi-4-mini-instruct"

_BILLION = 1_000_000_000
_128K = 131072
_US = ("eastus", "eastus2", "northcentralus", "southcentralus", "westus", "westus3")
_US_AND_SWEDEN = (*_US[:4], "swedencentral", *_US[4:])
_SPEC = "azureml-assets spec"
_TABLES = "Azure's region table, Foundry catalogue, litellm"
_SPEC_DAY = date(2026, 7, 1)
_PHI3_END = Lifecycle(date(2025, 6, 9), date(2025, 6, 30), date(2025, 8, 30), "high")
_PHI4_END = Lifecycle(None, date(2026, 10, 19), date(2027, 1, 17), "low")

_NC_A100 = ("Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4", "Standard_NC96ads_A100_v4")
_ND_A100 = "Standard_ND96amsr_A100_v4"
_ND_A100_40 = "Standard_ND96asr_v4"
_A100 = (*_NC_A100, _ND_A100)
_EVERY_A100 = (*_NC_A100, _ND_A100_40, _ND_A100)
_LARGE = (_NC_A100[2], _ND_A100)
_LARGER = (*_NC_A100[1:], _ND_A100)
_V100 = ("Standard_NC6s_v3", "Standard_NC12s_v3", "Standard_NC24s_v3", "Standard_ND40rs_v2")
_T4 = ("Standard_NC4as_T4_v3", "Standard_NC8as_T4_v3", "Standard_NC16as_T4_v3", "Standard_NC64as_T4_v3")

_FUSED = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
_PHI2_LAYERS = ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")
_PHI3_MINI = Dims(32, 3072, 32, 32, 8192, 32064)
_PHI3_MEDIUM = Dims(40, 5120, 40, 10, 17920, 32064)  # general knowledge: no stored file has them
_PHI4 = Dims(40, 5120, 40, 10, 17920, 100352)
_PHI4_MINI = Dims(32, 3072, 24, 8, 8192, 200064, tied=True)
_MOE = Dims(32, 4096, 32, 8, 6400, 32064, experts=16, active_experts=2)


def _samples(
    stage: int, *, lora: bool, rate: str, batch: int = 1, accumulation: int = 1, length: int | None = None
) -> dict[str, Value]:
    """Returns a spec's model_specific_defaults, as far as they are inputs of the component."""
    values: dict[str, Value] = {
        "apply_deepspeed": "true",
        "deepspeed_stage": stage,
        "apply_lora": "true" if lora else "false",
        "apply_ort": "false",
        "precision": 16,
        "ignore_mismatched_sizes": "false",
        "num_train_epochs": 1,
        "per_device_train_batch_size": batch,
        "per_device_eval_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": rate,
        "lr_scheduler_type": "cosine",
        "logging_strategy": "steps",
        "logging_steps": 10,
        "save_total_limit": 1,
    }
    return values if length is None else {**values, "max_seq_length": length}


_SLOW = LearningRate(5e-6, 5e-7, 5e-5)
_QUICK = LearningRate(2e-5, 2e-6, 2e-4)
_UNBOUNDED = LearningRate(5e-6)
_FULL_STAGE_3 = _samples(3, lora=False, rate="5e-6", batch=4, accumulation=4, length=4096)
_LORA_STAGE_2 = _samples(2, lora=True, rate="5e-6")

_MINI3 = PhiModel(
    name="Phi-3-mini-4k-instruct",
    hugging_face="microsoft/Phi-3-mini-4k-instruct",
    version="15",
    parameters=3_800_000_000,
    active_parameters=3_800_000_000,
    context=4096,
    dims=_PHI3_MINI,
    chat_template="phi3",
    finetune_sizes=_EVERY_A100,
    inference_sizes=(*_EVERY_A100, *_V100),
    lifecycle=_PHI3_END,
    successor=DEFAULT_MODEL,
    defaults=_LORA_STAGE_2,
    learning_rate=_SLOW,
    lora_modules=_FUSED,
    price=TokenPrice(0.13, 0.52),
    source=_SPEC,
    as_of=_SPEC_DAY,
)
_SMALL3 = replace(
    _MINI3,
    name="Phi-3-small-8k-instruct",
    hugging_face="microsoft/Phi-3-small-8k-instruct",
    version="6",
    parameters=7 * _BILLION,
    active_parameters=7 * _BILLION,
    context=8192,  # the spec says 131072; the name and Hugging Face say 8192
    dims=None,
    chat_template=None,
    finetune_sizes=_LARGE,
    inference_sizes=_A100,
    defaults=_FULL_STAGE_3,
    learning_rate=_UNBOUNDED,
    lora_modules=(),
    price=TokenPrice(0.15, 0.60),
)
_MEDIUM3 = replace(
    _MINI3,
    name="Phi-3-medium-4k-instruct",
    hugging_face="microsoft/Phi-3-medium-4k-instruct",
    version="6",
    parameters=14 * _BILLION,
    active_parameters=14 * _BILLION,
    dims=_PHI3_MEDIUM,
    system_role=False,
    finetune_sizes=_LARGE,
    inference_sizes=(*_EVERY_A100, _V100[3]),
    successor="Phi-4",
    defaults=_FULL_STAGE_3,
    price=TokenPrice(0.17, 0.68),
)
_VISION = replace(
    _MINI3,
    name="Phi-3.5-vision-instruct",
    hugging_face="microsoft/Phi-3.5-vision-instruct",
    version="2",
    parameters=4_200_000_000,
    active_parameters=4_200_000_000,
    context=_128K,
    dims=None,
    chat_template=None,
    modalities=("text", "image"),
    tunable=False,
    finetune_sizes=_A100,
    inference_sizes=_A100,
    learning_rate=_UNBOUNDED,
    assumed=("finetune_sizes",),
)
_PHI4_ROW = PhiModel(
    name="Phi-4",
    hugging_face="microsoft/phi-4",
    version="8",  # the Foundry catalogue of 2026-08-21 has 7
    parameters=14_700_000_000,
    active_parameters=14_700_000_000,
    context=16384,
    dims=_PHI4,
    chat_template="phi4",
    serverless_regions=_US,
    deploy_regions=_US_AND_SWEDEN,
    finetune_sizes=(
        *_EVERY_A100,
        "Standard_NC40ads_H100_v5",
        "Standard_NC80adis_H100_v5",
        "Standard_ND96isr_H100_v5",
    ),
    inference_sizes=(
        *_EVERY_A100,
        "Standard_ND96isr_H100_v5",
        "Standard_NC40ads_H100_v5",
        "Standard_NC80adis_H100_v5",
    ),
    lifecycle=_PHI4_END,
    defaults=_samples(3, lora=True, rate="5e-6"),
    learning_rate=_UNBOUNDED,
    lora_modules=_FUSED,
    price=TokenPrice(0.125, 0.50),
    source=f"{_SPEC}, {_TABLES}",
    as_of=AS_OF,
)
_GUESSED = ("finetune_sizes", "inference_sizes")
_MINI4 = replace(
    _PHI4_ROW,
    name=DEFAULT_MODEL,
    hugging_face="microsoft/Phi-4-mini-instruct",
    version="1",
    parameters=3_800_000_000,
    active_parameters=3_800_000_000,
    context=_128K,
    dims=_PHI4_MINI,
    chat_template="phi4_mini",
    finetune_sizes=_A100,
    inference_sizes=_A100,
    defaults={},
    learning_rate=None,
    price=TokenPrice(0.075, 0.30),
    assumed=_GUESSED,
    source=_TABLES,
)

MODELS = (
    _MINI4,
    _PHI4_ROW,
    replace(
        _MINI4,
        name="Phi-4-multimodal-instruct",
        hugging_face="microsoft/Phi-4-multimodal-instruct",
        version="2",
        parameters=5_600_000_000,
        active_parameters=5_600_000_000,
        modalities=("text", "image", "audio"),
        price=TokenPrice(0.08, 0.32),
        assumed=(*_GUESSED, "dims"),  # of its text part, as Phi-4-mini's
    ),
    replace(
        _PHI4_ROW,
        name="Phi-4-reasoning",
        hugging_face="microsoft/Phi-4-reasoning",
        version="1",
        context=32768,
        tunable=False,
        serverless_regions=(),
        deploy_regions=_US,
        finetune_sizes=_A100,
        inference_sizes=_A100,
        defaults={},
        learning_rate=None,
        assumed=_GUESSED,
        source=_TABLES,
    ),
    replace(
        _MINI4,
        name="Phi-4-mini-reasoning",
        hugging_face="microsoft/Phi-4-mini-reasoning",
        tunable=False,
        serverless_regions=(),
        deploy_regions=_US,
    ),
    replace(
        _MINI3,
        name="Phi-3.5-mini-instruct",
        hugging_face="microsoft/Phi-3.5-mini-instruct",
        version="6",
        context=_128K,
        finetune_sizes=_A100,
        inference_sizes=_A100,
        defaults=_samples(2, lora=True, rate="2e-5", length=16384),
        learning_rate=_QUICK,
    ),
    replace(
        _MINI3,
        name="Phi-3.5-MoE-instruct",
        hugging_face="microsoft/Phi-3.5-MoE-instruct",
        version="5",
        parameters=41_900_000_000,
        active_parameters=6_600_000_000,
        context=_128K,
        dims=_MOE,
        finetune_sizes=_LARGE,
        inference_sizes=_LARGER,
        defaults=_samples(3, lora=True, rate="2e-5", length=16384),
        learning_rate=_QUICK,
        lora_modules=("q_proj", "k_proj", "v_proj", "o_proj"),  # a fused module holds its experts
        price=TokenPrice(0.16, 0.64),
    ),
    _VISION,
    _MINI3,
    replace(
        _MINI3,
        name="Phi-3-mini-128k-instruct",
        hugging_face="microsoft/Phi-3-mini-128k-instruct",
        version="13",
        context=_128K,
        finetune_sizes=_A100,
        inference_sizes=_A100,
    ),
    _SMALL3,
    replace(
        _SMALL3,
        name="Phi-3-small-128k-instruct",
        hugging_face="microsoft/Phi-3-small-128k-instruct",
        version="5",
        context=_128K,
        learning_rate=_SLOW,
    ),
    _MEDIUM3,
    replace(
        _MEDIUM3,
        name="Phi-3-medium-128k-instruct",
        hugging_face="microsoft/Phi-3-medium-128k-instruct",
        version="7",
        context=_128K,
        inference_sizes=_LARGER,
    ),
    replace(
        _VISION,
        name="Phi-3-vision-128k-instruct",
        hugging_face="microsoft/Phi-3-vision-128k-instruct",
        inference_sizes=_LARGER,
        defaults={},
        learning_rate=None,
        successor="Phi-4-multimodal-instruct",
        price=None,
        assumed=("finetune_sizes", "modalities", "successor"),  # the spec says text; no table has a successor
    ),
    PhiModel(
        name="microsoft-phi-2",
        hugging_face="microsoft/phi-2",
        version="22",
        parameters=2_700_000_000,
        active_parameters=2_700_000_000,
        context=2048,
        dims=Dims(32, 2560, 32, 32, 10240, 51200, gated=False),
        tasks=("text-generation",),
        tunable=False,  # for plain text, not for chats
        serverless=False,
        finetune_sizes=(*_EVERY_A100, "Standard_ND40rs_v2"),
        inference_sizes=(*_T4, *_EVERY_A100),
        defaults={
            "apply_deepspeed": "true",
            "deepspeed_stage": 2,
            "apply_lora": "true",
            "apply_ort": "false",
            "precision": 16,
            "max_seq_length": 2048,
        },
        lora_modules=_PHI2_LAYERS,
        source=_SPEC,
        as_of=_SPEC_DAY,
    ),
    PhiModel(
        name="microsoft-phi-1-5",
        hugging_face="microsoft/phi-1_5",
        version="11",
        parameters=1_300_000_000,
        active_parameters=1_300_000_000,
        context=2048,
        dims=Dims(24, 2048, 32, 32, 8192, 51200, gated=False),
        tasks=("text-generation",),
        tunable=False,
        serverless=False,
        finetune_sizes=_A100,
        inference_sizes=("Standard_DS3_v2", "Standard_DS4_v2", *_V100, _ND_A100_40),
        assumed=("finetune_sizes",),
        lora_modules=_PHI2_LAYERS,
        source=_SPEC,
        as_of=_SPEC_DAY,
    ),
)
