"""Asks a freshly trained model and its base model the same rows, and registers it if it passes the gate of job.yaml.

The second step of pipeline.yaml. It ends in failure, and registers nothing but a candidate, where the gate says no.
Both models answer on one managed endpoint, which is paid by the hour and removed whatever happens.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from azure.ai.ml.entities import Model as AzureModel
from azure.identity import ManagedIdentityCredential

from phi_azure import FineTune, Workspace
from phi_azure.judging import Exam

if TYPE_CHECKING:
    from phi_azure import Model

JOB = Path(__file__).with_name("job.yaml")


def main(words: list[str] | None = None) -> None:
    """Judges, then registers; raises GateNotPassed where the gate says no."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "training-rows", "test-rows", "verdict"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args(words)
    job, run = FineTune.from_yaml(JOB), os.environ["AZUREML_ROOT_RUN_ID"]
    exam = replace(Exam.of_job(job, given.test_rows), training=given.training_rows)
    with here() as workspace:
        candidate = registered(workspace, f"{job.model_name}-candidate", str(given.model), job, run)
        endpoint = f"judge-{hashlib.sha256(run.encode()).hexdigest()[:12]}"
        try:
            workspace.deploy_base(str(job.model), endpoint, keep="3h")  # the deployment blue
            candidate.deploy(endpoint, traffic=0, keep="3h")  # the deployment green
            found = workspace.compare(f"{endpoint}/green", f"{endpoint}/blue", exam)
        finally:
            workspace.endpoint(endpoint).delete()
        given.verdict.mkdir(parents=True, exist_ok=True)
        (given.verdict / "comparison.json").write_text(json.dumps(found.to_dict(), default=str), encoding="utf-8")
        found.raise_for_gate()
        registered(workspace, job.model_name, candidate.path, job, run)


def here() -> Workspace:
    """Opens the workspace whose job this is, as the identity of the cluster."""
    names = ("AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME")
    identity = ManagedIdentityCredential(client_id=os.environ.get("DEFAULT_IDENTITY_CLIENT_ID"))
    return Workspace(*(os.environ[name] for name in names), credential=identity, on_event=print)


def registered(workspace: Workspace, name: str, path: str, job: FineTune, run: str) -> Model:
    """Registers what lies there as a new version, with the run and the base model that it comes from."""
    tags = {"phi_azure": "1", "phi_azure.run": run, "phi_azure.base_model": str(job.model)}
    made = workspace.ml_client.models.create_or_update(AzureModel(name=name, path=path, type="mlflow_model", tags=tags))
    return workspace.model(made.name, made.version)


if __name__ == "__main__":
    main()
