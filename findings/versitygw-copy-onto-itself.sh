#!/usr/bin/env bash
# versitygw 1.8.0 (posix, versioning enabled): a version that is copied onto its own key makes no new version; its metadata is changed in place.
#
# Seen: an object is put with the metadata a=1, and copied onto itself (MetadataDirective REPLACE, a=2), as one does to change metadata or class. The answer names the
# id that the PUT gave; there is still that one version, and GET of it now answers a=2. What was a=1 is nowhere any more.
# Expected: metadata of a version never changes; a copy onto its own key makes another version, and the older one stays as it was:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html, https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
set -euo pipefail
W=$(mktemp -d); S=; trap '[ -z "$S" ] || kill $S 2>/dev/null || true; chmod -R u+w "$W"; rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv && venv/bin/pip -q install boto3==1.40.0
GOBIN=$W/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 2>/dev/null
mkdir data versions
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
bin/versitygw --access test --secret testtest --port "127.0.0.1:$PORT" posix --versioning-dir "$W/versions" "$W/data" >log 2>&1 & S=$!
for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && break; sleep 0.1; done
PORT=$PORT venv/bin/python - <<'P'
import boto3, os, sys
s3 = boto3.client('s3', endpoint_url='http://127.0.0.1:' + os.environ['PORT'], region_name='us-east-1', aws_access_key_id='test', aws_secret_access_key='testtest')
s3.create_bucket(Bucket='bucket')
s3.put_bucket_versioning(Bucket='bucket', VersioningConfiguration={'Status': 'Enabled'})
first = s3.put_object(Bucket='bucket', Key='k', Body=b'1', Metadata={'a': '1'})['VersionId']
copy = s3.copy_object(Bucket='bucket', Key='k', CopySource={'Bucket': 'bucket', 'Key': 'k', 'VersionId': first}, MetadataDirective='REPLACE', Metadata={'a': '2'})
versions = [v['VersionId'] for v in s3.list_object_versions(Bucket='bucket')['Versions']]
now = s3.head_object(Bucket='bucket', Key='k', VersionId=first)['Metadata']
print('versions after the copy:', len(versions), '(the first among them)' if first in versions else '')
print('the copy is said to be the first version:', copy.get('VersionId') == first)
print('metadata of the first version, which was a=1:', now)
if versions != [first] or now != {'a': '2'}:
    sys.exit('changed: the copy is a version of its own, or the first one stays as it was')
print('as seen')
P
