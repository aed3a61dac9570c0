"""A bucket as boto3 sees it, and Cooper as a person runs it."""
import hashlib
import json
import os
import random
import subprocess
import time

import boto3
import zstandard
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

STORE_ERRORS = (ClientError, BotoCoreError)
ZSTD = b"\x28\xb5\x2f\xfd"

# Keys that are awkward for some store or file system. Only those are used that
# a store takes, gives back and lists.
ODD = [
    "a//b.csv", "a/../b.csv", "./x.csv", "plus+.csv", "two words.csv", "pct%2Fpct%.csv", "tab\tkey.csv", "new\nline.csv",
    "ctl\x01.csv", "nonchar\uffff.csv", "emoji\U0001f600.csv", "\u00e9.csv", "e\u0301.csv", "Case.csv", "case.csv", "q'\"&<>.csv",
    "/lead.csv", "dir.csv", "dir.csv/x.csv", "folder/", "back\\slash.csv", "n" * 200 + ".csv", "q?a=b&c.csv", "hash#.csv", "blank .csv ",
]


def text(seed, lines=400):
    dice = random.Random(seed)
    return "".join(f"{i},{dice.randint(0, 99)},station-{dice.randint(0, 9)},ok\n" for i in range(lines)).encode()


def plain(body):
    """The content of what may be compressed."""
    if body[:4] != ZSTD:
        return body
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


def told(err):
    if isinstance(err, ClientError):
        e = err.response["Error"]
        return f"{err.response['ResponseMetadata'].get('HTTPStatusCode')} {e.get('Code')}"
    return type(err).__name__


class Bucket:
    """One bucket, and what was last put under each key."""

    def __init__(self, store, kind, job):
        self.s3, self.odd = store.s3, store.odd
        self.name = f"{job}-{kind}-{os.urandom(3).hex()}"
        self.current = {}
        self.s3.create_bucket(Bucket=self.name)
        if kind != "never":
            self.versioning("Enabled")

    def versioning(self, status):
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": status})

    def put(self, key, body, **more):
        self.s3.put_object(Bucket=self.name, Key=key, Body=body, **more)
        self.current[key] = body

    def delete(self, key):
        self.s3.delete_object(Bucket=self.name, Key=key)
        self.current.pop(key, None)

    def put_odd(self, prefix=""):
        """Puts the odd keys that this store can hold; gives the others."""
        bad = [key for key in ODD if key not in self.odd]
        for key in self.odd:
            body = text(key, 60)
            try:
                self.put(prefix + key, body)
            except STORE_ERRORS:
                bad.append(prefix + key)
        listed = set(self.list())
        for key in [prefix + k for k in self.odd if prefix + k not in bad]:
            try:
                sound = key in listed and self.get(key) == text(key[len(prefix):], 60)
            except STORE_ERRORS:
                sound = False
            if not sound:
                bad.append(key)
                try:
                    self.delete(key)
                except STORE_ERRORS:
                    pass
                self.current.pop(key, None)
        return bad

    def get(self, key, version=None):
        more = {"VersionId": version} if version else {}
        return self.s3.get_object(Bucket=self.name, Key=key, **more)["Body"].read()

    def list(self):
        keys, more = [], {}
        while True:
            page = self.s3.list_objects_v2(Bucket=self.name, **more)
            keys += [o["Key"] for o in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return keys
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def contents(self):
        return {key: self.get(key) for key in self.list()}

    def versions(self):
        """Every version: (key, id) to (marker, latest, size). Fails where a store cannot list them."""
        out, more = {}, {}
        for _ in range(100):
            page = self.s3.list_object_versions(Bucket=self.name, **more)
            for v in page.get("Versions", []):
                out[v["Key"], v.get("VersionId") or "null"] = (False, v.get("IsLatest"), v["Size"])
            for v in page.get("DeleteMarkers", []):
                out[v["Key"], v.get("VersionId") or "null"] = (True, v.get("IsLatest"), 0)
            if not page.get("IsTruncated"):
                break
            more = {"KeyMarker": page["NextKeyMarker"]}
            if page.get("NextVersionIdMarker"):
                more["VersionIdMarker"] = page["NextVersionIdMarker"]
        return out

    def tags(self, key):
        return sorted((t["Key"], t["Value"]) for t in self.s3.get_object_tagging(Bucket=self.name, Key=key)["TagSet"])


class Ran:
    """One run of Cooper."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    @property
    def json(self):
        for line in reversed(self.out.splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        return {}

    @property
    def error(self):
        for line in reversed(self.err.splitlines()):
            if line.startswith('{"error"'):
                return json.loads(line)["error"]
        return {}

    def clear(self):
        """Whether it said what is wrong and what can be done."""
        e = self.error
        return bool(e.get("message")) and bool(e.get("remedy"))


class Store:
    def __init__(self, name, endpoint, cooper, work):
        self.name, self.endpoint, self.cooper, self.work = name, endpoint, cooper, work
        os.makedirs(work, exist_ok=True)
        self.log = open(os.path.join(work, "log"), "w", encoding="utf-8")
        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=5, read_timeout=60,
                        request_checksum_calculation="when_required", response_checksum_validation="when_required")
        self.odd = ODD
        self.s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="testtest",
                               region_name="us-east-1", config=config)

    def kinds(self):
        """The states of versioning that this store knows."""
        try:
            b = Bucket(self, "enabled", "probe")
            if self.s3.get_bucket_versioning(Bucket=b.name).get("Status") == "Enabled":
                return ["enabled", "suspended", "never"]
        except STORE_ERRORS:
            pass
        return ["never"]

    def try_odd_keys(self, kinds):
        """Leaves out the keys behind which a whole bucket cannot be listed any more
        (S3Mock 5.0.0: versions, behind any that encoding-type=url encodes)."""
        self.odd = []
        for key in ODD:
            b = Bucket(self, kinds[0], "key")
            try:
                b.put(key, b"x")
                b.list()
                if kinds[0] != "never":
                    b.versions()
                self.odd.append(key)
            except STORE_ERRORS:
                pass

    def run(self, *args, workspace, limit=300):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "COOPER_"))}
        env.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="testtest", AWS_REGION="us-east-1", AWS_ENDPOINT_URL_S3=self.endpoint,
                   AWS_EC2_METADATA_DISABLED="true", COOPER_WORKSPACE=os.path.join(self.work, workspace), HOME=self.work)
        began = time.time()
        try:
            p = subprocess.run([self.cooper, *args, "--json"], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit)
            r = Ran(args, p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))
        except subprocess.TimeoutExpired:
            r = Ran(args, "time is up", "", "")
        self.log.write(f"$ cooper {' '.join(args)}\n{r.out[-4000:]}\n{r.err[-4000:]}\nexit code {r.code}, {time.time() - began:.1f} s\n\n")
        self.log.flush()
        return r


def restored(directory):
    """The bodies in a restored directory, by relative path, and how often each occurs."""
    files, hashes = {}, {}
    root = os.fsencode(directory)
    for folder, _, names in os.walk(root):
        for n in names:
            path = os.path.join(folder, n)
            with open(path, "rb") as f:
                body = f.read()
            files[os.path.relpath(path, root)] = body
            digest = hashlib.sha256(body).hexdigest()
            hashes[digest] = hashes.get(digest, 0) + 1
    return files, hashes


def compare(directory, want):
    """What is wrong with a restored directory. Keys that are no path stand under another name: these are found by their content."""
    files, hashes = restored(directory)
    wrong = []
    for key, body in want.items():
        path = os.fsencode(key)
        if path in files:
            if files[path] != body:
                wrong.append(f"{key[:40]!r} has other bytes")
        elif hashlib.sha256(body).hexdigest() not in hashes:
            wrong.append(f"{key[:40]!r} is missing")
    folders = sum(1 for k in want if k.endswith("/"))
    if not len(want) - folders <= len(files) <= len(want):
        wrong.append(f"{len(files)} files for {len(want)} objects")
    return wrong
