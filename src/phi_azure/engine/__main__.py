"""The engine's command line: `step SPEC.json`, `serve DIR`, `chat DIR MESSAGE`, `export DIR OUT` and `play DIR`."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys
import threading
import traceback
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from phi_azure.engine import crew
from phi_azure.engine.errors import UserError
from phi_azure.engine.events import Events, log
from phi_azure.engine.spec import Spec, read_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from phi_azure.engine.export.make import Order

CANCELLED = 128 + signal.SIGTERM
_MODULES = {
    "ft_nlp_common_validation": "validate",
    "chat_completion_model_import": "model_import",
    "chat_completion_datapreprocess": "preprocess",
    "chat_completion_finetune": "finetune",
    "ft_nlp_model_converter": "convert",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    args = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    commands = {"step": _step, "serve": _serve, "chat": _chat, "export": _export, "play": _play}
    try:
        return commands[args.command](args)
    except (UserError, ImportError) as error:
        print(f"{error}{_hint(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m phi_azure.engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    step = commands.add_parser("step", help="run one step of Azure's fine-tuning pipeline")
    step.add_argument("spec", type=Path, help="a JSON file: step, inputs, outputs, work, events")
    serve = commands.add_parser("serve", help="answer HTTP requests with a model")
    serve.add_argument("model", type=Path, help="a folder in Hugging Face or MLflow layout")
    serve.add_argument("--ready", type=Path, help="a file to write port or socket and pid to, once the server answers")
    serve.add_argument("--port", type=int, default=0, help="0 takes a free one")
    serve.add_argument("--socket", type=Path, help="a Unix socket to answer on instead; needs no network at all")
    serve.add_argument("--name", default="model", help="the model's name in answers")
    serve.add_argument("--shape", choices=("foundation", "mlflow"), default="mlflow", help="what POST /score speaks")
    chat = commands.add_parser("chat", help="print a model's answer to one message")
    chat.add_argument("model", type=Path, help="a folder in Hugging Face or MLflow layout")
    chat.add_argument("message")
    chat.add_argument("--system", help="a system message before it")
    export = commands.add_parser("export", help="make another format of a model; ends with its standard input")
    export.add_argument("model", type=Path, help="a folder as it comes: Hugging Face, MLflow, outputs of a job")
    export.add_argument("out", type=Path, help="a new folder")
    export.add_argument("--to", required=True, help="merged, adapter, onnx, ollama or foundry-local")
    export.add_argument("--precision", help="int4, int8, fp16 or fp32")
    export.add_argument("--provider", default="cpu", help="an execution provider of ONNX Runtime")
    export.add_argument("--base", type=Path, help="the folder of an adapter's base weights")
    export.add_argument("--name", default="phi", help="what the model is called in the format")
    play = commands.add_parser("play", help="answer questions on standard input, in JSON lines, with any format")
    play.add_argument("model", type=Path)
    play.add_argument("--base", type=Path, help="the folder of an adapter's base weights")
    return parser


def _step(args: argparse.Namespace) -> int:
    spec = read_spec(args.spec)
    if _MODULES[spec.step] == "finetune" and not crew.is_launched() and (count := _processes()) > 1:
        log(f"{count} processes train together")
        return crew.launch(args.spec, count)
    leads = os.environ.get("RANK", "0") == "0"
    events = Events(spec.events if leads else Path(os.devnull))
    try:
        with nullcontext() if leads else redirect_stdout(io.StringIO()):  # one log; errors of all go to stderr
            return _run(spec, events)
    finally:
        events.close()


def _processes() -> int:
    try:
        return crew.wanted()
    except ImportError:
        return 1  # the step itself says that torch is missing


def _run(spec: Spec, events: Events) -> int:
    log(f"step {spec.step} starts")
    try:
        module = importlib.import_module(f"phi_azure.engine.{_MODULES[spec.step]}")
        module.run(spec, events)
    except (UserError, ImportError) as error:
        return _blame_user(error, events)
    except Exception as error:  # noqa: BLE001  the process boundary: whatever it was, the emulator must be told
        traceback.print_exc()
        events.error("SystemError", f"{type(error).__name__}: {error}")
        return 1
    except SystemExit:
        log("cancelled")
        raise
    log(f"step {spec.step} is done")
    return 0


def _blame_user(error: UserError | ImportError, events: Events) -> int:
    hint = _hint(error)
    log(f"failed: {error}{hint}")
    events.error("UserError", f"{error}{hint}")
    return 1


def _hint(error: UserError | ImportError) -> str:
    return " Install what the engine needs: pip install 'phi-azure[local]'." if isinstance(error, ImportError) else ""


def _serve(args: argparse.Namespace) -> int:
    from phi_azure.engine import serve

    address = str(args.socket) if args.socket else ("127.0.0.1", args.port)
    serve.run(args.model, ready=args.ready, address=address, name=args.name, shape=args.shape)
    return 0


def _chat(args: argparse.Namespace) -> int:
    from phi_azure.engine.chat import load_chat_model

    system = [{"role": "system", "content": args.system}] if args.system else []
    model = load_chat_model(args.model)
    print(model.answer([*system, {"role": "user", "content": args.message}]).text)
    return 0


def _export(args: argparse.Namespace) -> int:
    from phi_azure.engine.export.make import Order
    from phi_azure.engine.export.play import to_stdout

    say = to_stdout()
    threading.Thread(target=_end_with_input, daemon=True).start()
    order = Order(args.model, args.out, args.to, args.precision, args.provider, args.base, args.name)
    return _told(say, lambda: say({"made": _made(order)}))


def _made(order: Order) -> dict[str, Any]:
    from phi_azure.engine.export.make import make
    from phi_azure.engine.export.missing import is_full, no_room

    try:
        return make(order)
    except Exception as error:
        if is_full(error):
            raise no_room(order.source, order.out) from error
        raise


def _end_with_input() -> None:
    """Ends this process when whoever started it is gone: its pipe is closed then, however it ended."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def _play(args: argparse.Namespace) -> int:
    from phi_azure.engine.export.play import play, to_stdout

    say = to_stdout()
    return _told(say, lambda: play(args.model, args.base, sys.stdin, say))


def _told(say: Callable[[dict[str, Any]], None], work: Callable[[], None]) -> int:
    """Does the work, and tells whoever asks what is in its way."""
    from phi_azure.engine.export.missing import MissingError
    from phi_azure.engine.export.play import refusal

    try:
        work()
    except UserError as error:
        say(refusal(error))
    except ImportError as error:
        say(refusal(MissingError(f"a package is missing here: {error}", "pip install 'phi-azure[local,edge]'")))
    else:
        return 0
    return 1


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Unwinds whatever runs, so that half-made outputs are removed on the way out."""
    raise SystemExit(CANCELLED)


def _leave(code: int) -> NoReturn:
    """Ends the process at once: all is written by now, and taking torch apart would cost up to a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        _leave(main())
    except SystemExit as stop:
        _leave(stop.code if isinstance(stop.code, int) else 1)
