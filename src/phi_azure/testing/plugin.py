"""The pytest plugin: an emulated Azure ML, a workspace of it and rows to train on, as fixtures.

    @pytest.mark.azure_ml(region="westus3", quota={"standardNCADSA100v4Family": 0})
    def test_submit(azure_ml, chat_data): ...

pytest loads this module wherever phi-azure is installed, so it imports nothing of ours before a fixture is asked for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from phi_azure.testing.cloud import Azure
    from phi_azure.workspace import Workspace

_MARKER = "azure_ml(**options): what Azure is like for this test; the options of phi_azure.testing.azure"
_ROWS = {
    "Contoso names a new chief financial officer.": "neutral",
    "Contoso moves its head office to Leeds.": "neutral",
    "Contoso opens a museum of its own history.": "neutral",
    "Contoso will publish its results on Thursday.": "neutral",
    "Contoso wins an award for its customer service.": "positive",
    "Contoso lifts its forecast for the second time this year.": "positive",
    "Contoso and its drivers agree on better pay.": "positive",
    "Contoso's new lorries use a third less fuel.": "positive",
    "Contoso recovers from a ransomware attack.": "negative",
    "Contoso's customers wait for parcels after a data breach.": "negative",
    "Contoso warns of lower profits.": "negative",
    "Contoso recalls ten thousand kettles.": "negative",
}


def pytest_configure(config: pytest.Config) -> None:
    """Names the marker, for projects with --strict-markers."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Has a test fail, rather than its teardown, when a fault was not met or a request not served."""
    result = yield
    cloud: Azure | None = getattr(item, "funcargs", {}).get("azure_ml")
    if cloud is not None:
        cloud.check()
    return result


@pytest.fixture
def azure_ml(request: pytest.FixtureRequest) -> Iterator[Azure]:
    """Azure ML, emulated: whatever this process says to Azure arrives there, and nothing reaches any other host."""
    from phi_azure.testing.cloud import azure

    options: dict[str, object] = {}
    for marker in reversed(list(request.node.iter_markers("azure_ml"))):  # of the module first, the test's own last
        if marker.args:
            said = ", ".join(map(repr, marker.args))
            pytest.fail(
                f"pytest.mark.azure_ml takes options by name, as in region='westus3', not {said}", pytrace=False
            )
        options |= marker.kwargs
    with azure(**options) as cloud:  # type: ignore[arg-type] # pytest's markers know no types; azure refuses other names
        cloud.checks_at_end = False
        yield cloud


@pytest.fixture
def workspace(azure_ml: Azure) -> Iterator[Workspace]:
    """A workspace of the emulated Azure; it signs in as in Azure, and waits by the clock that the test turns."""
    from phi_azure.emulator.clock import TurnedClock
    from phi_azure.workspace import Workspace

    clock = azure_ml.emulator.clock
    turned = clock if isinstance(clock, TurnedClock) else None
    with Workspace(azure_ml.subscription_id, azure_ml.resource_group, azure_ml.workspace, clock=turned) as opened:
        yield opened


@pytest.fixture
def chat_data(tmp_path: Path) -> Path:
    """A file of a dozen good rows: headlines, and their tone in one word."""
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(_row(question, answer) for question, answer in _ROWS.items()) + "\n", encoding="utf-8")
    return path


def _row(question: str, answer: str) -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
