"""Machine prices of today, from Azure's public retail price API: no account, no key, a few seconds at most."""

from __future__ import annotations

import json
import urllib.request
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from phi_azure.catalog import Price
from phi_azure.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ADDRESS = "https://prices.azure.com/api/retail/prices"
TIMEOUT_SECONDS = 5
_CHEAPER = ("spot", "low priority")


def query(size: str, region: str) -> str:
    """Returns the address that lists what a size costs by the hour, pay as you go, in US dollars."""
    wanted = (
        f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{region}' "
        f"and armSkuName eq '{size}'"
    )
    return f"{ADDRESS}?currencyCode=USD&$filter={quote(wanted)}"


def read(
    sizes: Iterable[str], region: str, fetch: Callable[[str], bytes] | None = None, today: date | None = None
) -> dict[str, Price]:
    """Returns the Linux price of each size in a region; a size that the API does not list is left out.

    Raises:
        OSError: the API cannot be reached.
        ValueError: it answered something else.
    """
    fetch = fetch or _fetch
    day = today or datetime.now(timezone.utc).date()
    found = {}
    for size in sizes:
        amount = _hourly(json.loads(fetch(query(size, region))))
        if amount is not None:
            found[size] = Price(amount, "USD", region, day, "Azure's retail price API", "high")
    return found


def today(sizes: Iterable[str], region: str) -> dict[str, Price]:
    """Returns the price of each size now. Raises AzureError where the list cannot be read."""
    try:
        return read(sizes, region)
    except (OSError, ValueError) as error:
        raise AzureError(f"Azure's price list cannot be read: {error}", remedy="Leave --live out.") from error


def _hourly(answer: Any) -> float | None:
    """Returns the price of an hour under Linux at the usual priority; the dearest, if there are several."""
    if not isinstance(answer, dict) or not isinstance(answer.get("Items"), list):
        raise ValueError(  # noqa: TRY004  an answer is wrong, not an argument
            "the retail price API answered something else than a list of prices"
        )
    prices = [float(item["retailPrice"]) for item in answer["Items"] if _is_plain(item)]
    return max(prices, default=None)


def _is_plain(item: dict[str, Any]) -> bool:
    name = str(item.get("skuName", "")).lower()
    linux = "windows" not in str(item.get("productName", "")).lower()
    return linux and item.get("unitOfMeasure") == "1 Hour" and not any(word in name for word in _CHEAPER)


def _fetch(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310  https, above
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  likewise
        content: bytes = answer.read()
    return content
