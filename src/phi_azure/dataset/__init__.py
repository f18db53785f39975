"""Chat rows on disk: reads them as a stream and says, with line numbers, what a job could not learn from."""

from phi_azure.dataset.checking import check, check_files
from phi_azure.dataset.report import Effect, FileReport, Level, Problem, Report, Route, Split
from phi_azure.dataset.rows import Message, Row, rows

__all__ = [
    "Effect",
    "FileReport",
    "Level",
    "Message",
    "Problem",
    "Report",
    "Route",
    "Row",
    "Split",
    "check",
    "check_files",
    "rows",
]
