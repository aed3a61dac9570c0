"""A lab's way of compressing a bucket, to be measured beside Cooper.

For each object below a prefix: GET, decrypt, compress with zstd level 2, encrypt,
PUT the result as KEY.zst, note a row of statistics, DELETE KEY. One client for 50
threads; no condition, no reading back, no journal. What it gets wrong is kept:
it overwrites what is there, and deletes whatever is current.

    compress_lab.py BUCKET DATABASE [KEYS]

KEYS is a JSON file that maps studies (what stands before the first slash) to keys
of 32 characters; without it nothing is encrypted. The endpoint and credentials
are those of the environment.
"""

import hashlib
import json
import os
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import boto3
import pyzstd
from botocore.config import Config
from Crypto.Cipher import AES

THREADS = 50
LEVEL = 2
ROWS_AT_ONCE = 1000


class Statistics:
    """Rows about objects, written in batches."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute(
            "CREATE TABLE file (path TEXT PRIMARY KEY, study TEXT, participant TEXT, sha1 BLOB,"
            " size_uncompressed INTEGER, size_compressed INTEGER, created TEXT)"
        )
        self.lock = threading.Lock()
        self.rows = []

    def add(self, row):
        with self.lock:
            self.rows.append(row)
            if len(self.rows) >= ROWS_AT_ONCE:
                self.write()

    def write(self):
        self.db.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?)", self.rows)
        self.db.commit()
        self.rows = []


def decrypt(key, data):
    return AES.new(key, AES.MODE_CFB, data[:16], segment_size=8).decrypt(data[16:])


def encrypt(key, data):
    iv = os.urandom(16)
    return iv + AES.new(key, AES.MODE_CFB, iv, segment_size=8).encrypt(data)


def compress_object(client, bucket, path, keys, statistics):
    data = client.get_object(Bucket=bucket, Key=path)["Body"].read()
    study, participant = path.split("/")[:2]
    key = keys[study].encode() if keys else None
    if key:
        data = decrypt(key, data)
    sha1 = hashlib.sha1(data).digest()
    compressed = pyzstd.compress(data, LEVEL)
    sizes = len(data), len(compressed)
    if key:
        compressed = encrypt(key, compressed)
    client.put_object(Bucket=bucket, Key=path + ".zst", Body=compressed)
    statistics.add((path, study, participant, sha1, *sizes, datetime.now(timezone.utc).isoformat()))
    client.delete_object(Bucket=bucket, Key=path)


def uncompressed(client, bucket):
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            if not found["Key"].endswith(".zst"):
                yield found["Key"]


def main():
    bucket, database = sys.argv[1:3]
    keys = None
    if len(sys.argv) > 3:
        with open(sys.argv[3], encoding="utf-8") as f:
            keys = json.load(f)
    # boto3 keeps ten connections unless told: it is told, for its own good.
    client = boto3.client("s3", config=Config(max_pool_connections=THREADS, s3={"addressing_style": "path"}))
    statistics = Statistics(database)
    failed = 0
    paths = list(uncompressed(client, bucket))
    with ThreadPoolExecutor(THREADS) as pool:
        done = [(path, pool.submit(compress_object, client, bucket, path, keys, statistics)) for path in paths]
        for path, future in done:
            error = future.exception()
            if error is not None:
                failed += 1
                print(path, error)
    statistics.write()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
