#!/usr/bin/env python3
"""Cooper's jobs on one S3 server, and whether what it says of them is so.

usage: jobs.py NAME ENDPOINT COOPER WORK

Fills buckets with boto3, runs Cooper as a person would, reads everything back
and compares each claim with the store. Writes WORK/verdicts.json, a list of
[job, state of versioning, verdict, what was seen]; the verdicts:

ok        done, and all that was said is so
partly    some objects failed, each with a reason; nothing false, nothing lost
refused   nothing was done; what is wrong and what can be done was said
unclear   nothing was done, and nothing said of what can be
store     the server itself is at fault before Cooper begins
WRONG     something is lost, or was claimed and is not so
"""
import json
import os
import shutil
import sys
import time
import traceback

from world import STORE_ERRORS, ZSTD, Bucket, Store, compare, plain, text, told


class Job:
    """One job in one state of versioning; what is wrong is gathered here."""

    def __init__(self, store, name, kind):
        self.store, self.name, self.kind = store, name, kind
        self.workspace = f"ws-{name.replace(' ', '-')}-{kind}"
        self.wrong, self.seen, self.codes, self.clear = [], [], [], True

    def cooper(self, *args, **more):
        r = self.store.run(*args, workspace=self.workspace, **more)
        self.codes.append(r.code)
        if r.code == "time is up":
            self.wrong.append(f"{' '.join(args[:2])} does not end")
        elif r.code == 3:
            self.seen.append(failures(r))
        elif r.code:
            self.clear = self.clear and r.clear()
            self.seen.append(f"{' '.join(args[:2])}: exit {r.code}: {r.error.get('message', r.err[-200:])} | {r.error.get('remedy', 'no remedy')}")
        return r

    def listing(self, bucket):
        """The flags by which this store's buckets are listed."""
        r = self.store.run("snapshot", f"s3://{bucket.name}", "--list", workspace=self.workspace)
        if r.code == 0:
            return ["--list"]
        if "--current" not in r.error.get("remedy", ""):
            self.seen.append(f"snapshot --list: {r.error.get('message')} | {r.error.get('remedy')}")
            self.clear = False
        return ["--list", "--current"]

    def verdict(self):
        if self.wrong:
            return "WRONG"
        worst = [c for c in self.codes if c]
        if not worst:
            return "ok"
        if all(c == 3 for c in worst):
            return "partly"
        return "refused" if self.clear else "unclear"


def failures(r):
    kinds = {}
    for verb, n in r.json.get("applied", {}).get("verbs", {}).items():
        for what, count in n.items():
            if what != "done":
                kinds[f"{verb} {what}"] = count
    return f"{' '.join(r.args[:2])}: exit 3: {kinds or r.err[-200:]}"


def history(store, kind, odd):
    """A bucket with some history, and which of the keys it cannot hold."""
    b = Bucket(store, kind, "backup")
    bad = b.put_odd() if odd else []
    for i in range(30):
        b.put(f"data/{i:03d}.csv", text(i))
    b.put("empty", b"")
    b.put("bin/random", os.urandom(3000))
    first, last = os.urandom(5 << 20), b"tail" * 100
    try:
        up = b.s3.create_multipart_upload(Bucket=b.name, Key="bin/parts")["UploadId"]
        parts = [{"PartNumber": n, "ETag": b.s3.upload_part(Bucket=b.name, Key="bin/parts", UploadId=up, PartNumber=n, Body=body)["ETag"]}
                 for n, body in ((1, first), (2, last))]
        b.s3.complete_multipart_upload(Bucket=b.name, Key="bin/parts", UploadId=up, MultipartUpload={"Parts": parts})
        b.current["bin/parts"] = first + last
    except STORE_ERRORS as e:
        bad.append(f"upload in parts: {told(e)}")
    return b, bad


def second_day(b, kind):
    if kind == "suspended":
        b.versioning("Suspended")
    for i in range(8):
        b.put(f"data/{i:03d}.csv", text(1000 + i))
    for i in range(8, 11):
        b.delete(f"data/{i:03d}.csv")
    b.delete("data/011.csv")
    b.put("data/011.csv", text(2011))
    b.put("data/new.csv", text(3000))


def backup(job, odd=True):
    """Backups of two days, and what can be restored. Where some keys fail, as the
    store does not tell their names, again in a bucket without awkward ones: what
    is not whole cannot be restored whole."""
    store, kind = job.store, job.kind
    b, bad = history(store, kind, odd)
    job.seen.append(f"the store cannot hold {len(bad)} of the keys" if odd else "without awkward keys")
    day1 = shown_by(b, job)
    flags = job.listing(b)
    snapshot = ["ledger", "sql", "SELECT key, version_id, is_latest, is_delete_marker, size FROM version"]
    if flags == ["--list"]:
        rows = [json.loads(line) for line in job.cooper(*snapshot).out.splitlines() if line.startswith("{")]
        seen = {(r["key"], r["version_id"]): (r["is_delete_marker"], r["is_latest"], r["size"] or 0) for r in rows}
        true = b.versions()
        if seen != true:
            job.wrong.append(f"the snapshot differs from the listing in {len(set(seen.items()) ^ set(true.items()))} rows")
    tree = os.path.join(store.work, f"tree-{kind}" if odd else f"tree-{kind}-plain")
    run = ["backup", "run", f"s3://{b.name}", tree, *flags, "--no-space-check"]
    first = job.cooper(*run)
    time.sleep(2.2)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.5)
    second_day(b, kind)
    before = shown_by(b, job)
    runs = [first, job.cooper(*run, "--share-stop", "60%"), job.cooper("backup", "verify", tree, "--content"), job.cooper(*run, "--share-stop", "60%")]
    if b.contents() != before:
        job.wrong.append("a backup changed the bucket")
    if any(r.code for r in runs):
        if odd and all(r.code in (0, 3) for r in runs):
            job.workspace += "-plain"
            backup(job, odd=False)
        return

    def restore(name, want, *how):
        to = os.path.join(store.work, f"restored-{kind}-{name}")
        r = job.cooper("backup", "restore", tree, "--to", to, *how)
        if r.code == 0:
            differs = compare(to, want)
            job.wrong += [f"restore {name}: {w}" for w in differs[:4]]
            job.seen.append(f"restore {name}: {'other than' if differs else 'all'} {len(want)} objects")
        shutil.rmtree(to, ignore_errors=True)

    restore("now", before)
    restore("at", day1, "--at", at)
    taken = first.json.get("plan", {}).get("snapshot", {}).get("taken_at")
    if taken:
        restore("of a snapshot", day1, "--at", taken)


def to_compress(store, kind, job):
    b = Bucket(store, kind, "compress")
    if kind == "suspended":
        b.put("old/versioned.csv", text(77, 900))
        b.versioning("Suspended")
        b.put("old/both.csv", text(78, 900))
    b.put_odd("odd/")
    for i in range(8):
        b.put(f"d/{i}.csv", text(i, 3000))
    b.put("d/meta.csv", text("meta", 3000), Metadata={"study": "a b", "n": "1"}, ContentType="text/csv; charset=utf-8", CacheControl="max-age=60")
    tags = None
    try:
        b.put("d/tags.csv", text("tags", 3000), Tagging="study=7&site=a%20b")
        tags = b.tags("d/tags.csv") or None
        if tags and ("site", "a b") not in tags:  # S3Mock 5.0.0
            job.seen.append(f"the store itself keeps the tag 'a b' as {dict(tags).get('site')!r}")
            b.put("d/tags.csv", text("tags", 3000), Tagging="study=7&site=ab")
            tags = b.tags("d/tags.csv")
    except STORE_ERRORS as e:
        job.seen.append(f"no tags here: {told(e)}")
    if kind == "enabled":
        b.put("d/0.csv", text("newer", 3000))
    b.put("d/random", os.urandom(4000))
    return b, tags


def state_of(b, kind):
    """The bucket's versions; where it never had any, its current objects."""
    if kind != "never":
        return b.versions()
    return {(key, "null"): (False, True, len(body)) for key, body in b.contents().items()}


def shown_by(b, job):
    """What a bucket shows; what the store itself has lost is no fault of Cooper's."""
    now = b.contents()
    lost = [k for k in b.current if now.get(k) != b.current[k]]
    if lost:
        job.seen.append(f"the store itself lost {len(lost)} objects, such as {lost[0][:40]!r}")
    return now


def compress(job, mode):
    store, kind = job.store, job.kind
    b, tags = to_compress(store, kind, job)
    before, shown = state_of(b, kind), shown_by(b, job)
    flags = job.listing(b)
    r = job.cooper("compress", "run", f"s3://{b.name}", *flags, "--mode", mode, "--yes")
    judge_compressed(job, b, mode, r, before, shown, tags)
    if r.code == 4 and "--unguarded" in r.error.get("remedy", "") + r.error.get("message", ""):
        job.seen.append("refused; then --unguarded")
        job.codes.pop()
        before = state_of(b, kind)
        r = job.cooper("compress", "run", f"s3://{b.name}", *flags, "--mode", mode, "--yes", "--unguarded")
        judge_compressed(job, b, mode, r, before, shown, tags)


def judge_compressed(job, b, mode, r, before, shown, tags):
    """Every content is there, and the summary is right."""
    suffix = ".zst" if mode == "suffix" else ""
    now, after = b.contents(), state_of(b, job.kind)
    for key, body in shown.items():
        forms = [plain(now[k]) for k in {key, key + ".zst"} if k in now]
        if not forms:
            job.wrong.append(f"{key[:40]!r} is lost")
        elif any(f != body for f in forms):
            job.wrong.append(f"{key[:40]!r} has other bytes")
    anew = {k for k in shown if now.get(k + suffix, b"")[:4] == ZSTD and shown[k][:4] != ZSTD}
    # A null version that was overwritten has the id of its successor.
    left = {k for (k, i), (marker, latest, _) in before.items()
            if k in anew and latest and not marker and (k, i) in after and not (mode == "in-place" and i == "null")}
    became = r.json.get("became")
    if became:
        said, known = became["before"]["count"], became["found"]["count"]
        if said + known > len(anew) or said and said + known < len(anew - left):
            job.wrong.append(f"it says that {said} became compressed, {known} were found; {len(anew)} are")
        if r.code == 0 and left:
            job.wrong.append(f"exit 0, and {len(left)} originals are there still")
    elif r.code == 0:
        job.wrong.append("no summary")
    job.seen.append(f"{len(anew)} of {len(shown)} compressed, {len(left)} originals left")
    if "d/tags.csv" in anew and tags and "d/tags.csv" not in now.keys() - ({"d/tags.csv"} if not suffix else set()):
        if b.tags("d/tags.csv" + suffix) != tags:
            job.wrong.append("tags are lost")
    if "d/meta.csv" in anew:
        h = b.s3.head_object(Bucket=b.name, Key="d/meta.csv" + suffix)
        meta = {k.lower(): v for k, v in h["Metadata"].items()}
        if meta.get("study") != "a b" or meta.get("n") != "1" or not h["ContentType"].startswith("text/csv") or h.get("CacheControl") != "max-age=60":
            job.wrong.append("metadata or headers are lost")
    stray = [k for k in now if k not in shown and k.removesuffix(".zst") not in shown]
    if stray:
        job.wrong.append(f"strange objects: {stray[:3]}")


def to_purge(store, kind):
    b = Bucket(store, kind, "purge")
    b.put_odd("junk/")
    for i in range(20):
        for version in range(2 if i % 2 else 1):
            b.put(f"junk/{i}.csv", text(i * 10 + version, 20))
        if i % 5 == 0:
            b.delete(f"junk/{i}.csv")
    for i in range(20):
        if i % 3:
            b.put(f"keep/{i}.csv", text("old", 20))
        b.put(f"keep/{i}.csv", text(i, 20))
        if i % 7 == 0:
            b.delete(f"keep/{i}.csv")
    b.put("junkyard", b"not junk")
    if kind == "suspended":
        b.versioning("Suspended")
        for i in range(4, 7):
            b.put(f"keep/{i}.csv", text(f"suspended {i}", 20))
        b.delete("keep/8.csv")
        b.put("junk/null.csv", b"the null one")
        b.delete("junk/1.csv")
    return b


def purge(job, prefix, *how):
    """Removes noncurrent versions of keep/, or all of junk/."""
    b = to_purge(job.store, job.kind)
    flags = job.listing(b)
    before, shown = state_of(b, job.kind), shown_by(b, job)
    noncurrent = "noncurrent" in how
    planned = {v for v, (_, latest, _) in before.items() if v[0].startswith(prefix) and not (noncurrent and latest)}
    plan = job.cooper("purge", "plan", f"s3://{b.name}/{prefix}", *flags, *how)
    digest = plan.json.get("digest", plan.json.get("plan", {}).get("digest", ""))
    if plan.code or not digest:
        return
    run = ["purge", "run", f"s3://{b.name}/{prefix}", *flags, *how, "--confirm", digest]
    told_of = os.path.join(job.store.work, f"deleted-{prefix[:-1]}-{job.kind}")
    r = job.cooper(*run, "--deleted", told_of)
    judge_purged(job, b, r, before, shown, planned, told_of, prefix, noncurrent)
    if r.code == 4 and "--unguarded" in r.error.get("remedy", "") + r.error.get("message", ""):
        job.seen.append("refused; then --unguarded")
        job.codes.pop()
        plan = job.cooper("purge", "plan", f"s3://{b.name}/{prefix}", *flags, *how, "--unguarded")
        digest = plan.json.get("digest", plan.json.get("plan", {}).get("digest", ""))
        before = state_of(b, job.kind)
        run = ["purge", "run", f"s3://{b.name}/{prefix}", *flags, *how, "--unguarded", "--confirm", digest]
        r = job.cooper(*run, "--deleted", told_of + "-2")
        judge_purged(job, b, r, before, shown, planned, told_of + "-2", prefix, noncurrent)


def judge_purged(job, b, r, before, shown, planned, told_of, prefix, noncurrent):
    after, now = state_of(b, job.kind), b.contents()
    gone = before.keys() - after.keys()
    if gone - planned:
        job.wrong.append(f"{len(gone - planned)} versions are gone that were not planned: {sorted(gone - planned)[:2]}")
    kept = {k: v for k, v in shown.items() if noncurrent or not k.startswith(prefix)}
    if any(now.get(k) != v for k, v in kept.items()):
        job.wrong.append("what is kept shows other bytes")
    back = [k for k in now if k not in shown]
    if back:
        job.wrong.append(f"older versions came back: {back[:3]}")
    said = []
    if os.path.exists(told_of):
        with open(told_of, encoding="utf-8") as f:
            said = [json.loads(line) for line in f]
    false = [v for v in said if (v["key"], v["version_id"]) in after or (v["key"], v["version_id"]) not in before]
    if false:
        job.wrong.append(f"said to be removed, and there (or never were): {false[:2]}")
    done = r.json.get("applied", {}).get("verbs", {}).get("remove", {}).get("done", 0)
    if done > len(gone):
        job.wrong.append(f"it counts {done} as removed, {len(gone)} are")
    if r.code == 0 and planned & after.keys():
        job.wrong.append(f"exit 0, and {len(planned & after.keys())} planned versions are there still")
    job.seen.append(f"{len(gone)} of {len(planned)} removed")


JOBS = {
    "backup": backup,
    "compress suffix": lambda job: compress(job, "suffix"),
    "compress in-place": lambda job: compress(job, "in-place"),
    "purge noncurrent": lambda job: purge(job, "keep/", "--versions", "noncurrent"),
    "purge prefix": lambda job: purge(job, "junk/"),
}


def main(name, endpoint, cooper, work):
    store = Store(name, endpoint, cooper, work)
    verdicts = []
    kinds = store.kinds()
    store.try_odd_keys(kinds)
    for kind in kinds:
        for what, do in JOBS.items():
            if what == "purge noncurrent" and kind == "never":
                continue
            job = Job(store, what, kind)
            try:
                do(job)
                verdict = job.verdict()
            except STORE_ERRORS as e:
                verdict = "WRONG" if job.wrong else "store"
                job.seen.append(f"boto3: {told(e)} {str(e)[:200]}")
                store.log.write(traceback.format_exc())
            verdicts.append([what, kind, verdict, "; ".join(job.wrong + job.seen)])
            print(f"{name:12} {what:18} {kind:10} {verdict:8} {verdicts[-1][3][:400]}", flush=True)
            with open(os.path.join(work, "verdicts.json"), "w", encoding="utf-8") as f:
                json.dump(verdicts, f, indent=1)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
