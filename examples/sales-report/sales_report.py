"""Totals of a file of sales, by month and region: sales-report FILE."""

from __future__ import annotations

import sys

import pandas as pd


def report(sales: pd.DataFrame) -> pd.DataFrame:
    """A row per month, a column per region, and the totals of both."""
    by_month = sales.assign(month=sales["date"].dt.strftime("%Y-%m"))
    return by_month.pivot_table(
        index="month",
        columns="region",
        values="amount",
        aggfunc="sum",
        fill_value=0,
        margins=True,
        margins_name="total",
    )


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: sales-report FILE")
    sales = pd.read_csv(sys.argv[1], parse_dates=["date"])
    print(report(sales).to_string())
    print(f"(pandas {pd.__version__})")


if __name__ == "__main__":
    main()
