#!/usr/bin/env bash
# versitygw 1.8.0 (posix, versioning enabled): LastModified of versions does not stay, and that of a delete marker is not the time of the deletion.
#
# Seen: an object is put, overwritten after two seconds, and deleted after two more. Once overwritten, the first version has the time of its successor; once deleted,
# the second has the time of the deletion, and the marker an earlier one: it looks older than what it hides. So the times no longer tell when a key showed what.
# Expected: a version keeps the time at which it was written, and a marker is a version of its own, dated when it was made:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html
set -euo pipefail
W=$(mktemp -d); S=; trap '[ -z "$S" ] || kill $S 2>/dev/null || true; chmod -R u+w "$W"; rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv && venv/bin/pip -q install boto3==1.40.0
GOBIN=$W/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 2>/dev/null
mkdir data versions
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
bin/versitygw --access test --secret testtest --port "127.0.0.1:$PORT" posix --versioning-dir "$W/versions" "$W/data" >log 2>&1 & S=$!
for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && break; sleep 0.1; done
PORT=$PORT venv/bin/python - <<'P'
import boto3, os, sys, time
s3 = boto3.client('s3', endpoint_url='http://127.0.0.1:' + os.environ['PORT'], region_name='us-east-1', aws_access_key_id='test', aws_secret_access_key='testtest')
s3.create_bucket(Bucket='bucket')
s3.put_bucket_versioning(Bucket='bucket', VersioningConfiguration={'Status': 'Enabled'})
first = s3.put_object(Bucket='bucket', Key='k', Body=b'1')['VersionId']
def times():
    page = s3.list_object_versions(Bucket='bucket')
    return {v['VersionId']: v['LastModified'] for v in page.get('Versions', []) + page.get('DeleteMarkers', [])}
alone = times()
time.sleep(2)
second = s3.put_object(Bucket='bucket', Key='k', Body=b'2')['VersionId']
both = times()
time.sleep(2)
marker = s3.delete_object(Bucket='bucket', Key='k')['VersionId']
all_ = times()
t0 = alone[first]
print('seconds after the first PUT:')
for name, t in ('alone', alone), ('overwritten after 2 s', both), ('deleted after 4 s', all_):
    print(f'{name:22}', {n: round((t[i] - t0).total_seconds()) for n, i in (('first', first), ('second', second), ('marker', marker)) if i in t})
moved = both[first] - t0
if moved.total_seconds() < 1.5 or all_[second] == both[second] or all_[marker] >= all_[second]:
    sys.exit('changed: the times stay, or the marker is dated when it was made')
print('as seen')
P
