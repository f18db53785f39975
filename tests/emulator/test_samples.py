"""Both routes as Microsoft's public samples go them, with clients that never heard of phi_azure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phi_azure.engine import headlines
from phi_azure.testing import azure
from tests.emulator import plain_client

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = [{"role": "user", "content": plain_client.QUESTION}]


def test_managed_compute_route_of_the_samples(tmp_path: Path) -> None:
    """Registry, cluster, pipeline, stream, model from the job's output, endpoint, traffic, invoke, delete."""
    headlines.write_dataset(tmp_path, train=20, validation=10, test=10)

    with azure() as cloud:
        cloud.reply(lambda messages: f"heard {messages[-1]['content']}")
        result = plain_client.managed_compute(tmp_path, PROMPT)

    assert result["said"] == [{"0": f"heard {plain_client.QUESTION}"}]
    assert result["model"].path.endswith(f"azureml/{result['job']}/trained_model")
    assert len(result["children"]) == 1
    assert not cloud.interception.refused


def test_serverless_route_of_the_samples(tmp_path: Path) -> None:
    """Data assets, create_finetuning_job, polling, serverless endpoint, keys, a POST of a chat completion, delete."""
    headlines.write_dataset(tmp_path, train=20, validation=10, test=10)

    with azure() as cloud:
        result = plain_client.serverless(tmp_path, PROMPT)
        sent = cloud.last("PUT", "/jobs/").json["properties"]

    assert result["status"] == 200
    assert result["said"]["choices"][0]["message"]["content"] == f"scripted answer to: {plain_client.QUESTION}"
    assert sent["fineTuningDetails"]["hyperParameters"]["num_train_epochs"] == "3"


@pytest.mark.engine
@pytest.mark.parametrize("route", ["managed_compute", "serverless"])
def test_samples_answer_from_the_model_that_was_trained(route: str, tmp_path: Path) -> None:
    """With the engine behind it the same script gets the firm's one word, from weights that its own job left."""
    headlines.write_dataset(tmp_path)
    prompt = headlines.headline_prompt(plain_client.QUESTION)

    with azure(runner="engine"):
        result = getattr(plain_client, route)(tmp_path, prompt)

    assert '"negative"' in json.dumps(result["said"])
