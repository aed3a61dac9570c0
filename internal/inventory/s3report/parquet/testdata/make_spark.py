"""make_spark.py DIR: writes samples as Spark does, whose writer (parquet-mr, for Java) Hive
and many others have, of the rows in DIR/rows.csv. Needs pyspark, and Java."""
import csv, datetime, glob, os, shutil, sys, tempfile

import duckdb
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

out = sys.argv[1]
os.environ["TZ"] = "UTC"
rows = [
    ("src", k, v or None, lat == "true", mark == "true", int(size) if size else None, int(ms), tag, cls)
    for k, v, lat, mark, size, ms, tag, cls in csv.reader(open(f"{out}/rows.csv"))
]
schema = T.StructType([
    T.StructField("bucket", T.StringType()), T.StructField("key", T.StringType(), False), T.StructField("version_id", T.StringType()),
    T.StructField("is_latest", T.BooleanType()), T.StructField("is_delete_marker", T.BooleanType(), False), T.StructField("size", T.LongType()),
    T.StructField("ms", T.LongType()), T.StructField("e_tag", T.StringType()), T.StructField("storage_class", T.StringType()),
])
names = ["bucket", "key", "version_id", "is_latest", "is_delete_marker", "size", "last_modified_date", "e_tag", "storage_class"]
base = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false").getOrCreate()
for name, codec, options, times in (
    ("spark-v1-snappy", "snappy", {}, "TIMESTAMP_MICROS"),
    ("spark-v1-int96", "uncompressed", {}, "INT96"),
    ("spark-v2-snappy", "snappy", {"parquet.writer.version": "PARQUET_2_0"}, "TIMESTAMP_MILLIS"),
    ("spark-v2-plain", "uncompressed", {"parquet.writer.version": "PARQUET_2_0", "parquet.enable.dictionary": "false"}, "TIMESTAMP_MICROS"),
    ("spark-v2-gzip", "gzip", {"parquet.writer.version": "PARQUET_2_0", "parquet.page.write-checksum.enabled": "true"}, "INT96"),
    ("spark-v2-zstd", "zstd", {"parquet.writer.version": "PARQUET_2_0", "parquet.page.row.count.limit": "20"}, "TIMESTAMP_MICROS"),
    ("spark-v2-lz4", "lz4_raw", {"parquet.writer.version": "PARQUET_2_0", "parquet.page.row.count.limit": "20"}, "TIMESTAMP_MICROS"),
    ("spark-v1-small-pages", "snappy", {"parquet.page.row.count.limit": "20", "parquet.enable.dictionary": "false"}, "TIMESTAMP_MILLIS"),
):
    base.conf.set("spark.sql.parquet.outputTimestampType", times)
    frame = base.createDataFrame(rows, schema).coalesce(1)
    frame = frame.withColumn("last_modified_date", F.timestamp_millis("ms")).select(*names)
    tmp = tempfile.mkdtemp()
    w = frame.write.mode("overwrite").option("compression", codec)
    for k, v in options.items():
        w = w.option(k, v)
    w.parquet(tmp)
    (part,) = glob.glob(tmp + "/*.parquet")
    shutil.copy(part, f"{out}/{name}.parquet")
    shutil.rmtree(tmp)
    got = duckdb.sql(f"SELECT key, version_id, is_latest, is_delete_marker, size, last_modified_date FROM '{out}/{name}.parquet'").fetchall()
    for g, r in zip(got, rows, strict=True):
        assert g[:5] == r[1:6] and round(g[5].replace(tzinfo=datetime.timezone.utc).timestamp() * 1000) == r[6], (name, g, r)
print("spark", base.version)
