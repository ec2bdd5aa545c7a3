"""From a path to tables: what kind of log it is is seen from its content, not from its name."""

from pathlib import Path

from wellposed.doctor.readers import delimited, events, markdown, objects, spoken
from wellposed.doctor.table import Table
from wellposed.errors import DataError

_KNOWN = ("history.jsonl", "trainer_state.json", "metrics.csv")
_WANTED = (
    "Wanted: CSV or TSV with a header, a Markdown table, JSON lines, a TensorBoard event file, "
    "a W&B export (CSV or JSON), or the folder of a run."
)


def read_log(path: Path) -> list[Table]:
    """Every table of a file, or of a run's folder.

    Raises DataError: missing, not readable, or nothing in it that looks like a log.
    """
    tables = [each for each in _read(path) if each.rows]
    if not any(each.has_numbers for each in tables):
        raise DataError(f"{path}: no row of numbers found. {_said(path)}{_WANTED}")
    return tables


def _said(path: Path) -> str:
    return spoken.hint(path.read_text(errors="replace")) if path.is_file() else ""


def _read(path: Path) -> list[Table]:
    if path.is_dir():
        return _folder(path)
    if "tfevents" in path.name:
        return events.read_events([path])
    if path.suffix == ".wandb":
        raise DataError(
            f"{path}: found W&B's own binary file, for which the wandb package offers no reader. "
            "Export it: wandb.Api().run('ENTITY/PROJECT/RUN').history(pandas=False) written as "
            "JSON (pip install 'wellposed[wandb]'), or 'Download CSV' beside a chart."
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error
    text = _decoded(data, path)
    tables = _tables(text, path)
    for table in tables:
        # Where nothing else ends a line, a carriage return does.
        bare = text.replace("\r\n", "\n")
        table.bytes, table.returns = len(data), bare.count("\r") if "\n" in bare else 0
    return tables


def _folder(path: Path) -> list[Table]:
    """A run's folder: its history, or the event files in it and below, each folder a run."""
    for name in _KNOWN:
        if (path / name).is_file():
            return _read(path / name)
    found = sorted(each for each in path.rglob("*tfevents*") if each.is_file())
    if not found:
        raise DataError(
            f"{path}: a folder without {', '.join(_KNOWN)} or event files. "
            "Name the log file itself."
        )
    folders = dict.fromkeys(each.parent for each in found)
    return [
        table
        for folder in folders
        for table in events.read_events([each for each in found if each.parent == folder])
    ]


def _tables(text: str, path: Path) -> list[Table]:
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return objects.read_objects(text, path)
    if markdown.has_table(text):
        return markdown.read_markdown(text, path)
    return delimited.read_delimited(text, path)


def _decoded(data: bytes, path: Path) -> str:
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: found a binary file. {_WANTED}")
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        # Every byte has a meaning in Latin-1; numbers and most headings are the same in both.
        return data.decode("latin-1")
