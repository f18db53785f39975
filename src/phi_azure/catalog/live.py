"""What Azure's registry says today, over what the table says: tags first, then properties, then the row."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from phi_azure.catalog.phi import LearningRate, Lifecycle, PhiModel, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

_RATES = {"learning_rate_min", "learning_rate_max"}  # bounds for a form; the component has no such inputs


def with_live(row: PhiModel, tags: Mapping[str, str] | None, properties: Mapping[str, str] | None) -> PhiModel:
    """Returns the row with what a registered model's tags and properties say; what they do not say stays.

    Newer versions of azure-ai-ml drop some of these on the way, so that an empty answer means nothing.
    """
    facts = {**(properties or {}), **(tags or {})}
    training = _listed(facts.get("finetune_compute_allow_list") or facts.get("finetune-recommended-sku"))
    serving = _listed(facts.get("inference_compute_allow_list") or facts.get("inference-recommended-sku"))
    regions = _listed(facts.get("maas-finetuning-deploy-regions"))
    said = _mapped(facts.get("model_specific_defaults"))
    context = str(facts.get("textContextWindow") or "")
    return replace(
        row,
        finetune_sizes=training or row.finetune_sizes,
        inference_sizes=serving or row.inference_sizes,
        serverless_regions=regions or row.serverless_regions,
        # the smaller one: the spec of Phi-3-small-8k says 131072, its name and Hugging Face 8192
        context=min(int(context), row.context) if context.isdecimal() else row.context,
        defaults={key: value for key, value in said.items() if key not in _RATES} or row.defaults,
        learning_rate=_rate(said) or row.learning_rate,
        lifecycle=_lifecycle(facts, row.lifecycle),
        assumed=tuple(
            name
            for name in row.assumed
            if not (name == "finetune_sizes" and training) and not (name == "inference_sizes" and serving)
        ),
    )


def _listed(text: object) -> tuple[str, ...]:
    """Reads "['a', 'b']" and "a, b"."""
    words = str(text or "").strip()
    if words.startswith("["):
        found = _literal(words)
        return tuple(str(item) for item in found) if isinstance(found, list) else ()
    return tuple(item.strip() for item in words.split(",") if item.strip())


def _mapped(text: object) -> dict[str, Value]:
    found = _literal(str(text or ""))
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, (str, int, float))}


def _literal(text: str) -> object:
    """Reads a Python literal, as Azure's tags hold them; None for anything else."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _rate(said: Mapping[str, Value]) -> LearningRate | None:
    values = [_number(said.get(key)) for key in ("learning_rate", "learning_rate_min", "learning_rate_max")]
    default, least, most = values
    return None if default is None else LearningRate(default, least, most)


def _number(value: Value | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _lifecycle(facts: Mapping[str, str], ours: Lifecycle) -> Lifecycle:
    legacy = _day(facts.get("InferenceLegacyDate"))
    deprecated = _day(facts.get("FinetuneDeprecationDate") or facts.get("InferenceDeprecationDate"))
    retires = _day(facts.get("FinetuneRetirementDate") or facts.get("InferenceRetirementDate"))
    if retires is None and deprecated is None:
        return ours
    return Lifecycle(legacy or ours.legacy, deprecated or ours.deprecated, retires or ours.retires, "high")


def _day(text: str | None) -> date | None:
    """Reads a date, alone or with a time behind it."""
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
