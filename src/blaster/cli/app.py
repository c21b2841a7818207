"""`main`: from the words of the command line to one command, and from what it raises to a code.

Laws: 0 is fine, 1 is a finding, a mismatch or a failure, 2 is a command line that asks for what
makes no sense or is not there. Results go to stdout; errors, warnings and progress to stderr.
Help, `--version` and a misspelt command load nothing but this; a command's own module loads when
it is asked for, and what does the work only once its arguments are understood.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from blaster.cli.output import UsageError, fail, say, shown
from blaster.errors import BlasterError, DefinitionError, FolderInUse, LogCorrupt

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130
PIPE_CLOSED = 141
"""What a shell shows for a program that an interrupt, or a closed pipe, ended."""


class Command(NamedTuple):
    """The module that holds `HELP` and `run`, and what the overview says of it."""

    module: str
    usage: str
    summary: str


COMMANDS: dict[str, Command] = {
    "init": Command("init", "init DIR", "make a workspace: a whole example, explained in Hebrew"),
    "check": Command("check", "check [DIR]", "find what is wrong with a workspace"),
    "simulate": Command("simulate", "simulate [DIR]", "run its scenarios; nothing is sent"),
    "publish": Command("publish", "publish [DIR]", "put its definitions into force"),
    "import": Command("importing", "import FILE", "take contacts from a CSV or Parquet file"),
    "count": Command("count", "count 'RULE'", "for how many contacts a rule is true"),
    "select": Command("select", "select 'RULE'", "who they are: a table, or a file of them"),
    "explain": Command("explain", "explain CONTACT", "what happened to a contact, and why"),
    "run": Command("run", "run [DIR]", "run the account: take what is due, and deliver"),
    "send": Command("send", "send MESSAGE", "send one message to one recipient, now"),
    "preview": Command("preview", "preview MESSAGE", "what one contact would get, as files"),
    "campaign": Command("campaign", "campaign VERB", "start, pause, resume or stop a campaign"),
    "report": Command("report", "report ledger", "what became of everybody, and who that is"),
    "retry": Command("retry", "retry NAME", "send again what failed, each once"),
    "erase": Command("erase", "erase CONTACT", "erase a contact for good: values, then files"),
    "keygen": Command("keygen", "keygen DOMAIN", "make a DKIM key and its DNS record"),
    "doctor": Command("doctor", "doctor [DIR]", "look whether everything is fit to send"),
    "clock": Command("clock", "clock [DIR]", "what time it is for an account; confirm the clock"),
    "demo": Command("demo.command", "demo", "a whole mailing on this machine, and its account"),
}

LATER = ("queue", "suspend")
"""Named in the manual, not in this release; said so, rather than called misspelt."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Hebrew must not stop a command on an odd terminal
            stream.reconfigure(errors="replace")
    try:
        return _answered(args)
    except BrokenPipeError:
        _forget_stdout()
        return PIPE_CLOSED


def _answered(args: list[str]) -> int:
    try:
        code = _dispatch(args)
        sys.stdout.flush()
    except UsageError as error:
        fail(str(error), error.advice)
        return USAGE
    except KeyboardInterrupt:
        fail("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except (BlasterError, OSError) as error:
        return _failed(error)
    return code


def _dispatch(args: list[str]) -> int:
    if not args or args[0] in ("--help", "-h") or args == ["help"]:
        say(overview())
        return OK
    if args[0] == "--version":
        say(version())
        return OK
    if args[0] == "help":
        args = [args[1], "--help"]
    name, rest = args[0], args[1:]
    if name not in COMMANDS:
        raise _unknown(name)
    module = import_module(f"blaster.cli.{COMMANDS[name].module}")
    before = rest[: rest.index("--")] if "--" in rest else rest
    if "--help" in before or "-h" in before:
        say(page(name, module.HELP))
        return OK
    return _bound(name, module.run, rest)()


def _bound(name: str, function: Callable[..., int], args: list[str]) -> Callable[[], int]:
    """The command's function with its arguments, typed. Raises UsageError."""
    from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

    parser = App(
        name=f"blaster {name}",
        help_flags=(),
        version_flags=(),
        default_parameter=Parameter(negative=()),
    )
    parser.default(function)
    try:
        command, given, _ = parser.parse_args(args, print_error=False, exit_on_error=False)
    except UnusedCliTokensError as error:
        words = " ".join(map(shown, error.unused_tokens or ()))
        raise UsageError(f"too many arguments: {words}", _see(name)) from None
    except CycloptsError as error:
        text = str(error).strip().removesuffix(".")
        raise UsageError(text[:1].lower() + text[1:], _see(name)) from None
    return lambda: int(command(*given.args, **given.kwargs))


def _see(name: str) -> str:
    return f"blaster {name} --help shows how it is used"


def _unknown(name: str) -> UsageError:
    from difflib import get_close_matches

    if name in LATER:
        return UsageError(
            f"this release has no `blaster {name}` yet", "blaster --help lists what there is"
        )
    kind = "option" if name.startswith("-") else "command"
    known = ("--help", "--version") if kind == "option" else tuple(COMMANDS)
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    advice = f"did you mean `blaster {near[0]}`?" if near else "blaster --help lists the commands"
    return UsageError(f"there is no {kind} '{shown(name)}'", advice)


def _failed(error: BlasterError | OSError) -> int:
    """Says what went wrong, in the words of whoever raised it."""
    match error:
        case DefinitionError():
            fail("the definitions are not valid:\n" + str(error))
        case FolderInUse():
            owner = f" ({error.owner})" if error.owner and error.owner not in str(error) else ""
            fail(f"{error}{owner}", "stop that process first")
        case LogCorrupt():
            fail(
                str(error),
                "the log under data/log is damaged; `blaster doctor --repair` shows what is "
                "whole, and what there is to choose from",
            )
        case OSError(strerror=str(reason), filename=str(file)):
            fail(f"{shown(file)}: {reason}")
        case _:
            fail(str(error) or type(error).__name__)
    return FAILED


def _forget_stdout() -> None:
    """The reader went away; without this the interpreter would complain of it at its end."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


# --- help -----------------------------------------------------------------------------------------


def version() -> str:
    """The release, how it was built, and on which Python it runs."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from blaster._build import KIND

    try:
        release = installed("blaster")
    except PackageNotFoundError:
        release = "(not installed)"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"blaster {release} ({KIND} build, Python {python})"


def overview() -> str:
    """What `blaster --help` prints."""
    lines = [
        "blaster: a sending engine. It decides who gets what, when and on which channel.",
        "",
        "Usage: blaster COMMAND [OPTIONS]",
        "",
        "Commands:",
        *(f"  {each.usage:<17}{each.summary}" for each in COMMANDS.values()),
        "",
        "Options:",
        "  --help           this page; blaster COMMAND --help for one command",
        "  --version        the release",
        "",
        "Begin with:",
        "  blaster init club",
        "  blaster check club",
        "  blaster simulate club",
        "",
        "DIR is a folder with blaster.toml in it; without DIR it is the folder you are",
        "in, or the nearest one above it.",
        "",
        "Exit codes: 0 fine; 1 a finding, a mismatch or a failure; 2 a command line that",
        "cannot be followed.",
    ]
    return "\n".join(lines)


def page(name: str, text: str) -> str:
    """What `blaster COMMAND --help` prints."""
    return f"blaster {name}: {COMMANDS[name].summary}\n\n{text.strip()}"


def parameters(function: Callable[..., Any]) -> list[str]:
    """Names of a command's options as they are typed, for whoever compares them with its page."""
    import inspect

    return [
        f"--{parameter.name.strip('_').replace('_', '-')}"
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
