"""What is wrong with a rule that was typed, each place underlined."""

from __future__ import annotations

from blaster.cli.output import fail, note


def show_problems(rule: str, problems: tuple[object, ...]) -> None:
    """Every problem on stderr, with the line of the rule that it is in."""
    from blaster.rules import Problem, caret

    for problem in problems:
        if not isinstance(problem, Problem):
            fail(str(problem))
            continue
        fail(problem.message)
        note("\n".join(f"  | {line}" for line in caret(rule, problem).splitlines()))
        if problem.suggestion:
            note(f"  = {problem.suggestion}")
