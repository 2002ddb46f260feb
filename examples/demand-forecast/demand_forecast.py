"""The coming months, from the trend and the seasons of the past: demand-forecast FILE [MONTHS]."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd


def forecast(demand: pd.Series, months: int) -> pd.Series:
    """The months after ``demand``: a straight line through it, times what each month is of that."""
    position = np.arange(len(demand))
    slope, start = np.polyfit(position, demand.to_numpy(dtype=float), 1)
    season = (demand / (start + slope * position)).groupby(demand.index.month).mean()
    coming = pd.period_range(demand.index[-1] + 1, periods=months, freq="M")
    line = start + slope * np.arange(len(demand), len(demand) + months)
    seasons = season.reindex(coming.month, fill_value=1.0).to_numpy()
    return pd.Series((line * seasons).round().astype(int), index=coming, name="forecast")


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: demand-forecast FILE [MONTHS]")
    table = pd.read_csv(sys.argv[1])
    demand = pd.Series(table["units"].to_numpy(), index=pd.PeriodIndex(table["month"], freq="M"))
    months = int(sys.argv[2]) if len(sys.argv) == 3 else 3
    for month, units in forecast(demand, months).items():
        print(f"{month}  {units:5}")
    print(f"(pandas {pd.__version__})")


if __name__ == "__main__":
    main()
