"""The receipt of a run: what is in it, that it is whole, free of secrets, and opens anywhere."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from phi_azure import FineTune, Lora, ManagedCompute, RunFailed, Serverless, Workspace
from phi_azure.cli import run as command_line
from phi_azure.display import receipt_page
from phi_azure.receipts import gather, read_sent
from phi_azure.receipts.filing import replace as replace_file
from tests.browser import WIDTHS, overflow
from tests.conftest import row

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.receipts import Receipt
    from phi_azure.run import Run
    from phi_azure.testing import Azure
    from tests.browser import Visit

ROUTES: dict[str, Serverless | ManagedCompute] = {
    "serverless": Serverless(learning_rate=3e-5),
    "managed": ManagedCompute(cluster="gpu-cluster", size="Standard_NC24ads_A100_v4", lora=Lora(r=16)),
}
LOSSES = [3.0, 2.0, 1.5, 1.2, 1.0, 0.9]
SECRETS = {
    "api_key": "plain-words-as-key",
    "note": "see https://a.blob.core.windows.net/c?sv=1&sig=PLANTEDsignature%3D",
    "login": "password=PLANTEDpassword",
    "model_hub": "hf_PLANTEDtoken0123456789",
}
PLANTED = ("plain-words-as-key", "PLANTEDsignature", "PLANTEDpassword", "hf_PLANTEDtoken0123456789")


@pytest.fixture
def kept(emulator: Azure, tmp_path: Path) -> Workspace:
    """A workspace that keeps receipts, and whose jobs take two hours."""
    emulator.jobs.script(queued=600, runs=7200, metrics={"loss": LOSSES, "eval_loss": [1.4, 0.95]}, log=["it trains"])
    ids = (emulator.subscription_id, emulator.resource_group, emulator.workspace)
    return Workspace(*ids, clock=emulator.clock, receipts=tmp_path / "receipts")


def sent(kept: Workspace, chat: Path, route: str = "managed", **tags: str) -> Run:
    """Sends a job."""
    return kept.submit(FineTune(name="tone", training_data=chat, route=ROUTES[route], tags=tags))


def receipt(kept: Workspace, run: Run) -> Receipt:
    """Returns a run's receipt."""
    assert kept.receipts is not None
    return gather(kept._connection, run, read_sent(kept.receipts / run.name))


@pytest.mark.parametrize("route", ROUTES)
def test_a_folder_for_the_run(kept: Workspace, chat: Path, tmp_path: Path, route: str) -> None:
    """What was asked is there when the job is sent, the rest when it has ended; the job file can be sent again."""
    run = sent(kept, chat, route)
    folder = tmp_path / "receipts" / run.name
    before = sorted(file.name for file in folder.iterdir())

    page = kept.report(run.wait())

    assert before == ["job.yaml", "sent.json"]
    assert sorted(file.name for file in folder.iterdir()) == [
        "job.yaml", "metrics.csv", "metrics.json", "receipt.json", "report.html", "sent.json",
    ]  # fmt: skip
    assert page == folder / "report.html"
    rows = list(csv.DictReader((folder / "metrics.csv").open(encoding="utf-8")))
    assert [float(one["value"]) for one in rows if one["metric"] == "loss"] == LOSSES
    assert [value for _, value, _ in json.loads((folder / "metrics.json").read_text("utf-8"))["loss"]] == LOSSES
    assert kept.submit(folder / "job.yaml").name == run.name
    assert yaml.safe_load((folder / "job.yaml").read_text("utf-8"))["name"] == "tone"


def test_what_was_planned_stands_beside_what_it_took(kept: Workspace, chat: Path) -> None:
    """Ten minutes of waiting, two hours of one machine, by the list price that is named."""
    found = receipt(kept, sent(kept, chat).wait())

    assert found.actual is not None
    assert (found.actual.waited_s, found.actual.ran_s) == (600, 7200)
    assert found.actual.usd == pytest.approx(2 * 3.673)
    assert "list price in eastus" in found.actual.how
    assert found.sent.planned is not None
    assert found.sent.planned.hours is not None
    assert found.sent.planned.usd is not None


def test_who_set_each_value(kept: Workspace, chat: Path) -> None:
    """What the file says is told from what Azure's component takes."""
    found = receipt(kept, sent(kept, chat))

    origins = {one.field: (one.value, one.origin) for one in found.sent.settings}
    assert origins["lora.r"] == ("16", "you")
    assert origins["epochs"] == ("1", "component")


@pytest.mark.parametrize("route", ROUTES)
def test_lineage_leads_from_the_data_to_the_endpoint(kept: Workspace, chat: Path, route: str) -> None:
    """Data, base model, job, registered model, endpoint, in this order."""
    run = sent(kept, chat, route).wait()
    run.register().deploy("headlines")

    found = receipt(kept, run)

    links = [(link.kind, link.name) for link in found.lineage if link.kind != "component"]
    assert [kind for kind, _ in links] == ["data", "base model", "job", "model", "endpoint"]
    assert dict(links)["job"] == run.name
    assert dict(links)["model"] == "tone:1"
    assert dict(links)["endpoint"] == "headlines"
    assert dict(links)["base model"] == "Phi-4-mini-instruct:1"


@pytest.mark.parametrize("route", ROUTES)
def test_another_machine_reads_it_from_azure(
    emulator: Azure, kept: Workspace, chat: Path, tmp_path: Path, route: str
) -> None:
    """Without the folder: values, hash, curves, times and cost are Azure's; who set them and examples are missing."""
    here = receipt(kept, sent(kept, chat, route).wait())
    elsewhere = Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace, clock=emulator.clock)

    found = gather(elsewhere._connection, elsewhere.run(here.run), None)

    assert replace(found, sent=here.sent, made=here.made) == here
    assert found.sent.data[0].sha256 == here.sent.data[0].sha256
    assert {one.origin for one in found.sent.settings} == {"azure"}
    told = {one.azure_input: one.value for one in found.sent.settings}
    assert float(told["learning_rate"]) == ROUTES[route].learning_rate
    page = elsewhere.report(here.run, tmp_path / "page.html").read_text("utf-8")
    assert "where it was sent" in page
    assert sorted(file.name for file in tmp_path.iterdir()) == ["page.html", "receipts", "train.jsonl"]


def test_a_run_that_failed_says_why(emulator: Azure, kept: Workspace, chat: Path) -> None:
    """Azure's reason is on the page."""
    emulator.jobs.script(fails_in="chat_completion_finetune", error="CUDA out of memory")
    run = sent(kept, chat)
    with pytest.raises(RunFailed):
        run.wait()

    assert "CUDA out of memory" in kept.report(run).read_text("utf-8")


@pytest.mark.parametrize("route", ROUTES)
def test_no_secret_is_in_it(kept: Workspace, chat: Path, tmp_path: Path, route: str) -> None:
    """Neither of tags, nor of addresses, rows or the job file; in no file of the folder."""
    rows = [row(f"{text} {number}", "no") for number in range(4) for text in list(SECRETS.values())[1:]]
    chat.write_text("\n".join(rows), "utf-8")
    run = sent(kept, chat, route, **SECRETS).wait()

    kept.report(run)

    files = [file for file in (tmp_path / "receipts").rglob("*") if file.is_file()]
    assert len(files) == 6
    assert [(file.name, secret) for file in files for secret in PLANTED if secret in file.read_text("utf-8")] == []


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine stops in the middle of writing, the file before it stays; the next try puts all right."""
    file = tmp_path / "report.html"
    replace_file(file, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _stop)
        with pytest.raises(OSError, match="the machine stops"):
            replace_file(file, "new" * 1000)
    cut = file.read_text("utf-8")

    replace_file(file, "newest")

    assert (cut, file.read_text("utf-8")) == ("old", "newest")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def _stop(_: int) -> None:
    raise OSError("the machine stops")


def test_a_disk_that_takes_nothing_does_not_stop_a_job(kept: Workspace, chat: Path, tmp_path: Path) -> None:
    """The job is sent; that nothing is kept is said."""
    (tmp_path / "receipts").write_text("a file stands in the way", "utf-8")
    told: list[str] = []

    run = kept.submit(FineTune(name="tone", training_data=chat), on_event=lambda event: told.append(event.message))

    assert run.status == "NotStarted"
    assert any("nothing is kept there" in message for message in told)


def test_again_that_was_cut_is_not_sent_once_more(emulator: Azure, kept: Workspace, chat: Path) -> None:
    """`--again` after a crash of `--again` takes up what the first one sent; the next one sends anew."""
    job = FineTune(name="tone", training_data=chat)
    first = kept.submit(job)
    assert kept.receipts is not None
    second = kept.submit(job, again=True)
    replace_file(kept.receipts / second.name / "sending", "")  # as a killed command leaves it

    names = [kept.submit(job, again=True).name for _ in range(2)]

    assert (first.name, second.name) == (names[0].removesuffix("-2"), names[0])
    assert names[1] == f"{first.name}-3"


def test_what_stands_in_it_is_text(kept: Workspace, chat: Path) -> None:
    """Neither a row nor a name of Azure's can put markup on the page."""
    rows = [row(f"<script>alert({number})</script>", "<img src=x onerror=alert(1)>") for number in range(12)]
    chat.write_text("\n".join(rows), "utf-8")
    found = receipt(kept, sent(kept, chat))

    page = receipt_page(replace(found, workspace="<b>w</b>", error="<i>e</i>"))

    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;b&gt;w" in page
    assert "&lt;i&gt;e" in page


def test_the_command_writes_the_page(
    emulator: Azure, chat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`submit --wait` leaves the receipt, and `report` makes it anew, there or elsewhere."""
    monkeypatch.chdir(chat.parent)
    emulator.write_config(chat.parent)
    (chat.parent / "job.yaml").write_text("name: tone\ntraining_data: train.jsonl\n", encoding="utf-8")
    command_line(["submit", "job.yaml", "--yes", "--wait"])
    name = capsys.readouterr().out.strip()
    page = chat.parent / ".phi-azure" / "receipts" / name / "report.html"
    first = page.read_bytes()
    page.unlink()

    codes = [command_line(["report", name]), command_line(["report", name, "--out", "deep/page.html", "--json"])]

    out = capsys.readouterr().out
    assert codes == [0, 0]
    assert f".phi-azure/receipts/{name}/report.html" in out
    assert page.is_file()
    assert (chat.parent / "deep" / "page.html").is_file()
    assert b"Completed" in first


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_opens_without_a_network(kept: Workspace, chat: Path, visit: Visit, width: int, *, dark: bool) -> None:
    """No console message, no request, nothing wider than the window, curves that can be seen."""
    run = sent(kept, chat).wait()

    page = visit(kept.report(run), width, dark=dark)

    assert overflow(page) == 0
    assert page.locator("h1").inner_text() == run.name
    assert page.locator("svg.chart polyline").count() == 2
    assert min(box["height"] for box in [page.locator("svg.chart").first.bounding_box() or {"height": 0.0}]) > 100
    visit.picture(page, f"receipt-{width}")
