"""Writes types.csv and report.csv: what the files beside them hold.

types.csv has a column of each type. Fields are empty for null, and text has a
quote in front; times are as clocks show them. report.csv is a report of S3
Inventory in CSV.
"""

import csv
import datetime
import random
import urllib.parse

r = random.Random(42)
INT_MIN, INT_MAX = -(2**63), 2**63 - 1


def numbers(n):
    """Numbers for every way in which runs are encoded."""
    out = []
    while len(out) < n:
        kind, length = r.randrange(8), r.choice([1, 2, 3, 9, 40, 130])
        base = r.choice([0, 5, -7, 10**6, -(10**12)])
        step = r.randrange(-100, 100)
        for i in range(length):
            out.append(
                [
                    base,  # repeated
                    base + i * step,  # always the same step
                    base + i * 1000 + r.randrange(1000),  # rising
                    base - i * 1000 - r.randrange(1000),  # falling
                    r.randrange(-(2**20), 2**20),  # as they are
                    base + r.randrange(100) + (r.randrange(2**40) if r.randrange(17) == 0 else 0),  # patched
                    r.randrange(INT_MIN, INT_MAX + 1),
                    r.choice([INT_MIN, INT_MAX, 0, -1, 1]),
                ][kind]
            )
    return out[:n]


def clamp(x, bits):
    return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, x))


def time(i):
    # Not in the hours in which clocks are put forward or back, nor in the
    # second before 1970, of which writers lose the sign.
    day = datetime.date(1931, 3, 4) + datetime.timedelta(days=r.randrange(60000))
    nanos = [0, 123000000, 123456789, 1000, 999999999, 100][i % 6]
    return f"{day} {r.randrange(5, 23):02d}:{r.randrange(60):02d}:{r.randrange(60):02d}.{nanos:09d}"


def types(n):
    words = ["", "a", "résumé", "日本", "x" * 40, " trailing ", "quote'"]
    columns = [numbers(n) for _ in range(4)]
    for i in range(n):
        text = r.choice(words) if i % 200 < 120 else f"key/{i:05d}/{r.randrange(10**9)}"
        row = [
            str(i % 7 < 3).lower(),
            clamp(columns[0][i], 8),
            clamp(columns[1][i], 16),
            clamp(columns[2][i], 32),
            columns[3][i],
            "'" + text,
            "'" + text[:20],
            "'" + text[:10].rstrip(" "),
            time(i),
            time(i + 1),
        ]
        # Some stretches have no nulls, some many, some nothing else.
        share = [0, 0.1, 0.9, 1, 0.5][i // 90 % 5]
        yield ["" if r.random() < share else x for x in row]


def report(n):
    yield from (
        # Rows that are set aside, and rows that look odd and are not.
        row(b"k\xff", "v1"),
        row("é" * 512, ""),
        row("é" * 513, ""),
        row(b"", ""),
        row("a/b +%20", "v2"),
        row("no/size", "v3", size=""),
        row("nul\0 and newline\n", "v4"),
        row("before 1970", "v5", time="1969-12-30T23:59:58.000Z"),
        row("other/bucket", "v6", bucket="other"),
    )
    for i in range(n):
        key = f"zarr/{i // 300:04x}-5be1/0/{i % 300 // 20}/{i % 20}"
        at = datetime.datetime(2024, 2, 28, 22) + datetime.timedelta(milliseconds=i * 7_001_017)
        time = at.isoformat(timespec="milliseconds") + "Z"
        version = "" if i % 50 == 0 else f"{r.getrandbits(128):032x}"
        if i % 40 == 39:
            yield row(key, version, marker=True, latest=i % 80 < 40, size="", etag="", time=time, kind="")
        else:
            kind = ["STANDARD", "GLACIER", "INTELLIGENT_TIERING"][i // 100 % 3]
            yield row(key, version, latest=i % 3 > 0, size=r.randrange(10 ** (i % 12)), etag=f"{r.getrandbits(128):032x}", time=time, kind=kind)


def row(key, version, bucket="src", latest=True, marker=False, size=1, time="2024-05-01T10:00:00.123Z", etag="e-2", kind="STANDARD"):
    tier = "ARCHIVE" if kind == "INTELLIGENT_TIERING" else ""
    return [
        bucket, urllib.parse.quote_plus(key, safe="/"), version, str(latest).lower(), str(marker).lower(), size, time, etag,
        kind, "false" if not marker else "", "", "SSE-S3", "", "", "", tier, "DISABLED", "CRC64NVME", "", "owner",
    ]


for name, rows in ("types.csv", types(1000)), ("report.csv", report(600)):
    with open(name, "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows(rows)
