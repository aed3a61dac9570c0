#!/usr/bin/env bash
# moto 5.2.1: what happens to older versions once versioning is suspended.
#
# Seen: a PUT under suspended versioning takes every older version of the key away, also those with ids of their own; and the DELETE of one version id
# takes the newer one with it. No error.
# Expected: S3 keeps versions that have an id; the PUT makes, or replaces, the version "null" alone, and a DELETE that names a version removes that one:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/AddingObjectstoVersionSuspendedBuckets.html
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
set -euo pipefail
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
python3 -m venv "$W/venv" && "$W/venv/bin/pip" -q install 'moto[s3]==5.2.1' boto3==1.40.0
"$W/venv/bin/python" - <<'P'
import boto3, sys
from moto import mock_aws

def versions(s3, key):
    page = s3.list_object_versions(Bucket='bucket', Prefix=key)
    return ['null' if v['VersionId'] == 'null' else ids[v['VersionId']] for v in page.get('Versions', [])]

with mock_aws():
    s3 = boto3.client('s3', region_name='us-east-1', aws_access_key_id='a', aws_secret_access_key='b')
    s3.create_bucket(Bucket='bucket')
    switch = lambda s: s3.put_bucket_versioning(Bucket='bucket', VersioningConfiguration={'Status': s})
    switch('Enabled')
    ids = {}
    for key in 'deleted', 'written':
        for n in 'v1', 'v2':
            ids[s3.put_object(Bucket='bucket', Key=key, Body=n.encode())['VersionId']] = n
    switch('Suspended')
    before = versions(s3, 'deleted'), versions(s3, 'written')
    v1 = s3.list_object_versions(Bucket='bucket', Prefix='deleted')['Versions'][-1]['VersionId']
    s3.delete_object(Bucket='bucket', Key='deleted', VersionId=v1)
    s3.put_object(Bucket='bucket', Key='written', Body=b'v3')
    after = versions(s3, 'deleted'), versions(s3, 'written')
    print('suspended, before:', *before)
    print('after DELETE of', ids[v1], 'and after a PUT:', *after)
    if before != (['v2', 'v1'], ['v2', 'v1']) or ids[v1] != 'v1' or after != ([], ['null']):
        sys.exit('changed: S3 would have [v2] and [null, v2, v1]')
print('as seen')
P
