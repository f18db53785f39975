"""Numbers as people read them: lengths of time, ages, metrics."""

from __future__ import annotations

from datetime import datetime, timezone


def seconds(value: float) -> str:
    """Returns a length of time: 8 s, 3 min 20 s, 2 h 05 min."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def moment(value: float) -> str:
    """Returns a short length of time: 45 ms, 1.3 s, and from ten seconds on as `seconds` does."""
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 9.95 else seconds(value)


def age(then: datetime | None, now: datetime | None = None) -> str:
    """Returns how long ago something was."""
    if then is None:
        return ""
    now = now or datetime.now(timezone.utc)
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return f"{seconds(max(0.0, (now - then).total_seconds()))} ago"


def number(value: float) -> str:
    """Returns a metric's value in five characters or so: 6.18, 0.0124, 2.0e-05; all of a whole one: 282,996."""
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{value:,.0f}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


def size(value: float) -> str:
    """Returns a number of bytes: 512 B, 3.4 kB, 12 MB, 2.15 GB; a kB is 1,000 bytes, as on disks and invoices."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
