"""The pages of the reference that are made of the code: mkdocs calls `on_files` when it builds the site.

Each page is a pure function from what the package says of itself to Markdown, so that no page can say something else.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the made pages."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    for source in NOTEBOOKS:
        page, pictures = notebook(source)
        for name, content in {f"{source.stem}.md": page, **pictures}.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def command_line() -> str:
    """Every verb with its options, from what `--help` says."""
    import click

    from phi_azure.cli import VERBS, group

    context = click.Context(group, info_name="phi-azure")
    shared = set()
    parts = ["# Command line", "What `phi-azure VERB --help` says, for all verbs. These options are taken by each:", ""]
    first = group.get_command(context, VERBS[0])
    assert first is not None
    names = {option.name for option in group.params} & {option.name for option in first.params}
    for option in first.params:
        if option.name in names and isinstance(option, click.Option):
            shared.add(option.name)
            parts.append(f"- {_option(option)}")
    for verb in VERBS:
        command = group.get_command(context, verb)
        assert command is not None
        with click.Context(command, parent=context, info_name=verb) as own:
            usage = " ".join(command.collect_usage_pieces(own))
        options = [one for one in command.params if isinstance(one, click.Option) and one.name not in shared]
        text = _escaped(inspect.cleandoc(command.help or ""))
        parts += ["", f"## {verb}", "", f"`phi-azure {verb} {usage}`", "", text]
        parts += ["", *(f"- {_option(option)}" for option in options)]
        parts += ["", "```bash", str(command.epilog).removeprefix("Example: "), "```"]
    return "\n".join(parts) + "\n"


def job_file() -> str:
    """Every field of a job file, from the JSON Schema that `phi-azure schema` prints."""
    from phi_azure.config.schema import json_schema

    schema = json_schema()
    kinds = schema["$defs"]
    intro = (
        "Made from the JSON Schema that `phi-azure schema` prints; an editor that is given it completes and checks "
        "while one types. Whatever is not listed is refused, with its line. `null` means what the "
        "field's text says of None."
    )
    parts = [
        "# Job file",
        intro,
        "",
        *_fields("The job", schema["properties"], required=schema["required"], without=("route",)),
        *_fields("route: serverless", kinds["Serverless"]["properties"]),
        "",
        "## route: managed",
        "",
        "Every input of Azure's component `chat_completion_pipeline`, under Azure's name in the last column.",
    ]
    managed = kinds["ManagedCompute"]["properties"]
    current = {name: field for name, field in managed.items() if not field.get("deprecated")}
    for title in dict.fromkeys(field["x-group"] for field in current.values()):
        group = {name: field for name, field in current.items() if field["x-group"] == title}
        parts += _fields(f"managed: {title.lower()}" if title != "LoRA" else "managed: LoRA", group, level=3)
    parts += _fields("lora", kinds["Lora"]["properties"], level=3)
    parts += _fields("gate", kinds["Gate"]["properties"])
    parts += [
        "",
        "## Names of other tools",
        "",
        "These are read as well, as the field that they mean; `phi-azure init` writes ours.",
        "",
        *_other_names(managed),
    ]
    return "\n".join(parts) + "\n"


def python() -> str:
    """The public names, from their docstrings."""
    import phi_azure
    from phi_azure import errors

    homes = phi_azure._HOMES  # noqa: SLF001  where a public name is defined
    parts = [
        "# Python",
        "`import phi_azure` loads nothing until a name is used. All of these are attributes of `phi_azure`.",
    ]
    for name in ("Workspace", "FineTune", "Serverless", "ManagedCompute", "Lora", "Run", "Model", "Endpoint", "Report"):
        where = inspect.getmodule(getattr(phi_azure, name))
        assert where is not None
        assert name in homes
        parts += ["", f"::: {where.__name__}.{name}"]
    parts += ["", "## In tests", "", "::: phi_azure.testing.cloud.azure", "    options: {heading_level: 3}"]
    parts += ["", "::: phi_azure.testing.cloud.Azure", "    options: {heading_level: 3}"]
    parts += ["", "::: phi_azure.emulator.course.Script", "    options: {heading_level: 3}"]
    parts += ["", f"The {len(list(_error_types(errors)))} exceptions have [a page of their own](errors.md)."]
    return "\n".join(parts) + "\n"


def errors_page() -> str:
    """Every exception with its exit code, and every known cause of a failed job, from the code that tells them."""
    from phi_azure import errors
    from phi_azure.causes import CAUSES

    intro = (
        "Every exception is a `PhiAzureError`. A command ends with its exit code, and with `--json` names it by its "
        "code. A message says what is wrong, where, and, as `remedy`, what to do."
    )
    parts = [
        "# Errors",
        intro,
        "",
        "| exception | exit code | code | also a | when |",
        "|---|---|---|---|---|",
    ]
    for kind in _error_types(errors):
        also = [base.__name__ for base in kind.__mro__ if issubclass(base, Exception) and base.__module__ == "builtins"]
        others = ", ".join(f"`{name}`" for name in also if name not in {"Exception", "OSError"})
        text = _cell(inspect.cleandoc(kind.__doc__ or ""))
        parts.append(f"| `{kind.__name__}` {{ #{kind.code} }} | {kind.exit_code} | `{kind.code}` | {others} | {text} |")
    parts += [
        "",
        "Exit code 130 is Ctrl-C: a job that was watched goes on.",
        "",
        "## Why jobs fail",
        "",
        "When a job fails, its messages and the ends of its logs are searched for these; what is found is said first.",
    ]
    for cause in CAUSES:
        parts += ["", f"### {cause.name}", "", f"{_escaped(cause.what)} {_escaped(cause.remedy)}", "", "Known by:", ""]
        parts += ["```text", *cause.signs, "```"]
    return "\n".join(parts) + "\n"


def emulator_page() -> str:
    """Every request that the emulator serves, from its routes, and every fault that it can be given."""
    from phi_azure.emulator.app import ROUTES
    from phi_azure.emulator.faults import FAULTS, operation_of

    by_module: dict[str, list[Any]] = {}
    for route in ROUTES:
        by_module.setdefault(route.answer.__module__, []).append(route)
    intro = (
        f"{len(ROUTES)} requests, made from the emulator's own routes. Whatever is not here it refuses by name (501), "
        "and a test that asked for it fails. Request bodies are checked as the service checks them. Where it differs "
        "from Azure on purpose stands in ARCHITECTURE.md, and a test holds both to one list."
    )
    parts = ["# What the emulator serves", intro]
    for module, routes in by_module.items():
        name = module.rpartition(".")[2]
        what = (sys.modules[module].__doc__ or "").strip().splitlines()[0]
        parts += ["", f"## {name}", "", _escaped(what), "", "| operation | request | api-versions |", "|---|---|---|"]
        for route in routes:
            request = f"{route.method} {_host(route.host)}{_short(route.path)}"
            versions = ", ".join(sorted(version or "none" for version in route.versions)) or "none"
            parts.append(f"| `{operation_of(route)}` | `{request}` | {versions} |")
    parts += [
        "",
        "## Faults",
        "",
        'What goes wrong on purpose: `azure_ml.faults.add("NAME", on="PUT /jobs/")`; see [testing](../testing.md).',
        "",
        "| fault | what happens |",
        "|---|---|",
        *(f"| `{name}` | {_cell(kind.says)} |" for name, kind in FAULTS.items()),
    ]
    return "\n".join(parts) + "\n"


def job_files() -> str:
    """The job files of pipelines/, whole."""
    readme = (ROOT / "pipelines" / "README.md").read_text(encoding="utf-8")
    files = list(dict.fromkeys(re.findall(r"\]\(([\w./-]+\.yaml)\)", readme)))
    pipeline = [f"train-compare-register/{name}" for name in ("job.yaml", "judge.yaml", "judge.py")]
    at = files.index("train-compare-register/pipeline.yaml") + 1
    files[at:at] = pipeline
    intro = re.sub(r"\]\(([\w./-]+\.yaml)\)", lambda found: f"](#{_anchor(found[1])})", readme)
    parts = [intro]
    for name in files:
        text = (ROOT / "pipelines" / name).read_text(encoding="utf-8")
        language = "python" if name.endswith(".py") else "yaml"
        parts += ["", f"## {name} {{ #{_anchor(name)} }}", "", f"```{language}", text.rstrip(), "```"]
    return "\n".join(parts) + "\n"


def notebook(source: Path) -> tuple[str, dict[str, str]]:
    """A notebook with the outputs that are kept in it, and its pictures by name."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    where = f"`notebooks/{source.name}`, as it was executed on one machine, without Azure."
    parts, pictures = [], {}
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts += [text.replace("](../docs/", "](../"), ""]  # the site begins with docs/
            continue
        parts += ["```python", text, "```", ""]
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/svg+xml" in data:
                name = f"{source.stem}-{len(pictures) + 1}.svg"
                pictures[name] = "".join(data["image/svg+xml"])
                parts += [f"![what the cell shows]({name})", ""]
            elif "text/html" in data and "<script" not in "".join(data["text/html"]):
                parts += [f"<div>{_one_line(''.join(data['text/html']))}</div>", ""]
            else:
                parts += ["```text", "".join(output.get("text") or data["text/plain"]).rstrip(), "```", ""]
    title, _, rest = "\n".join(parts).partition("\n")
    return f"{title}\n\n{where}\n{rest}\n", pictures


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES: dict[str, Callable[[], str]] = {
    "reference/command-line.md": command_line,
    "reference/job-file.md": job_file,
    "reference/python.md": python,
    "reference/job-files.md": job_files,
    "reference/errors.md": errors_page,
    "reference/emulator.md": emulator_page,
}


def _one_line(html: str) -> str:
    """Returns HTML that Markdown takes as one block: without line ends, but for those that are meant to be seen."""
    shown = re.split(r"(<pre.*?</pre>)", html, flags=re.DOTALL)
    return "".join(part.replace("\n", "&#10;") if part.startswith("<pre") else " ".join(part.split()) for part in shown)


def _error_types(module: Any) -> Iterator[type[Any]]:
    """Yields the exceptions in the order of their exit codes, the root first."""
    found = [kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, module.PhiAzureError)]
    yield from sorted(found, key=lambda kind: (kind is not module.PhiAzureError, kind.exit_code))


def _fields(
    title: str, fields: dict[str, Any], *, required: Iterable[str] = (), without: Iterable[str] = (), level: int = 2
) -> list[str]:
    """Returns a heading and a table of fields."""
    shown = {name: field for name, field in fields.items() if name not in without and not field.get("deprecated")}
    has_azure = any("x-azure-input" in field for field in shown.values())
    lines = ["", f"{'#' * level} {title}", "", "| field | takes | default | meaning |", "|---|---|---|---|"]
    if has_azure:
        lines[-2:] = ["| field | takes | default | meaning | Azure's input |", "|---|---|---|---|---|"]
    for name, field in shown.items():
        default = "required" if name in required else f"`{json.dumps(field.get('default', {}))}`"
        row = f"| `{name}` | {_cell(_takes(field))} | {default} | {_cell(field.get('description', ''))} |"
        azure = f" `{field['x-azure-input']}` |" if "x-azure-input" in field else " |"
        lines.append(row + azure if has_azure else row)
    return lines


def _takes(field: dict[str, Any]) -> str:
    """Says what a value may be."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_takes(one) for one in field["anyOf"])
    if "oneOf" in field:
        return " or ".join(_takes(one) for one in field["oneOf"])
    if "$ref" in field:
        return {"Lora": "the fields of [lora](#lora)", "Gate": "the fields of [gate](#gate)"}.get(
            field["$ref"].rpartition("/")[2], f"`{_FORMS.get(field['$ref'].rpartition('/')[2], '...')}`"
        )
    word = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null",
            "array": "list", "object": "names and values"}[field["type"]]  # fmt: skip
    bounds = [f"{said} {field[key]:g}" for key, said in _BOUNDS.items() if key in field]
    return " ".join([word, *bounds])


_BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
_FORMS = {"HuggingFaceModel": "{huggingface: org/name}", "LocalModel": "{path: DIR}"}


def _other_names(managed: dict[str, Any]) -> list[str]:
    rows = [(name, field["description"]) for name, field in managed.items() if field.get("deprecated")]
    return ["| written | read as |", "|---|---|", *(f"| `{name}` | {_cell(text)} |" for name, text in rows)]


def _option(option: Any) -> str:
    import click

    with click.Context(click.Command("any")) as context:
        record = option.get_help_record(context)
    assert record is not None
    return f"`{record[0]}` {_escaped(record[1])}"


def _host(host: str) -> str:
    return host.replace("<", "{").replace(">", "}")


def _short(path: str) -> str:
    """Shortens the scope that almost every path begins with."""
    path = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", path)
    scope = "/subscriptions/{subscription}/resourceGroups/{group}"
    path = path.replace(f"{scope}/providers/Microsoft.MachineLearningServices/workspaces/{{workspace}}", "/…WORKSPACE")
    return path.replace(scope, "/…GROUP")


def _cell(text: str) -> str:
    """Fits a text into one cell of a table."""
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Keeps what is in angle brackets from being read as HTML."""
    return text.replace("<", "&lt;")


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
