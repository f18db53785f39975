"""Names that Azure would not take are refused before anything is sent, with one that it would take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi_azure import names
from phi_azure.errors import ConfigError

ENDPOINTS = [
    ("", "it is empty", "my-endpoint"),
    ("   ", "it is empty", "my-endpoint"),
    ("e", "one character", "phi-e"),
    ("ab", "2 characters", "phi-ab"),
    ("a" * 33, "33 characters", "a" * 32),
    ("9lives", "begins with '9'", "phi-9lives"),
    ("-tone", "begins with '-'", "tone"),
    ("tone-", "ends in a dash", "tone"),
    ("tone--v1", "two dashes", "tone-v1"),
    ("tone_v1", "holds '_'", "tone-v1"),
    ("tone v1!", "holds ' ', '!'", "tone-v1"),
    ("tône", "holds 'ô'", "tone"),
    ("情感", "holds '情', '感'", "my-endpoint"),
    ("../tone?x=1", "holds '.', '/', '?', '='", "tone-x-1"),
    ("tone\n", "holds '\\n'", "tone"),
]
MODELS = [
    ("", "it is empty", "my-model"),
    ("a" * 256, "256 characters", "a" * 255),
    ("_tone", "begins with '_'", "tone"),
    ("tone/v1:2", "holds '/', ':'", "tone-v1-2"),
    ("Tönë", "holds 'ö', 'ë'", "Tone"),
]


@pytest.mark.parametrize(("name", "said", "instead"), ENDPOINTS)
def test_no_endpoint_is_called_so(name: str, said: str, instead: str) -> None:
    """The reason comes first, then the rule; the remedy is a name to copy."""
    with pytest.raises(ConfigError, match="cannot name an endpoint") as caught:
        names.refuse_new_endpoint(name)

    assert said in str(caught.value)
    assert caught.value.remedy == f"Take {instead}"


@pytest.mark.parametrize(("name", "said", "instead"), MODELS)
def test_no_model_is_called_so(name: str, said: str, instead: str) -> None:
    """Models have a rule of their own."""
    with pytest.raises(ConfigError, match="cannot name a model") as caught:
        names.refuse_model(name)

    assert said in str(caught.value)
    assert caught.value.remedy == f"Take {instead}"


@pytest.mark.parametrize("name", ["abc", "a" * 32, "Tone-9-x", "phi4"])
def test_good_names_pass(name: str) -> None:
    """Names at the edges of the rule."""
    names.refuse_new_endpoint(name)
    names.refuse_endpoint(name)
    names.refuse_model(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Phi 4",
        "Phi-4?x=1",
        "Phi-4:",
        ":7",
        "Phi-4:../x",
        "a/b/c",
        "azureml:",
        "azureml:a",
        "情感",
        "-x",
        "Phi-4\n",
    ],
)
def test_no_model_is_meant(text: str) -> None:
    """Such text would become part of a request's path, or be refused after the upload."""
    assert "names no model; write Phi-4, " in (names.no_base_model(text) or "")


@pytest.mark.parametrize(
    "text",
    ["Phi-4", "Phi-3.5-mini-instruct:6", "microsoft-phi-2", "microsoft/phi-4", "azureml:tone:1",
     "azureml://registries/azureml/models/Phi-4/versions/7", "azureml:/subscriptions/s/resourceGroups/g"],
)  # fmt: skip
def test_a_model_may_be_meant(text: str) -> None:
    """Every form that a job file takes."""
    assert names.no_base_model(text) is None


@given(st.text(max_size=300))
def test_what_is_proposed_is_taken(name: str) -> None:
    """Whatever was typed, the name in the remedy is a good one."""
    names.refuse_new_endpoint(names.like_endpoint(name))
    names.refuse_model(names.like_model(name))


@pytest.mark.parametrize("name", ["9abc", "a_b", "tone--v1"])
def test_an_endpoint_made_elsewhere_can_be_asked(name: str) -> None:
    """Azure writes down no rule for serverless endpoints, so a name that may be is looked for."""
    names.refuse_endpoint(name)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../x", "情感", "-x"])
def test_what_no_endpoint_is_called_is_not_looked_for(name: str) -> None:
    """No such text becomes part of a request."""
    with pytest.raises(ConfigError, match="cannot name an endpoint"):
        names.refuse_endpoint(name)
