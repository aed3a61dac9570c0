"""Writes types.csv or report.csv as ORC by other writers than Java's:

write.py LIBRARY FILE.csv FILE.orc COMPRESSION VERSION THRESHOLD
"""

import csv
import datetime
import sys
import urllib.parse
import zoneinfo

import pyarrow as pa
import pyarrow.orc
import pyorc

library, source, target, compression, version, threshold = sys.argv[1:]
report = "report" in source
TYPES = dict(flag="boolean", t="tinyint", s="smallint", i="int", l="bigint", text="string", short="varchar(20)", padded="char(10)",
             ts="timestamp", tz="timestamp with local time zone")
REPORT = dict(bucket="string", key="binary", version_id="string", is_latest="boolean", is_delete_marker="boolean", size="bigint",
              last_modified_date="timestamp", e_tag="string", storage_class="string", is_multipart_uploaded="boolean",
              replication_status="string", encryption_status="string", object_lock_retain_until_date="timestamp",
              object_lock_mode="string", object_lock_legal_hold_status="string", intelligent_tiering_access_tier="string",
              bucket_key_status="string", checksum_algorithm="string", object_access_control_list="string", object_owner="string")
schema = REPORT if report else TYPES
ARROW = {"boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(),
         "timestamp": pa.timestamp("ns"), "timestamp with local time zone": pa.timestamp("ns", "UTC")}


def value(name, kind, text):
    if text == "":
        return None
    if kind == "boolean":
        return text == "true"
    if kind.endswith("int"):
        return int(text)
    if kind.startswith("timestamp"):
        day, _, nanos = text.rstrip("Z").replace("T", " ").partition(".")
        seconds = datetime.datetime.fromisoformat(day + "+00:00").timestamp()
        return int(seconds) * 10**9 + int(nanos.ljust(9, "0"))
    return urllib.parse.unquote_to_bytes(text.replace("+", " ")) if name == "key" else text.removeprefix("'")


with open(source, newline="") as f:
    rows = [[value(n, k, x) for (n, k), x in zip(schema.items(), row, strict=True)] for row in csv.reader(f)]

if library == "pyarrow":
    columns = {n: pa.array([row[i] for row in rows], ARROW.get(k, pa.string())) for i, (n, k) in enumerate(schema.items())}
    pa.orc.write_table(pa.table(columns), target, file_version=version, compression=compression, compression_block_size=65536,
                       dictionary_key_size_threshold=float(threshold), batch_size=100, stripe_size=4096)
else:
    names = list(schema) if version != "hive" else [f"_col{i}" for i in range(len(schema))]
    text = "struct<" + ",".join(f"{n}:{k}" for n, k in zip(names, schema.values())) + ">"

    class Nanos(pyorc.converters.ORCConverter):
        @staticmethod
        def to_orc(x, zone):
            return divmod(x, 10**9)

        @staticmethod
        def from_orc(seconds, nanos, zone):
            return seconds * 10**9 + nanos

    with open(target, "wb") as f:
        with pyorc.Writer(f, text, compression=pyorc.CompressionKind[compression.upper()], dict_key_size_threshold=float(threshold),
                          timezone=zoneinfo.ZoneInfo("UTC"),
                          converters={pyorc.TypeKind.TIMESTAMP: Nanos, pyorc.TypeKind.TIMESTAMP_INSTANT: Nanos}) as w:
            w.writerows(map(tuple, rows))
