"""Known causes of failure: how each shows in a message or a log, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One reason for which jobs fail."""

    name: str
    signs: tuple[str, ...]
    """Regular expressions, without regard to case; one that is found is enough."""
    what: str
    remedy: str


def known_cause(*texts: str) -> Cause | None:
    """Returns the cause that the texts show, the earliest text first; None where none is known."""
    for text in texts:
        for cause, pattern in zip(CAUSES, _PATTERNS, strict=True):
            if pattern.search(text):
                return cause
    return None


def serving_remedy(*texts: str) -> str | None:
    """Returns what to do about a deployment whose texts show a known cause; None where none is known."""
    for text in texts:
        for name, pattern in SERVING_SIGNS.items():
            if pattern.search(text):
                return SERVING[name]
    cause = known_cause(*texts)
    return SERVING.get(cause.name, cause.remedy) if cause else None


# the more telling first: a process that runs out of memory breaks the talk between the others as well
CAUSES = (
    Cause(
        "gpu-memory",
        (
            r"CUDA out of memory",
            r"torch\.(?:cuda\.)?OutOfMemoryError",
            r"CUBLAS_STATUS_ALLOC_FAILED",
            r"CUDA error: out of memory",
            r"HIP out of memory",
        ),
        "The GPU has too little memory for what each step holds.",
        "Set batch_size to 1 and gradient_accumulation_steps higher instead, lower max_seq_length, set "
        "deepspeed: 3 or lora on managed compute, or take a larger size; `phi-azure plan` reckons the memory.",
    ),
    Cause(
        "disk",
        (
            r"No space left on device",
            r"\bENOSPC\b",
            r"disk (?:is )?full",
            r"Disk quota exceeded",
            r"OSError: \[Errno 28\]",
        ),
        "The machine's disk is full, of checkpoints as a rule.",
        "Set save_total_limit: 1 on managed compute, or take a size with a larger disk.",
    ),
    Cause(
        "preemption",
        (
            r"\bpreempt(?:ed|ion)\b",
            r"node (?:was|has been) (?:evicted|reclaimed)",
            r"spot (?:VM|node|instance).{0,40}(?:evict|reclaim)",
            r"low.priority.{0,60}(?:taken|evict|reclaim|lost)",
        ),
        "Azure took the low-priority machine back.",
        "Resume it from its last checkpoint, or take a cluster of dedicated machines.",
    ),
    Cause(
        "quota",
        (
            r"\bquota\b.{0,80}(?:exceed|exhaust|insufficient|limit|reached|used up)",
            r"exceed\w*.{0,60}\bquota\b",
            r"not enough cores",
            r"CoreQuotaReached",
            r"QuotaExceeded",
            r"ClusterCoreQuotaReached",
        ),
        "The subscription has too few cores of this family left in the region.",
        "Free machines of the family, ask for more (Azure portal: Quotas, Machine learning), or take another "
        "size or region; `phi-azure doctor` shows what is left.",
    ),
    Cause(
        "capacity",
        (
            r"AllocationFailed",
            r"ZonalAllocationFailed",
            r"SkuNotAvailable",
            r"OverconstrainedAllocation",
            r"(?:no|insufficient|not enough) capacity",
        ),
        "Azure has no machine of this size free in the region at the moment.",
        "Try again later, or take another size or region; quota does not help.",
    ),
    Cause(
        "storage-rights",
        (
            r"AuthorizationPermissionMismatch",
            r"AuthorizationFailure",
            r"KeyBasedAuthenticationNotPermitted",
            r"not authorized to perform this operation using this permission",
            r"Public access is not permitted",
            r"(?:blob|storage|datastore|mount).{0,120}(?:\b403\b|Forbidden|access denied|permission denied)",
            r"(?:\b403\b|Forbidden|access denied).{0,120}(?:blob|storage|datastore)",
        ),
        "The job may not read or write the workspace's storage.",
        "Give whoever runs the job (you, or the cluster's identity) the role Storage Blob Data Contributor on "
        "the storage account, or let the account take keys; `phi-azure doctor` checks both.",
    ),
    Cause(
        "image",
        (
            r"image build.{0,40}(?:fail|error)",
            r"failed to (?:build|pull).{0,60}image",
            r"ImagePullBackOff",
            r"ErrImagePull",
            r"manifest (?:unknown|for .{0,120} not found)",
            r"toomanyrequests",
            r"CondaEnvException",
            r"ResolvePackageNotFound",
            r"docker.{0,40}(?:pull|daemon).{0,40}(?:fail|error)",
            r"environment.{0,40}(?:could not|cannot) be built",
            r"environment.{0,40}failed to build",
        ),
        "The image that the step runs in could not be built or fetched.",
        "Submit it again: registries fail for a while; if it stays, see the build log (`phi-azure logs RUN "
        "--all-files`) and whether the workspace's network lets it reach mcr.microsoft.com.",
    ),
    Cause(
        "remote-code",
        (
            r"trust_remote_code",
            r"requires you to execute (?:the )?(?:configuration|tokenizer|modeling) file",
        ),
        "The model brings its own code, and the job does not allow that.",
        "If you trust the model's author, set trust_remote_code: true on managed compute.",
    ),
    Cause(
        "tokenizer",
        (
            r"Can't load tokenizer",
            r"tokenizer (?:class|file|config).{0,60}(?:not exist|not found|missing|could not)",
            r"chat_template is not set",
            r"does not have a chat template",
            r"sentencepiece.{0,40}(?:not installed|required)",
        ),
        "The model's tokenizer could not be loaded, or has no chat template.",
        "Give a folder that save_pretrained wrote with its tokenizer; `phi-azure preview JOB --tokenizer DIR` "
        "tries it here.",
    ),
    Cause(
        "loss-nan",
        (
            r"loss(?:es)?\b.{0,20}\b(?:is|are|=|:)?\s*(?:nan|inf)\b",
            r"\b(?:nan|inf) (?:loss|gradient|values? in)",
            r"grad(?:ient)?s?.{0,30}\b(?:nan|inf)\b",
            r"loss scal\w+ .{0,40}(?:minimum|reached)",
            r"Function '\w+' returned nan",
        ),
        "The loss is no number any more: the training has run away.",
        "Lower learning_rate (a tenth), add warmup_steps, or set precision: 32 or max_grad_norm: 0.3; look at "
        "rows that are empty after cutting: `phi-azure check`.",
    ),
    Cause(
        "host-memory",
        (
            r"exit(?:ed)?(?: with)?(?: status)? ?(?:code|status)?:? ?137\b",
            r"\bOOMKilled\b",
            r"oom[-_ ]kill",
            r"MemoryError\b",
            r"Cannot allocate memory",
            r"DataLoader worker .{0,60}killed by signal",
            r"(?:SIGKILL|signal 9)\b",
            r"bus error.{0,80}shared memory",
            r"insufficient shared memory",
        ),
        "The machine ran out of memory, or of shared memory, and the process was killed.",
        "Raise shm_size_finetune, lower preprocess_batch_size and dataloader_num_workers, or take a size with "
        "more memory.",
    ),
    Cause(
        "nccl",
        (
            r"\bNCCL\b.{0,80}(?:error|timeout|timed out|fail|unhandled)",
            r"ncclSystemError|ncclInternalError|ncclUnhandledCudaError",
            r"ProcessGroupNCCL",
            r"Watchdog caught collective operation timeout",
            r"Connection (?:reset|closed) by peer.{0,60}rank",
        ),
        "The processes of the GPUs lost each other.",
        "See the other processes' logs for the first that ended (`phi-azure logs RUN --all-files`); resume "
        "it; if it comes back, set gpus: 1 or nodes: 1 to see whether the network between machines is the "
        "cause.",
    ),
    Cause(
        "gpu-lost",
        (
            r"CUDA error: (?:device-side assert|unspecified launch|an illegal memory access|no kernel image)",
            r"no CUDA-capable device",
            r"NVIDIA-SMI has failed",
            r"\bXid\b.{0,40}\d+",
            r"uncorrectable ECC error",
        ),
        "The GPU failed, or the program asked it for what is not there.",
        "Resume it once: another machine may do. `device-side assert` that comes back is a token beyond the "
        "vocabulary: the tokenizer is not the model's.",
    ),
    Cause(
        "data",
        (
            r"JSONDecodeError",
            r"(?:not|in)valid json",
            "KeyError: ['\\\"]messages['\\\"]",
            r"ArrowInvalid",
            r"DatasetGenerationError",
            r"(?:train(?:ing)?|validation|test) (?:data|dataset|file).{0,80}(?:invalid|malformed|empty|could not be)",
            r"UnicodeDecodeError",
            r"(?:roles?|messages) must (?:be|alternate)",
            r"column names? .{0,60}(?:don't|do not|doesn't) match",
        ),
        "The rows are not in the form that the training code reads.",
        "`phi-azure check FILE` names each bad row with its line; `phi-azure convert FILE` makes chat rows of "
        "other forms.",
    ),
    Cause(
        "model-access",
        (
            r"gated repo",
            r"Access to model .{0,80} is restricted",
            r"Repository Not Found",
            r"401 Client Error.{0,80}huggingface",
            r"(?:is not a local folder|is not a valid model identifier)",
        ),
        "The model cannot be fetched from where the job was told to look.",
        "Check its name; gated models need consent and a token on Hugging Face; or train own weights: `model: "
        "{path: DIR}`.",
    ),
    Cause(
        "time-limit",
        (
            r"exceed\w* (?:the )?max(?:imum)?[ _-](?:run[ _-]?)?(?:time|duration)",
            r"job.{0,30}timed out after",
            r"reached (?:its|the) time ?limit",
        ),
        "The job took longer than it may.",
        "Resume it from its last checkpoint, lower epochs, or take more or larger machines.",
    ),
)
_PATTERNS = tuple(re.compile("|".join(cause.signs), re.IGNORECASE) for cause in CAUSES)

SERVING = {
    "gpu-memory": "Take a size whose GPU has more memory: `phi-azure sizes` lists them, `deploy --size` takes one.",
    "host-memory": "Take a size with more memory: `phi-azure sizes` lists them, `deploy --size` takes one.",
    "disk": "Take a size with a larger disk, or register the merged model without its checkpoints.",
    "storage-rights": "Give the endpoint's identity the role Storage Blob Data Reader on the workspace's storage "
    "account (az role assignment create); Azure does it by itself where whoever deploys may assign roles.",
    "image": "Deploy it again: registries fail for a while; if it stays, see the build log in the studio, and whether "
    "the workspace's network lets it reach mcr.microsoft.com and its own container registry.",
    "quota": "Deployments need a fifth more cores than their machines have. Free some, ask for more (Azure portal: "
    "Quotas, Machine learning), or take another size or region; `phi-azure doctor` shows what is left.",
    "container": "Its log above says why the model did not answer: a model that does not load in ten minutes needs a "
    "larger size; one that was changed after the job may lack files: `phi-azure download` it, and try it here.",
}
"""What to do where a deployment fails by one of the causes above, or by those that only containers have."""
SERVING_SIGNS = {
    "host-memory": re.compile(r"OOMKilled", re.IGNORECASE),
    "storage-rights": re.compile(r"endpoint's identity", re.IGNORECASE),
    "image": re.compile(r"environment image", re.IGNORECASE),
    "quota": re.compile(r"not enough quota", re.IGNORECASE),
    "container": re.compile(r"(?:readiness|liveness) probe|user container has crashed", re.IGNORECASE),
}
