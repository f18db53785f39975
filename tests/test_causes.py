"""The table of known causes: what a message or a log shows, and what to do."""

from __future__ import annotations

import re

import pytest

from phi_azure.causes import CAUSES, known_cause

MESSAGES = {
    "gpu-memory": [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.5 GiB. 88 MiB of GPU 0 are free.",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
    "disk": [
        "OSError: [Errno 28] No space left on device: '/mnt/azureml/outputs/checkpoint-400/optimizer.pt'",
        "RuntimeError: write failed, the disk is full",
    ],
    "preemption": [
        "The job was stopped because its low priority node was preempted.",
        "Node tvmps_1 has been evicted: a spot VM was reclaimed.",
    ],
    "quota": [
        "The cluster cannot grow: quota for standardNCADSA100v4Family is exceeded (24 of 24 vCPUs in use).",
        "Operation results in exceeding the approved Total Regional Cores quota.",
        "ClusterCoreQuotaReached: the subscription's cores are all in use",
    ],
    "capacity": [
        "AllocationFailed: the region has no room for Standard_ND96asr_v4 at present",
        "There is not enough capacity for the requested size.",
    ],
    "storage-rights": [
        "ErrorCode: AuthorizationPermissionMismatch while mounting azureml://datastores/workspaceblobstore",
        "Failed to mount the input: blob storage answered 403 Forbidden",
        "KeyBasedAuthenticationNotPermitted: keys are switched off on this account",
    ],
    "image": [
        "Image build failed for environment acft-hf-nlp-gpu:75.",
        "Failed to pull image mcr.microsoft.com/azureml/x: ErrImagePull",
    ],
    "remote-code": [
        "ValueError: loading this model requires you to execute the configuration file; set trust_remote_code=True.",
    ],
    "tokenizer": [
        "OSError: Can't load tokenizer for '/mnt/model'. Make sure that it holds all files.",
        "ValueError: tokenizer.chat_template is not set and no template was passed",
    ],
    "loss-nan": [
        "{'loss': nan, 'grad_norm': nan, 'learning_rate': 0.001}",
        "RuntimeError: step 40: loss is NaN, stopping",
        "Exception: Current loss scale already at minimum - cannot decrease scale anymore.",
    ],
    "host-memory": [
        "Execution failed: the user process exited with status code 137.",
        "RuntimeError: DataLoader worker (pid 91) is killed by signal: Killed.",
        "Bus error: the container has insufficient shared memory (shm)",
    ],
    "nccl": [
        "[rank1]: NCCL error: unhandled system error, NCCL version 2.21",
        "Watchdog caught collective operation timeout: WorkNCCL(SeqNum=88, OpType=ALLREDUCE)",
    ],
    "gpu-lost": [
        "RuntimeError: CUDA error: device-side assert triggered",
        "RuntimeError: No CUDA-capable device is detected",
    ],
    "data": [
        "json.decoder.JSONDecodeError: Expecting ',' delimiter: line 3 column 9",
        "KeyError: 'messages'",
        "The validation dataset at /mnt/validation.jsonl is empty",
    ],
    "model-access": [
        "OSError: you are trying to access a gated repo; ask for access on its page.",
        "microsoft/phi-99 is not a local folder and is not a valid model identifier",
    ],
    "time-limit": [
        "The job has exceeded max run duration of 3600 seconds.",
        "Job timed out after 24 hours",
    ],
}


@pytest.mark.parametrize(
    ("name", "message"), [(name, text) for name, texts in MESSAGES.items() for text in texts], ids=str
)
def test_a_message_shows_its_cause(name: str, message: str) -> None:
    """One cause, the telling one, in whatever letters."""
    found = [known_cause(text) for text in (message, message.upper() if name != "gpu-memory" else message)]

    assert [cause.name if cause else None for cause in found] == [name, name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "step 40/300 epoch 0.13 loss 1.2345 grad_norm 0.912 learning_rate 2e-05",
        "Saved checkpoint-200 in 3.1 s; quota of checkpoints: 2",
        "loss decreased; finance data loaded from 12 files",
        "The pipeline has failed child jobs.",
        "The script of the test says that this step fails.",
        "NCCL version 2.21.5+cuda12.4",
        "127 rows were dropped, 0 errors",
    ],
)
def test_ordinary_lines_show_none(text: str) -> None:
    """A cause is only named where something shows it."""
    assert known_cause(text) is None


def test_what_comes_first_counts_more() -> None:
    """Azure's reason before the log, and in one text the cause that brings the others about."""
    log = "NCCL error: unhandled system error\nCUDA out of memory"

    assert known_cause("No space left on device", log) is known_cause("No space left on device")
    assert known_cause("exited with 1", log) is known_cause("CUDA out of memory")


def test_every_cause_is_tried_and_says_what_to_do() -> None:
    """No row without a message here, and none without advice."""
    assert [cause.name for cause in CAUSES] == list(MESSAGES)
    assert all(cause.what.endswith(".") and cause.remedy.endswith(".") for cause in CAUSES)
    assert all(re.compile(sign) for cause in CAUSES for sign in cause.signs)
