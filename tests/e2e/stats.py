# SPDX-License-Identifier: BSD-2-Clause
"""The admin endpoint and its /stats."""

import http.client
import re

from waiting import seconds


def get(address, path, method="GET"):
    """(status, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=seconds(10))
    try:
        connection.request(method, path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


QUANTILES = re.compile(r"No recorded values|P0\(nan,\d+\)( P[0-9.]+\(nan,\d+\)){9}")


def parse(text):
    """{"listener.….ssl.handshake": 3, …}; histograms come last and are left out."""
    values, rest = {}, {}
    for line in text.splitlines():
        name, _, value = line.rpartition(": ")
        assert name not in values and name not in rest, f"{name} stands in /stats twice"
        if name and QUANTILES.fullmatch(value):
            rest[name] = value
            continue
        assert name and value.isdigit() and not rest, f"no line of /stats: {line!r}"
        values[name] = int(value)
    return values


def quantile(text, name, share):
    """What /stats says of a histogram's quantile ("P50"); None: it holds nothing."""
    line = next(line for line in text.splitlines() if line.startswith(f"{name}: "))
    found = re.search(rf" {share}\(nan,(\d+)\)", line)
    return int(found[1]) if found else None


def read(address):
    status, body = get(address, "/stats")
    assert status == 200, (status, body)
    return parse(body)


def listener_scope(listen):
    return f"listener.{listen.replace(':', '_')}"
