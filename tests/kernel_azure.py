"""An Azure around a notebook's kernel: PYTHONSTARTUP names this file, so that it is run before the first cell.

Jobs are scripted; the tuned model knows the test rows, the base model does not. After each cell the file that is named
by TOLD has the last job's body, the endpoints that are up and what the emulator was asked for and does not serve.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from IPython import get_ipython

from phi_azure.testing import azure

if TYPE_CHECKING:
    from phi_azure.testing import Azure


def furnish(cloud: Azure) -> None:
    """Puts the config.json of the workspace where the notebook looks for it, and says what the models answer."""
    cloud.write_config(Path.cwd())
    cloud.reply(lambda messages: known().get(messages[-1]["content"], "negative"))
    secrets.token_hex = twins  # the endpoints' names, which the answers go by
    for base in ("base-abab", "headlines-abab/blue"):
        cloud.reply(lambda _: "It is hard to say.", on=base)


def twins(nbytes: int | None = None) -> str:
    """Returns what is no secret."""
    return "ab" * (nbytes or 1)


def known() -> dict[str, str]:
    """Returns the expected answer of each question in the test rows."""
    rows = [json.loads(line)["messages"] for line in Path("data/test.jsonl").read_text(encoding="utf-8").splitlines()]
    return {row[-2]["content"]: row[-1]["content"] for row in rows}


def tell(cloud: Azure) -> None:
    """Writes what there is."""
    jobs = [request.json for request in cloud.sent("PUT", "/jobs/")]
    told = {
        "job": jobs[-1] if jobs else None,
        "endpoints": [endpoint.name for endpoint in cloud.state.endpoints],
        "unserved": list(cloud.emulator.unserved),
    }
    Path(os.environ["TOLD"]).write_text(json.dumps(told), encoding="utf-8")


if (shell := get_ipython()) is not None:
    context = azure()  # it ends with the kernel
    around = context.__enter__()
    furnish(around)
    shell.events.register("post_run_cell", lambda _: tell(around))
