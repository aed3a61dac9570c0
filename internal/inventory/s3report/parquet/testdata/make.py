"""make.py DIR: writes the samples beside this file, by the writers named in README.md.

All have the rows of rows.csv; what is written is read back by DuckDB and PyArrow first.
"""
import csv, datetime, hashlib, os, sys

import duckdb, fastparquet, pandas as pd, polars as pl, pyarrow as pa, pyarrow.parquet as pq

out = sys.argv[1]
N = 150
UTC = datetime.timezone.utc

# Booleans in runs of every kind: long ones, alternating ones, groups of eight that are
# cut. Version ids and sizes that are absent here and there; keys that share beginnings,
# and one that is not ASCII.
rows = []
for i in range(N):
    h = hashlib.md5(str(i).encode()).hexdigest()
    rows.append(dict(
        key=f"study/{i // 20:03d}/part-{i:04d}" + ("/é" if i % 17 == 0 else "") + "x" * (i % 23),
        version_id=None if i % 7 == 3 else h[:12],
        is_latest=(i < 40) or (i >= 60 and i % 2 == 0) or (100 <= i < 131),
        is_delete_marker=i % 11 == 5,
        size=None if i % 11 == 5 else (i * i * 7919 + i) % (1 << 40),
        ms=1700000000123 + i * 86400123,
        e_tag=h,
        storage_class=["STANDARD", "GLACIER", "STANDARD_IA"][i // 60],
    ))
with open(f"{out}/rows.csv", "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    for r in rows:
        w.writerow([r["key"], r["version_id"] or "", str(r["is_latest"]).lower(), str(r["is_delete_marker"]).lower(), "" if r["size"] is None else r["size"], r["ms"], r["e_tag"], r["storage_class"]])

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def table(time=pa.timestamp("ms", tz="UTC"), text=pa.string(), size=pa.int64(), tag=None, required=False, strings=False):
    def time_of(ms):
        if pa.types.is_string(time):
            return (EPOCH + datetime.timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if pa.types.is_int64(time):
            return ms
        return ms * {"ms": 1, "us": 1000, "ns": 1000000}[time.unit]

    b = (lambda v: v.encode()) if pa.types.is_binary(text) else (lambda v: v)
    of = lambda v: None if v is None else b(v)
    mod = (1 << 32) - 7 if size == pa.uint32() else (1 << 31) - 7
    n = lambda v: None if v is None else (v % mod if size in (pa.int32(), pa.uint32()) else v)
    flag, flag_type = (lambda v: str(v).lower(), pa.string()) if strings else (lambda v: v, pa.bool_())
    cols = {
        "bucket": pa.array([b("src")] * N, text),
        "key": pa.array([of(r["key"]) for r in rows], text),
        "version_id": pa.array([of(r["version_id"]) for r in rows], text),
        "is_latest": pa.array([flag(r["is_latest"]) for r in rows], flag_type),
        "is_delete_marker": pa.array([flag(r["is_delete_marker"]) for r in rows], flag_type),
        "size": pa.array([n(r["size"]) for r in rows], size),
        "last_modified_date": pa.array([time_of(r["ms"]) for r in rows], pa.int64() if not pa.types.is_string(time) else time),
        "e_tag": pa.array([r["e_tag"].encode() for r in rows], tag) if tag else pa.array([of(r["e_tag"]) for r in rows], text),
        "storage_class": pa.array([of(r["storage_class"]) for r in rows], text),
    }
    if pa.types.is_timestamp(time):
        cols["last_modified_date"] = cols["last_modified_date"].cast(time)
    fields = [pa.field(k, v.type, nullable=not required or k in ("version_id", "size")) for k, v in cols.items()]
    return pa.Table.from_arrays(list(cols.values()), schema=pa.schema(fields))


def check(name, low=None):
    """Two other readers have to find what was meant."""
    path = f"{out}/{name}"
    got = pq.read_table(path).to_pylist()
    times = duckdb.sql(f"SELECT last_modified_date FROM '{path}'").fetchall()
    duck = duckdb.sql(f"SELECT key, version_id, is_latest, is_delete_marker, size FROM '{path}'").fetchall()
    text = lambda v: v.decode() if isinstance(v, bytes) else v
    flag = lambda v: v if isinstance(v, bool) else v == "true"
    for i, r in enumerate(rows):
        want = (r["key"], r["version_id"], r["is_latest"], r["is_delete_marker"], None if r["size"] is None else (r["size"] % low if low else r["size"]))
        for at in (got[i]["last_modified_date"], times[i][0]):
            if isinstance(at, str):
                at = datetime.datetime.fromisoformat(at)
            if not isinstance(at, int):
                at = round((at.replace(tzinfo=at.tzinfo or UTC) - EPOCH).total_seconds() * 1000)
            assert at == r["ms"], (name, i, at)
        size = got[i]["size"]
        for have in ((got[i]["key"], got[i]["version_id"], got[i]["is_latest"], got[i]["is_delete_marker"], None if size is None or size != size else int(size)), duck[i]):
            have = (text(have[0]), text(have[1]), flag(have[2]), flag(have[3]), have[4])
            assert have == want, (name, i, have, want)


def arrow(name, t=None, low=None, **opt):
    opt = {"data_page_size": 600, "write_batch_size": 16, "row_group_size": 100, "compression": "none", **opt}
    pq.write_table(t if t is not None else table(), f"{out}/{name}.parquet", **opt)
    check(name + ".parquet", low)


plain = dict(use_dictionary=False)
for v in ("1.0", "2.0"):
    tag = "v1" if v == "1.0" else "v2"
    arrow(f"arrow-{tag}-plain", data_page_version=v, **plain)
    arrow(f"arrow-{tag}-dictionary", data_page_version=v)
    arrow(f"arrow-{tag}-required", table(required=True), data_page_version=v, **plain)
    arrow(f"arrow-{tag}-delta", data_page_version=v, **plain, column_encoding={"key": "DELTA_BYTE_ARRAY", "version_id": "DELTA_LENGTH_BYTE_ARRAY", "size": "DELTA_BINARY_PACKED", "last_modified_date": "DELTA_BINARY_PACKED", "e_tag": "DELTA_BYTE_ARRAY", "storage_class": "DELTA_LENGTH_BYTE_ARRAY"})
    arrow(f"arrow-{tag}-split", table(tag=pa.binary(32)), data_page_version=v, **plain, column_encoding={"size": "BYTE_STREAM_SPLIT", "last_modified_date": "BYTE_STREAM_SPLIT", "e_tag": "BYTE_STREAM_SPLIT"})
    arrow(f"arrow-{tag}-rle-boolean", data_page_version=v, **plain, column_encoding={"is_latest": "RLE", "is_delete_marker": "RLE"})
    for c in ("snappy", "gzip", "zstd", "lz4"):
        arrow(f"arrow-{tag}-{c}", data_page_version=v, compression=c)
arrow("arrow-checksums", write_page_checksum=True, write_page_index=True, compression="snappy")
arrow("arrow-one-page", data_page_version="2.0", data_page_size=1 << 20, write_batch_size=1024, row_group_size=N)
arrow("arrow-microseconds", table(time=pa.timestamp("us", tz="UTC")))
arrow("arrow-nanoseconds", table(time=pa.timestamp("ns", tz="UTC")), version="2.6")
arrow("arrow-int96", table(time=pa.timestamp("ns")), use_deprecated_int96_timestamps=True, **plain)
arrow("arrow-int96-dictionary", table(time=pa.timestamp("ns")), use_deprecated_int96_timestamps=True)
arrow("arrow-times-as-text", table(time=pa.string()))
arrow("arrow-times-as-numbers", table(time=pa.int64()))
arrow("arrow-all-as-text", table(time=pa.string(), strings=True))
arrow("arrow-binary", table(text=pa.binary()))
arrow("arrow-int32", table(size=pa.int32()), low=(1 << 31) - 7)
arrow("arrow-int32-delta", table(size=pa.int32()), low=(1 << 31) - 7, **plain, column_encoding={"size": "DELTA_BINARY_PACKED"})
arrow("arrow-uint32", table(size=pa.uint32()), low=(1 << 32) - 7)
arrow("arrow-v1.0-format", version="1.0", compression="snappy")

db = duckdb.connect()
db.register("t", table(time=pa.timestamp("us", tz="UTC")))
for v in ("V1", "V2"):
    for c in ("snappy", "zstd", "uncompressed", "gzip", "lz4_raw"):
        name = f"duckdb-{v.lower()}-{c}.parquet"
        db.execute(f"COPY (FROM t) TO '{out}/{name}' (FORMAT parquet, COMPRESSION {c}, PARQUET_VERSION {v}, ROW_GROUP_SIZE 64)")
        check(name)

frame = pl.from_arrow(table())
for c in ("uncompressed", "snappy", "gzip", "zstd", "lz4"):
    frame.write_parquet(f"{out}/polars-{c}.parquet", compression=c, row_group_size=100, data_page_size=600)
    check(f"polars-{c}.parquet")

pd_frame = table().to_pandas()
pd_frame["size"] = pd_frame["size"].astype("Int64")
pd_frame["last_modified_date"] = pd_frame["last_modified_date"].astype("datetime64[ns, UTC]")  # what it takes all times for
for times in ("int64", "int96"):
    for c in ("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"):
        name = f"fastparquet-{times}-{c.lower()}.parquet"
        fastparquet.write(f"{out}/{name}", pd_frame, compression=c, times=times, row_group_offsets=100, object_encoding="utf8", write_index=False)
        check(name)
print("\n".join(f"{m} {sys.modules[m].__version__}" for m in ("pyarrow", "duckdb", "polars", "fastparquet")))
