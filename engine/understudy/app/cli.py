"""`understudy VERB`: the command line, built from the packaged schema. The only file that exits.

Everything heavy, pydantic included, is imported by the verb that needs it, so that help answers at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from understudy import __version__
from understudy.app.options import add_options, given_values, missing_flags
from understudy.core import documents
from understudy.core.errors import JobError, UnderstudyError
from understudy.core.names import printable
from understudy.core.progress import Cancelled, Event, Failed, Finished, Reporter, Warned
from understudy.core.settings import Settings
from understudy.jobs import schema
from understudy.jobs.table import VERBS, parse_job, with_present_names

if TYPE_CHECKING:
    from understudy.app.console import Display

EXIT_FAILED = 1
EXIT_DOUBTFUL = 10
EXIT_BUG = 70
EXIT_BROKEN_PIPE = 141
_DOCUMENT = documents.Kind("job document", JobError, "see `understudy schema`")
SIGNALLED = 128  # a process that a signal ended exits with 128 plus the signal's number


class Parser(argparse.ArgumentParser):
    """A parser that raises a JobError, so that a wrong command looks like every other error."""

    def error(self, message: str) -> NoReturn:
        """Raise the JobError."""
        raise JobError(f"{message[:1].upper()}{message[1:]}.", fix=f"see `{self.prog} --help`")


class Stop:
    """Turns Ctrl-C and SIGTERM into a cancelled run; a second one stops at once."""

    def __init__(self) -> None:
        self.signal_number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listen(self, report: Reporter) -> Reporter:
        """A reporter that passes events on and raises `Cancelled` once a signal has come."""

        def tell(event: Event) -> None:
            report(event)
            if self.signal_number and not isinstance(event, Finished):
                raise Cancelled

        return tell

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number:
            raise KeyboardInterrupt
        self.signal_number = number
        os.write(2, b"\nstopping; what is finished is kept. Press Ctrl-C again to stop at once.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        parsed = build_parser().parse_args(words)
        command: Callable[[argparse.Namespace], int] = parsed.command
        return command(parsed)
    except BrokenPipeError:
        # Whoever read our output has gone; without this Python complains again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_BROKEN_PIPE
    except UnderstudyError as error:
        return _show_error(error.as_dict(), as_json=as_json)
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT
    except (OSError, MemoryError) as error:
        return _show_error(_system_error(error).as_dict(), as_json=as_json)
    except Exception as error:  # anything else is a bug, and is reported as one
        return _show_bug(error, as_json=as_json)


def build_parser() -> Parser:
    """The parser of every verb."""
    parser = Parser(prog="understudy", description="Face replacement for compositors.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"understudy {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        fields = schema.job(verb)
        sentence = fields["description"].partition("\n")[0]
        verb_parser = verbs.add_parser(verb, help=sentence, description=sentence, allow_abbrev=False)
        verb_parser.set_defaults(command=_run_job, verb=verb)
        add_options(verb_parser, verb, fields)
        verb_parser.add_argument("--job", dest="_document", type=Path, metavar="FILE.json", help=_JOB_HELP)
        verb_parser.add_argument("--json", dest="_json", action="store_true", help=_JSON_HELP)
        verb_parser.add_argument("--strict", dest="_strict", action="store_true", help=_STRICT_HELP)
    doctor = verbs.add_parser("doctor", help=_DOCTOR_HELP, description=_DOCTOR_HELP, allow_abbrev=False)
    doctor.add_argument(
        "--json", dest="_json", action="store_true", help="tell the checks as one JSON object"
    )
    doctor.set_defaults(command=_doctor)
    printed = verbs.add_parser("schema", help=_SCHEMA_HELP, description=_SCHEMA_HELP, allow_abbrev=False)
    printed.set_defaults(command=_schema)
    serve = verbs.add_parser("serve", help=_SERVE_HELP, description=_SERVE_HELP, allow_abbrev=False)
    serve.set_defaults(command=_serve)
    return parser


_JOB_HELP = "job document to start from; flags lie on top of it"
_JSON_HELP = "tell events as JSON lines on stdout"
_STRICT_HELP = "exit with code 10 where frames or faces were skipped, guessed or doubtful"
_DOCTOR_HELP = "Check this machine and say how to mend what is wrong."
_SCHEMA_HELP = "Print the JSON schema of every job."
_SERVE_HELP = "Serve jobs to a host program: JSON-RPC 2.0, one object a line, over stdin and stdout."


def _run_job(arguments: argparse.Namespace) -> int:
    verb: str = arguments.verb
    document = documents.read(arguments._document, _DOCUMENT) if arguments._document else {}
    fields = schema.job(verb)
    warnings: list[str] = []
    # Each by itself: a flag under a new name lies on top of a document under the former one.
    parts = (document, given_values(arguments, fields))
    values = {
        name: value
        for part in parts
        for name, value in with_present_names(verb, part, warnings.append).items()
    }
    if missing := missing_flags(values, fields):
        raise JobError(f"{verb} needs {', '.join(missing)}.", fix=f"see `understudy {verb} --help`")
    settings = _settings()
    job = parse_job(verb, values)
    if arguments._document:
        from understudy.jobs.files import refuse_document

        refuse_document(job, arguments._document)

    from understudy.app import verbs
    from understudy.app.console import open_display

    display = open_display(as_json=arguments._json)
    for message in warnings:
        display(Warned(message))
    with Stop() as stop:
        try:
            result = verbs.run(job, report=stop.listen(display), settings=settings)
        except Cancelled:
            return _show_cancelled(display, stop, as_json=arguments._json)
        finally:
            display.close()
    return _exit_code(result, strict=arguments._strict)


def _exit_code(result: Mapping[str, Any], *, strict: bool) -> int:
    """The run's exit code, with a sentence where it is not 0."""
    lost = result.get("failed_frames") or []
    if lost:
        what = "1 frame" if len(lost) == 1 else f"{len(lost)} frames"
        print(f"{what} failed; the others are written.", file=sys.stderr)
    code = int(result["exit_code"])
    if strict and code == 0 and doubts(result):
        print("--strict: there is something to look at; what was written stays.", file=sys.stderr)
        return EXIT_DOUBTFUL
    return code


def doubts(result: Mapping[str, Any]) -> bool:
    """Whether a run's result tells of frames or faces that were skipped, guessed or doubtful."""
    from understudy.jobs.frame_notes import NAMES

    unsure = any(not row.get("sure", True) for row in result.get("stretches", ()))
    return unsure or any(result.get(name) for name in NAMES)


def _show_cancelled(display: Display, stop: Stop, *, as_json: bool) -> int:
    code = SIGNALLED + (stop.signal_number or signal.SIGINT)
    if as_json:
        what = "The run was cancelled; what is finished is kept."
        display(Failed({"type": "Cancelled", "what": what, "where": "", "fix": "", "exit_code": code}))
    return code


def _doctor(arguments: argparse.Namespace) -> int:
    from understudy.app import doctor

    checks = doctor.examine(_settings())
    if arguments._json:
        print(documents.dump({"checks": [check.as_dict() for check in checks]}))
    else:
        print("\n".join(printable(str(check)) for check in checks))
    return EXIT_FAILED if any(check.status == "fail" for check in checks) else 0


def _schema(arguments: argparse.Namespace) -> int:
    print(schema.text_of(schema.installed_document()), end="")
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from understudy.app import worker

    settings = _settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    worker.serve(settings)
    return 0


def _settings() -> Settings:
    settings = Settings.from_environment()
    if settings.threads:
        # The libraries read these when they are imported, which is later than this.
        for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
            os.environ.setdefault(name, str(settings.threads))
    return settings


def _system_error(error: OSError | MemoryError) -> UnderstudyError:
    if isinstance(error, MemoryError):
        return UnderstudyError("The machine ran out of memory.", fix="use smaller frames, size or batch")
    what = f"{error.strerror or error}."
    return UnderstudyError(what, where=error.filename or "", fix="check the path, its rights and the disk")


def _show_error(error: dict[str, str | int], *, as_json: bool) -> int:
    from understudy.app.console import JsonLines, text_of

    event = Failed(error)
    if as_json:
        JsonLines()(event)
    else:
        print(text_of(event), file=sys.stderr)
    return int(error["exit_code"])


def _show_bug(error: Exception, *, as_json: bool) -> int:
    print(printable(traceback.format_exc()), file=sys.stderr)
    what = f"{type(error).__name__}: {error}"
    fix = "this is a bug in Understudy: send us the lines above with the command"
    values: dict[str, str | int] = {"type": "InternalError", "what": what, "where": "", "fix": fix}
    return _show_error({**values, "exit_code": EXIT_BUG}, as_json=as_json)


if __name__ == "__main__":
    raise SystemExit(main())
