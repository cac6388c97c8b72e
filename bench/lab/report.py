# SPDX-License-Identifier: BSD-2-Clause
"""Figures by case, proxy and round: as CSV, as a table, as a plot."""

import csv
import math
import statistics
import subprocess
import sys

from lab import machine, rig

# Of a run, more is better.
RATES = ("rate", "GB/s")
NO_PEERS = ("millrace", "floor", "relay")


def interval(values):
    """Of the median, 95 %: by order alone, whatever the distribution is.
    None where there are too few for it."""
    ordered, count = sorted(values), len(values)
    below = 0.0
    for rank in range(count // 2):
        below += math.comb(count, rank) / 2 ** count
        if below > 0.025:
            return (ordered[rank - 1], ordered[count - rank]) if rank else None
    return None


def ratio_of(mine, its):
    """Pair by pair: the median, and its interval."""
    pairs = [one / other for one, other in zip(mine, its)]
    return statistics.median(pairs), interval(pairs)


def spoken(ratio):
    middle, bounds = ratio
    text = f"{middle:.3f}"
    if bounds:
        text += f" (95 %: {bounds[0]:.3f} to {bounds[1]:.3f})"
    return text


class Report:
    """One question's figures. unit: of the main figure, less is better."""

    def __init__(self, question, unit, options, proxies):
        self.question = question
        self.unit = unit
        self.options = options
        self.proxies = proxies
        self.figures = {}  # case → proxy → [main figure, by round]
        self.rows = []
        self.written = 0  # of rows
        self.settings = []

    def add(self, case, proxy, index, value, **beside):
        """beside: other figures of the same run."""
        self.figures.setdefault(case, {}).setdefault(proxy, []).append(value)
        self.rows.append((case, index, proxy, self.unit, f"{value:.6g}"))
        for metric, figure in beside.items():
            self.rows.append((case, index, proxy, metric, f"{figure:.6g}"))
        self.write_rows()
        rig.progress(f"{self.question} {case}: round {index + 1}, {proxy} "
                     f"{value:.4g} {self.unit}")

    def note(self, name, text):
        self.settings.append((name, str(text)))

    def facts(self):
        return [("question", self.question),
                ("quick", "yes: no basis for a claim" if self.options.quick
                 else "no"),
                *machine.facts(self.proxies), *self.settings]

    def all_beside(self, case, proxy, metric):
        return [float(row[4]) for row in self.rows
                if row[0] == case and row[2] == proxy and row[3] == metric]

    def beside(self, case, proxy, metric):
        values = self.all_beside(case, proxy, metric)
        return statistics.median(values) if values else None

    def ratio(self, case, proxy, other):
        """Round by round: the median, and its interval."""
        return ratio_of(self.figures[case][proxy], self.figures[case][other])

    def best_peer(self, case):
        """HAProxy, nginx, …: whoever is cheapest."""
        peers = {name: statistics.median(values)
                 for name, values in self.figures[case].items()
                 if name not in NO_PEERS}
        return min(peers, key=peers.get) if peers else None

    def fastest_peer(self, case, metric):
        peers = {name: self.beside(case, name, metric)
                 for name in self.figures[case] if name not in NO_PEERS}
        peers = {name: rate for name, rate in peers.items() if rate}
        return max(peers, key=peers.get) if peers else None

    # ---- what is written

    def write_rows(self):
        """As they come: who ends a run early keeps what there is."""
        self.options.out.mkdir(parents=True, exist_ok=True)
        with open(self.csv_path(), "a" if self.written else "w",
                  newline="") as out:
            writer = csv.writer(out)
            if not self.written:
                for name, text in self.facts():
                    out.write(f"# {name}: {text}\n")
                writer.writerow(("case", "round", "proxy", "metric", "value"))
            writer.writerows(self.rows[self.written:])
        self.written = len(self.rows)

    def csv_path(self):
        return self.options.out / f"{self.question}.csv"

    def write(self):
        rig.progress("")
        self.written = 0  # with all that has been noted meanwhile
        self.write_rows()
        self.print_table()
        self.plot()

    def print_table(self):
        print(f"\n{self.question}: {self.unit}, the median of the rounds")
        for name, text in self.facts():
            print(f"  {name}: {text}")
        for case, by_proxy in self.figures.items():
            print(f"  {case}")
            for name, values in by_proxy.items():
                print(self.line(case, name, values))
            self.print_verdict(case)
        sys.stdout.flush()

    def line(self, case, name, values):
        floor = self.figures[case].get("floor")
        text = f"    {name:<10} {statistics.median(values):10.4g}"
        if floor and name != "floor":
            text += f"  {self.ratio(case, name, 'floor')[0]:5.2f} x floor"
        others = dict.fromkeys(row[3] for row in self.rows
                               if row[0] == case and row[2] == name and
                               row[3] != self.unit)
        for metric in others:
            text += f"  {metric} {self.beside(case, name, metric):.4g}"
        return text

    def print_verdict(self, case):
        best = self.best_peer(case)
        if not best or "millrace" not in self.figures[case]:
            return
        ratio = self.ratio(case, "millrace", best)
        pairs = len(self.figures[case]["millrace"])
        print(f"    millrace is {spoken(ratio)} x {best}, the best peer, {pairs} pairs")
        kernel = self.beside(case, "millrace", "kernel")
        if kernel:
            print(f"    what the kernel does for millrace alone is "
                  f"{kernel * ratio[0]:.3f} x that")
        for metric in RATES:
            fastest = self.fastest_peer(case, metric)
            if fastest:
                rates = ratio_of(*(self.all_beside(case, name, metric)
                                   for name in ("millrace", fastest)))
                print(f"    its {metric} is {spoken(rates)} x {fastest}'s")

    def plot(self):
        """Bars by case, as SVG and PNG; without gnuplot there is none."""
        data = self.options.out / f"{self.question}.dat"
        names = list(dict.fromkeys(
            name for by_proxy in self.figures.values() for name in by_proxy))
        with open(data, "w") as out:
            out.write("case " + " ".join(names) + "\n")
            for case, by_proxy in self.figures.items():
                cells = [f"{statistics.median(by_proxy[name]):.6g}"
                         if name in by_proxy else "NaN" for name in names]
                out.write(f'"{case}" ' + " ".join(cells) + "\n")
        columns = ", ".join(
            f"'{data}' using {index + 2}:xtic(1) title '{name}'"
            for index, name in enumerate(names))
        where = f"{machine.facts([])[0][1]}, {machine.facts([])[1][1]}"
        for terminal, ending in (("svg size 900,480", "svg"),
                                 ("pngcairo size 900,480", "png")):
            script = (f"set terminal {terminal}\n"
                      f"set output '{self.options.out / self.question}.{ending}'\n"
                      f"set title '{self.question} ({where})' noenhanced\n"
                      f"set ylabel '{self.unit}' noenhanced\n"
                      "set style data histograms\nset style fill solid 0.8\n"
                      "set yrange [0:*]\nset grid ytics\n"
                      "set xtics noenhanced rotate by -15\n"
                      f"set key outside noenhanced\nplot {columns}\n")
            try:
                subprocess.run(["gnuplot"], input=script, text=True,
                               check=True, stderr=subprocess.DEVNULL)
            except (OSError, subprocess.CalledProcessError):
                print("  (no plot: gnuplot is missing or refuses)")
                return
