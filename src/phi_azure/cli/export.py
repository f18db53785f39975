"""`export`: a tuned model in another format, with the proof that it answers alike."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phi_azure.cli.session import FolderPath, Number, Session, shared_options
from phi_azure.errors import GateNotPassed

if TYPE_CHECKING:
    from phi_azure.asking.batch import OnBatchProgress

FORMATS = ("onnx", "merged", "adapter", "ollama", "foundry-local")
"""Those of `phi_azure.edge`, which is not loaded for the help."""
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command(epilog="Example: phi-azure export headline-sentiment --out edge --require 0.97")
@click.argument("source", metavar="RUN|MODEL|DIR")
@click.option("--to", type=click.Choice(FORMATS), default="onnx", show_default=True, help="The format.")
@click.option("--out", type=FolderPath(), required=True, help="The folder to make.")
@click.option("--precision", type=click.Choice(["int4", "int8", "fp16", "fp32"]), help="[onnx int4, ollama fp16]")
@click.option(
    "--provider", type=click.Choice(["cpu", "cuda", "dml", "webgpu"]), default="cpu", show_default=True, help="Of ONNX."
)
@click.option("--base", type=_FOLDER, help="The base weights, of an adapter alone.")
@click.option("--name", help="What the model is called in the format [that of --out].")
@click.option("--version", help="Of a registered MODEL [the newest].")
@click.option("--data", type=_FILE, help="Rows that were kept apart, for the proof [twenty built-in questions].")
@click.option("--limit", type=click.IntRange(min=1), help="The first so many rows.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=128, show_default=True, help="Of each answer.")
@click.option("--against", metavar="ENDPOINT", help="Prove it against this endpoint [the merged model, here].")
@click.option("--require", type=Number(0, 1), help="Gate: the share that agrees, of labels or of whole answers.")
@click.option("--no-proof", is_flag=True, help="Ask nothing.")
@click.option("--force", is_flag=True, help="Replace what lies at --out.")
@shared_options
@click.pass_obj
def command(session: Session, /, *, source: str, out: Path, version: str | None, force: bool, **options: Any) -> int:
    """Take a model away, in another format.

    A run, a registered model or a folder as it was downloaded. Both the model and the export are asked the same
    questions; what agrees, and how fast each is, is shown and lies in the folder, which appears whole or not at all.
    With --require, exit code 9 where less agrees: the export is then called OUT.not-passed.
    """
    from phi_azure import display, edge

    if not source:
        raise click.UsageError("RUN|MODEL|DIR is empty.")
    order = edge.Order(*(options[name] for name in ("to", "precision", "provider", "base", "name")))
    with ExitStack() as stack, ExitStack() as shown:

        def on_side(side: str) -> OnBatchProgress:
            shown.close()
            session.say(side)
            return shown.enter_context(display.asking(session.words()))

        trial = _trial(session, stack, options)
        how = {"order": order, "trial": trial, "force": force, "on_side": on_side}
        if Path(source).is_dir() and version is None:
            made = edge.export(Path(source), out, **how)
        else:
            tuned = stack.enter_context(session.workspace()).tuned(source, version)
            with display.copying(session.words()) as on_progress:
                made = tuned.export(out, on_progress=on_progress, **how)
    session.answer(made.to_dict(), lambda: display.show_export(session.data(), made))
    return 0 if made.passed else GateNotPassed.exit_code


def _trial(session: Session, stack: ExitStack, options: dict[str, Any]) -> Any:
    """Returns the proof that is wanted; the endpoint, where one is named, is found before anything is made."""
    from phi_azure import edge, judging

    if options["no_proof"]:
        if options["require"] is not None or options["against"]:
            raise click.UsageError("--require and --against are of the proof; --no-proof makes none.")
        return None
    trial = edge.Trial(options["data"], options["limit"], options["max_tokens"], options["require"])
    if options["against"] is None:
        return trial
    endpoint = stack.enter_context(session.workspace()).endpoint(options["against"])
    return judging.against(endpoint, trial)
