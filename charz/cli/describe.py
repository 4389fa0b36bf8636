"""`charz describe`: a first draft of the measurement description of a laboratory file."""

from pathlib import Path
from typing import Annotated

import typer

from charz.cli.describing import Experiment, ReaderName
from charz.cli.output import Report
from charz.errors import ReadError


def describe(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Laboratory file, one of many that are alike.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT.toml", help="Write the draft here instead of printing it."
        ),
    ] = None,
    experiment: Experiment = None,
    reader: ReaderName = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the draft.")
    ] = False,
) -> None:
    """Write a draft of a measurement description: what was recognised, and a question for what was not."""
    from charz.atomic import replacing
    from charz.cli.convert import refuse_output
    from charz.draft import QUESTION, draft_description

    report = Report(as_json)
    if output is not None:
        refuse_output(output, [file])
        if output.exists():
            raise ReadError(
                f"-o {output}: exists; a description holds your answers, so it is never overwritten"
            )
    draft = draft_description(file, experiment, reader)
    questions = sum(line.startswith(QUESTION) for line in draft.splitlines())
    if output is not None:
        with replacing(output) as temporary:
            temporary.write_text(draft, encoding="utf-8")
        report.say(f"Written: {output} ({questions} questions)")
    elif not as_json:
        typer.echo(draft, nl=False)
    report.finish(
        {"file": str(file), "output": output and str(output), "questions": questions, "draft": draft}
    )
