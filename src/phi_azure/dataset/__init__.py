"""Chat rows on disk: reads them as a stream and says, with line numbers, what a job could not learn from."""

from phi_azure.dataset.checking import check, check_files, set_aside
from phi_azure.dataset.converting import Shape, convert
from phi_azure.dataset.report import LIMIT, Effect, FileReport, Level, Notes, Problem, Report, Route, Split
from phi_azure.dataset.rows import Message, Row, rows
from phi_azure.dataset.splitting import Part, split

__all__ = [
    "LIMIT",
    "Effect",
    "FileReport",
    "Level",
    "Message",
    "Notes",
    "Part",
    "Problem",
    "Report",
    "Route",
    "Row",
    "Shape",
    "Split",
    "check",
    "check_files",
    "convert",
    "rows",
    "set_aside",
    "split",
]
