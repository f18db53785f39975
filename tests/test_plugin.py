"""The pytest plugin in a project that is not ours: its fixtures, its marker, and how a test of them fails."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "phi_azure.testing.plugin", "-p", "no:cacheprovider", "-W", "ignore", "--strict-markers")
ASK = """
import json, urllib.request
def ask(path="/discovery"):
    with urllib.request.urlopen(f"https://eastus2.api.azureml.ms{path}") as answer:
        return json.load(answer)
"""
GOOD = (
    ASK
    + """
import pytest

def test_azure_is_there(azure_ml):
    assert ask()["studio"] == "https://ml.azure.com"
    assert azure_ml.last("GET", "/discovery").status == 200

@pytest.mark.parametrize("number", range(6))
def test_each_test_has_its_own(azure_ml, number):
    assert azure_ml.requests == []
    ask()

@pytest.mark.azure_ml(region="westus3")
class TestRegion:
    def test_of_the_class(self, azure_ml):
        assert azure_ml.region == "westus3"

    @pytest.mark.azure_ml(region="eastus")
    def test_of_the_test(self, azure_ml):
        assert azure_ml.region == "eastus"

def test_rows(chat_data):
    assert len(chat_data.read_text().splitlines()) == 12

def test_workspace_waits_by_the_turned_clock(workspace, azure_ml):
    assert workspace.info().region == "eastus2"
"""
)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with tests of its own, in which no plugin of ours is named."""
    pytester.makepyfile(test_good=GOOD)
    return pytester


def test_fixtures_work_in_any_order_and_in_parallel(project: pytest.Pytester) -> None:
    """Under pytest-xdist and pytest-randomly, each test with an Azure of its own."""
    done = project.runpytest_subprocess(*PLUGIN, "-n", "2", "-p", "randomly", timeout=300)

    done.assert_outcomes(passed=11)


FAILING = [
    ("azure_ml.faults.add('throttled', on='PUT /jobs/')", ["*test set what never came to pass*", "*throttled on*"]),
    ("azure_ml.jobs.script('tone', runs='3h')", ["*test set what never came to pass*", "*the script of job 'tone'*"]),
    ("swallowed()", ["*the emulator was asked for what it does not serve*", "*GET https://eastus2*/unknown*"]),
]


@pytest.mark.parametrize(("line", "said"), FAILING, ids=["fault", "script", "unserved"])
def test_what_never_came_to_pass_fails_the_test(line: str, said: list[str], pytester: pytest.Pytester) -> None:
    """The test itself fails, not its teardown."""
    swallowed = "\ndef swallowed():\n    try:\n        ask('/unknown')\n    except OSError:\n        pass\n"
    pytester.makepyfile(ASK + swallowed + f"\ndef test_it(azure_ml):\n    {line}\n")

    done = pytester.runpytest_inprocess(*PLUGIN, "-p", "no:randomly")

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(said)


def test_failing_test_is_not_blamed_twice(pytester: pytest.Pytester) -> None:
    """Its own error is the only one."""
    pytester.makepyfile("def test_it(azure_ml):\n    azure_ml.faults.add('throttled')\n    assert 1 == 2\n")

    done = pytester.runpytest_inprocess(*PLUGIN, "-p", "no:randomly")

    done.assert_outcomes(failed=1)
    done.stdout.no_fnmatch_line("*never came to pass*")


def test_unknown_option_is_an_error(pytester: pytest.Pytester) -> None:
    """A misspelt option of the marker is named."""
    pytester.makepyfile("import pytest\n@pytest.mark.azure_ml(regoin='x')\ndef test_it(azure_ml): ...\n")

    done = pytester.runpytest_inprocess(*PLUGIN, "-p", "no:randomly")

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*regoin*"])


def test_option_without_a_name_is_an_error(pytester: pytest.Pytester) -> None:
    """What the marker would not hear is not passed over."""
    pytester.makepyfile("import pytest\n@pytest.mark.azure_ml('westus')\ndef test_it(azure_ml): ...\n")

    done = pytester.runpytest_inprocess(*PLUGIN, "-p", "no:randomly")

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*takes options by name, as in region='westus3', not 'westus'"])


def test_plugin_loads_nothing_before_a_fixture_is_asked_for(tmp_path: Path) -> None:
    """Whoever has phi-azure installed does not wait for it whenever pytest starts."""
    load = "import sys, pytest; old = {*sys.modules}; import phi_azure.testing.plugin"
    code = f"{load}; print(*sorted({{*sys.modules}} - old))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert loaded.stdout.split() == ["phi_azure", "phi_azure.testing", "phi_azure.testing.plugin"]
