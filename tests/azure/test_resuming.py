"""Sending a job again: what is kept of its body, and what is the service's."""

from __future__ import annotations

from phi_azure.azure.resuming import resumed_body


def test_keeps_the_job_and_asks_for_the_checkpoint() -> None:
    """The same pipeline goes out, with the tag and the input that make it go on."""
    node = {"inputs": {"seed": {"value": "1"}, "resume_from_checkpoint": {"value": "false"}}, "componentId": "c"}
    answered = {
        "jobType": "Pipeline", "status": "Failed", "services": {}, "tags": {"a": "b"}, "jobs": {"training": node},
        "outputs": {"trained_model": {"jobOutputType": "mlflow_model", "uri": "azureml://x", "assetName": None}},
        "settings": {"force_rerun": True},
    }  # fmt: skip

    body = resumed_body(answered, "tone-0a1b2c")

    assert body == {
        "jobType": "Pipeline",
        "properties": {},
        "tags": {"a": "b", "phi_azure.resumes": "tone-0a1b2c"},
        "outputs": {"trained_model": {"jobOutputType": "mlflow_model"}},
        "settings": {"force_rerun": False},
        "jobs": {
            "training": {
                "componentId": "c",
                "inputs": {
                    "seed": {"value": "1"},
                    "resume_from_checkpoint": {"value": "true", "job_input_type": "literal"},
                },
            }
        },
    }


def test_leaves_nodes_alone_that_train_nothing() -> None:
    """A command takes no checkpoint, and would be refused with an input that it does not have."""
    judging = {"type": "command", "inputs": {"model": {"value": "${{parent.jobs.training.outputs.model}}"}}}
    training = {"type": "pipeline", "inputs": {}}

    body = resumed_body({"jobType": "Pipeline", "jobs": {"training": training, "judging": judging}}, "tone-0a1b2c")

    assert body["jobs"]["judging"] == judging
    assert "resume_from_checkpoint" in body["jobs"]["training"]["inputs"]
