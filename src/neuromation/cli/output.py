"""What a person or a program reads: results on stdout, all else on stderr; knows nothing of what is printed.

Colour and bars appear on terminals only; NO_COLOR (no-color.org) and TERM=dumb turn colour off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200  # columns of a table that goes into a pipe or a file
_RED, _DIM, _PLAIN = "\033[31m", "\033[2m", "\033[0m"

Cell = object
Update = Callable[[int], None]


def colourful(stream: IO[str]) -> bool:
    """Tell whether colour may be written to this stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def plain(value: Cell) -> str:
    """A text with no control characters: what a stranger named a data set must not steer a terminal."""
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def jsonable(value: Any) -> Any:
    """Plain JSON of wire models, paths and times, also deep inside lists and dicts."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


class Output:
    """Where one command's words go.

    Args:
        as_json: print results as JSON, one value, and nothing else on stdout.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, value: Any, show: Callable[[], None]) -> None:
        """Print a result: as JSON, or by `show` for a person."""
        if self.as_json:
            import json

            print(json.dumps(jsonable(value), indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201
        else:
            show()

    def line(self, value: Any) -> None:
        """Print one JSON value as one line, at once: for streams."""
        import json

        print(json.dumps(jsonable(value), ensure_ascii=False, allow_nan=False), flush=True)  # noqa: T201

    def say(self, text: Cell = "") -> None:
        """A line of a result for a person."""
        print(plain(text))  # noqa: T201

    def note(self, text: Cell) -> None:
        """A line beside the result: progress, hints."""
        text = plain(text)
        print(f"{_DIM}{text}{_PLAIN}" if colourful(sys.stderr) else text, file=sys.stderr, flush=True)  # noqa: T201

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, nothing: str = "") -> None:
        """A table of a result, or `nothing` when it is empty; a column ending with ">" is aligned to the right."""
        if not rows:
            self.note(nothing or f"there is no {columns[0]} yet")
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            right = column.endswith(">")
            table.add_column(column.rstrip(">"), justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        _console(sys.stdout).print(table)

    def facts(self, facts: Sequence[tuple[str, Cell]]) -> None:
        """Named facts of a result, one a line; those that are empty are left out."""
        named = [(plain(name), value) for name, value in facts if value not in (None, "")]
        width = max((len(name) for name, _ in named), default=0)
        for name, value in named:
            self.say(f"{name:<{width}}  {plain(value)}")

    @contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[Update]:
        """A progress bar on stderr where that is a terminal; gives a function that takes the amount done so far."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=_console(sys.stderr), transient=True) as progress:
            task = progress.add_task(plain(what), total=total, rate="")

            def update(done: int) -> None:
                speed = progress.tasks[0].speed
                progress.update(task, completed=done, rate=f"{speed:,.0f} {unit}/s" if speed else "")

            yield update


def _console(stream: IO[str]) -> Console:
    from rich.console import Console

    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, no_color=not colourful(stream), highlight=False, markup=False)


def complain(sentence: str) -> None:
    """An error, on stderr: one sentence, red on a terminal."""
    text = f"error: {plain(sentence)}"
    print(f"{_RED}{text}{_PLAIN}" if colourful(sys.stderr) else text, file=sys.stderr, flush=True)  # noqa: T201
