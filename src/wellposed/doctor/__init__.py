"""The doctor: reads the log of somebody's run and says what can be said after the fact.

    read_log(path)      -> tables: CSV, Markdown, JSON lines, TensorBoard, W&B exports
    prepare(table, ...) -> a run: every column with a meaning, rows in the order of training
    diagnose(run)       -> findings of the guard's kind, and what could not be judged

A log holds means and few of them, so every finding above INFO rests on exactness, on a reference
point with meaning, or on a chance that the run's budget of false alarms allows.
"""

from wellposed.doctor.criterion import parse_criterion
from wellposed.doctor.diagnosis import Asked, Diagnosis, diagnose, prepare
from wellposed.doctor.readers import read_log
from wellposed.doctor.run import Run
from wellposed.doctor.table import Table

__all__ = [
    "Asked",
    "Diagnosis",
    "Run",
    "Table",
    "diagnose",
    "parse_criterion",
    "prepare",
    "read_log",
]
