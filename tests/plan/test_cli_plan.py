"""`plan`, `models` and `sizes` on the command line: no account, no vendor's client, exit codes, JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.azure import prices
from phi_azure.cli import run
from phi_azure.engine import phi_tiny
from tests.conftest import row

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A managed job with twenty rows."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.jsonl").write_text("\n".join(row(f"Headline {n}.", "neutral") for n in range(20)), "utf-8")
    path = tmp_path / "job.yaml"
    path.write_text("name: tone\ntraining_data: train.jsonl\nroute: {kind: managed, epochs: 2}\n", "utf-8")
    return path


def _json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = run([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_plan_answers_with_one_document(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides are in it."""
    code, made = _json(capsys, "plan", str(job))

    assert code == 0
    assert made["managed"]["steps"] == 16 * 2
    assert made["serverless"]["steps"] == 16 * 2


def test_plan_is_saved_and_compared(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--against names the fields that changed."""
    assert run(["plan", str(job), "--out", "plan.json"]) == 0
    job.write_text(job.read_text("utf-8").replace("epochs: 2", "epochs: 3"), "utf-8")
    capsys.readouterr()
    _, made = _json(capsys, "plan", str(job), "--against", "plan.json")

    assert {"field": "epochs", "before": 2, "after": 3} in made["changes"]


def test_with_a_tokenizer_tokens_are_counted_and_the_cut_is_taken_off(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies behind max_seq_length is billed on the one route, and takes no time on the other."""
    _, whole = _json(capsys, "plan", str(job), "--tokenizer", str(phi_tiny.path()))
    job.write_text(job.read_text("utf-8").replace("epochs: 2", "epochs: 2, max_seq_length: 10"), "utf-8")
    _, cut = _json(capsys, "plan", str(job), "--tokenizer", str(phi_tiny.path()))

    total = whole["tokens"]["total"]["low"]
    assert whole["tokens"]["exact"]
    assert cut["tokens"]["total"] == {"low": total, "high": total}
    assert f"{total:,} tokens x 2 epochs" in cut["serverless"]["arithmetic"][0]
    assert f"{total - 20 * 10:,} tokens of the file cut at 10 a row" in cut["managed"]["arithmetic"][0]
    assert cut["managed"]["arithmetic"][1].startswith("160 tokens x 2 epochs = 320")


def test_a_tokenizer_of_another_model_is_refused(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """phi-tiny has Phi-3's marks, not those of Phi-4."""
    job.write_text(job.read_text("utf-8") + "model: Phi-4\n", "utf-8")

    assert run(["plan", str(job), "--tokenizer", str(phi_tiny.path())]) == 2
    assert "does not know <|im_start|>" in capsys.readouterr().err


def test_over_budget_exits_10_and_shows_the_plan(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan stands on stdout, the refusal on stderr."""
    job.write_text(job.read_text("utf-8") + "max_price: 0.01\n", "utf-8")

    assert run(["plan", str(job)]) == 10
    shown = capsys.readouterr()
    assert "managed compute" in shown.out
    assert "over budget" in shown.err


def test_bad_rows_exit_3_and_a_bad_file_2(job: Path, tmp_path: Path) -> None:
    """What cannot be trained has no price."""
    (tmp_path / "train.jsonl").write_text("{}\n" * 20, "utf-8")
    assert run(["plan", str(job)]) == 3

    job.write_text("name: tone\n", "utf-8")
    assert run(["plan", str(job)]) == 2


def test_models_filter_and_sheet(capsys: pytest.CaptureFixture[str]) -> None:
    """A filter leaves rows, a name gives the sheet, an unknown name says what is near."""
    _, found = _json(capsys, "models", "--route", "serverless", "--region", "swedencentral")
    assert found == []
    _, sheet = _json(capsys, "models", "phi-4")
    assert sheet["lifecycle"]["retires"] == "2027-01-17"
    assert run(["models", "Phi-4-mini-instrukt"]) == 6
    assert "Did you mean Phi-4-mini-instruct?" in capsys.readouterr().err


def test_sizes_fit_and_filter(capsys: pytest.CaptureFixture[str]) -> None:
    """A model that needs main memory does not fit on the small A10; a limit of price holds."""
    _, found = _json(capsys, "sizes", "--fits", "Phi-3.5-MoE-instruct", "--max-price", "8")
    names = {size["name"] for size in found}

    assert "Standard_NC24ads_A100_v4" in names
    assert "Standard_NV12ads_A10_v5" not in names
    assert all(size["hourly"] <= 8 for size in found)


PLAIN = {
    "retailPrice": 3.5,
    "unitOfMeasure": "1 Hour",
    "productName": "NC A100 v4 Series",
    "skuName": "NC24ads A100 v4",
}


def test_live_prices_leave_out_windows_and_spot() -> None:
    """Of all that the list has for a size, the plain Linux hour counts."""
    asked: list[str] = []
    items = [PLAIN, {**PLAIN, "productName": "NC Windows", "retailPrice": 9}, {**PLAIN, "skuName": "NC24 Spot"}]
    items += [{**PLAIN, "skuName": "NC24 Low Priority", "retailPrice": 8}]

    def fetch(address: str) -> bytes:
        asked.append(address)
        return json.dumps({"Items": items if "NC24ads" in address else []}).encode()

    found = prices.read(["Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3"], "westus3", fetch)

    assert {name: price.amount for name, price in found.items()} == {"Standard_NC24ads_A100_v4": 3.5}
    assert found["Standard_NC24ads_A100_v4"].region == "westus3"
    assert "westus3" in asked[0]


def test_an_odd_answer_is_refused() -> None:
    """Something else than a list of prices is a ValueError, which --live turns into the table."""
    with pytest.raises(ValueError, match="something else"):
        prices.read(["Standard_NC24ads_A100_v4"], "eastus", lambda _: b'{"Error": "no"}')


def test_live_without_network_falls_back_to_the_table(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan is made with the dated prices, and says so."""
    monkeypatch.setattr(prices, "ADDRESS", "https://127.0.0.1:1/none")

    assert run(["plan", str(job), "--live"]) == 0
    assert "the prices are those of the table" in capsys.readouterr().err
