package mem

// The quirks. Versions in Quirks are those that were run here by hand with
// `make stores` or its like; links lead to reports of others.
const (
	RawNextMarker  Quirk = "raw-next-marker"
	NoNextMarker   Quirk = "no-next-marker"
	MarkerSuffix   Quirk = "marker-suffix"
	MarkerIgnored  Quirk = "marker-ignored"
	PagesOverlap   Quirk = "pages-overlap"
	MarkersLast    Quirk = "markers-last"
	ListNotEncoded Quirk = "list-not-encoded"
	ListNoETag     Quirk = "list-no-etag"
	ListOtherTime  Quirk = "list-other-time"
	ListZoneTime   Quirk = "list-zone-time"

	Redated           Quirk = "superseded-redated"
	MarkerPredated    Quirk = "marker-predated"
	NoneLatest        Quirk = "none-latest"
	RemovesAll        Quirk = "removes-all-versions"
	NullStays         Quirk = "null-stays"
	NoVersionsAPI     Quirk = "no-versions-api"
	VersioningUnknown Quirk = "versioning-501"
	VersionsUnknown   Quirk = "versions-501"
	VersionsOtherRoot Quirk = "versions-other-root"

	Gunzips               Quirk = "gunzips"
	Gzips                 Quirk = "gzips"
	AcceptEncodingChanged Quirk = "accept-encoding-changed"
	ReadMatchFails        Quirk = "read-if-match-412"
	ReadMatchIgnored      Quirk = "read-if-match-ignored"
	ReadNoETag            Quirk = "read-no-etag"
	ReadWeakETag          Quirk = "read-weak-etag"
	ETagNoMD5             Quirk = "etag-no-md5"
	HeadNullMissing       Quirk = "head-null-404"
	HeadNullRefused       Quirk = "head-null-400"
	TagsNullMissing       Quirk = "tags-null-404"
	TagCountNever         Quirk = "tag-count-never"
	TagCountByID          Quirk = "tag-count-by-id"
	TagsAreContent        Quirk = "tags-are-content"
	TagsUnknown           Quirk = "tags-501"

	ChecksumsRefused    Quirk = "checksums-400"
	ChecksumsUnknown    Quirk = "checksums-501"
	ChecksumsIgnored    Quirk = "checksums-ignored"
	PutMatchFails       Quirk = "put-if-match-412"
	PutMatchIgnored     Quirk = "put-if-match-ignored"
	PutMatchUnknown     Quirk = "put-if-match-501"
	PutNoneIgnored      Quirk = "put-if-none-match-ignored"
	CompleteUnguarded   Quirk = "complete-conditions-ignored"
	CompleteNoneIgnored Quirk = "complete-if-none-match-ignored"

	CopyUnknown        Quirk = "copy-501"
	PartCopyUnknown    Quirk = "copy-part-501"
	CopyOfCurrent      Quirk = "copy-of-current"
	CopyMatchIgnored   Quirk = "copy-source-if-match-ignored"
	CopyNoneIgnored    Quirk = "copy-conditions-ignored"
	CopyLosesTags      Quirk = "copy-loses-tags"
	CopyRefusalsAre200 Quirk = "copy-refusals-200"
	RestoreUnknown     Quirk = "restore-501"

	NoDeleteObjects      Quirk = "delete-objects-501"
	DeleteObjectsInvalid Quirk = "delete-objects-400"
	NullRowsFail         Quirk = "delete-rows-null-500"
	RowsWithoutIDs       Quirk = "delete-rows-without-ids"
	RowsNoSuchVersion    Quirk = "delete-rows-no-such-version"
	UnknownIDRefused     Quirk = "delete-unknown-id-400"
	DeleteMatchIgnored   Quirk = "delete-if-match-ignored"
	DeleteMatchUnknown   Quirk = "delete-if-match-501"
	RowETagIgnored       Quirk = "delete-rows-etag-ignored"

	OwnershipIsListing  Quirk = "ownership-is-listing"
	OwnershipFails      Quirk = "ownership-500"
	EncryptionIsListing Quirk = "encryption-is-listing"
	LockInvalid         Quirk = "object-lock-400"
	GrantWithoutID      Quirk = "grant-without-id"
	SettingsUnknown     Quirk = "settings-501"
)

// Described is one row of the table of quirks.
type Described struct {
	Name Quirk
	Does string
	Seen string // which stores, in which releases, or who reported it
}

// Quirks is the table of all quirks.
var Quirks = []Described{
	// Listings.
	{RawNextMarker, "NextKeyMarker comes as it is in a page whose keys are URL-encoded", "Ceph radosgw, releases without https://github.com/ceph/ceph/pull/23371"},
	{NoNextMarker, "a page that is not the last has no NextKeyMarker and no NextContinuationToken", "gofakes3 1.2.0"},
	{MarkerSuffix, "NextKeyMarker has a suffix of the store's own behind the key", "MinIO 2026-02: [minio_cache:v2,return:]"},
	{MarkerIgnored, "key-marker is not heeded: every page is the first", "gofakes3 1.2.0 and versitygw 1.8.0 with small pages of versions"},
	{PagesOverlap, "a page of versions begins with the last row of the page before", "S3Mock 5.0.0, versitygw 1.8.0"},
	{MarkersLast, "a page of versions has all versions first, then all delete markers", "LocalStack 4.14.0, moto 5.2.1, S3Mock 5.0.0, versitygw 1.8.0"},
	{ListNotEncoded, "encoding-type is not heeded; characters that XML 1.0 lacks come as U+FFFD", "versitygw 1.8.0, SeaweedFS 4.53, gofakes3 1.2.0"},
	{ListNoETag, "rows of listings have no ETag", "s3s-fs 0.14.1"},
	{ListOtherTime, "LastModified of a listing is 37 seconds before Last-Modified of GET and HEAD", "stores that keep a time for each copy: https://github.com/afreidah/s3-orchestrator/issues/1356"},
	{ListZoneTime, "times in listings are those of a zone: +02:00", "S3Proxy 2.9.0 and s3s-fs 0.14.1, with +00:00"},

	// Versions.
	{Redated, "a version is dated anew when it is superseded", "versitygw 1.8.0"},
	{MarkerPredated, "a delete marker is dated before the version that it hides", "versitygw 1.8.0"},
	{NoneLatest, "DELETE under suspended versioning writes no marker: all versions stay listed, and none is latest", "OpenStack Swift 2.38.3 s3api"},
	{RemovesAll, "DELETE of one version id removes all versions of the key", "moto 5.2.1"},
	{NullStays, "DELETE of version null answers success and removes nothing", "gofakes3 1.2.0"},
	{NoVersionsAPI, "501 to ?versioning, ?versions and every versionId", "Cloudflare R2: https://github.com/jikig-ai/soleur/issues/7836"},
	{VersioningUnknown, "501 to ?versioning", "S3Proxy 2.9.0, s3s-fs 0.14.1"},
	{VersionsUnknown, "501 to ?versions", "S3Proxy 2.9.0, s3s-fs 0.14.1"},
	{VersionsOtherRoot, "the listing of versions has a root element of its own", "gofakes3 1.2.0 in buckets that never were versioned"},

	// Reading.
	{Gunzips, "objects with Content-Encoding: gzip are decompressed on the way unless gzip is accepted", "Google Cloud Storage: https://github.com/apache/opendal/issues/5070"},
	{Gzips, "text is compressed on the way unless Accept-Encoding says otherwise; the ETag turns weak", "NetApp StorageGRID: https://github.com/rclone/rclone/issues/5732; Cloudflare R2: https://github.com/rclone/rclone/issues/8137"},
	{AcceptEncodingChanged, "Accept-Encoding is changed before the signature is checked: 403 if it is signed", "Google Cloud Storage: https://github.com/siderolabs/talos-backup/issues/64"},
	{ReadMatchFails, "GET and HEAD with If-Match are answered 412, also with the right ETag", "LocalStack's moto before https://github.com/localstack/moto/pull/19"},
	{ReadMatchIgnored, "GET and HEAD do not heed If-Match", "MinIO before https://github.com/minio/minio/issues/1981 was mended"},
	{ReadNoETag, "GET and HEAD tell no ETag", "Cloudflare's cache where it changes an answer: https://developers.cloudflare.com/cache/reference/etag-headers/"},
	{ReadWeakETag, "ETags of GET and HEAD are weak", "Cloudflare's cache: https://developers.cloudflare.com/cache/reference/etag-headers/"},
	{ETagNoMD5, "ETags of 32 hex digits are no MD5", "AWS Backup's restores: https://github.com/s3ql/s3ql/issues/297; chimera: https://github.com/chimera-nas/chimera/issues/469"},
	{HeadNullMissing, "HEAD of version null is answered 404", "versitygw 1.8.0"},
	{HeadNullRefused, "HEAD of version null is answered 400", "moto 5.2.1"},
	{TagsNullMissing, "?tagging of version null is answered 404", "versitygw 1.8.0"},
	{TagCountNever, "GET and HEAD do not tell how many tags there are", "S3Mock 5.0.0"},
	{TagCountByID, "GET tells how many tags there are only if a version id is named", "LocalStack 4.14.0"},
	{TagsAreContent, "?tagging is answered with the content of the object", "gofakes3 1.2.0"},
	{TagsUnknown, "501 to ?tagging", "OpenStack Swift 2.38.3, S3Proxy 2.9.0, s3s-fs 0.14.1"},

	// Writing.
	{ChecksumsRefused, "400 to any header x-amz-checksum-*", "Backblaze B2: https://github.com/iterate-ch/cyberduck/issues/16107, https://github.com/vatesfr/xen-orchestra/issues/8358"},
	{ChecksumsUnknown, "501 to a write with a checksum header", "S3Proxy 2.9.0"},
	{ChecksumsIgnored, "checksums are neither compared nor kept nor told", "Ceph radosgw 16.2.15, gofakes3 1.2.0"},
	{PutMatchFails, "PUT with If-Match is answered 412, also with the right ETag", "Ceph radosgw 16.2.15; versitygw: https://github.com/versity/versitygw/issues/1710"},
	{PutMatchIgnored, "PUT does not heed If-Match", "LocalStack: https://github.com/localstack/localstack/issues/12783"},
	{PutMatchUnknown, "501 to PUT with If-Match", "OpenStack Swift 2.38.3"},
	{PutNoneIgnored, "PUT does not heed If-None-Match", "Ceph radosgw 16.2.15 where versioning is enabled"},
	{CompleteUnguarded, "CompleteMultipartUpload heeds no condition", "Ceph radosgw 16.2.15, gofakes3 1.2.0, S3Proxy 2.9.0"},
	{CompleteNoneIgnored, "CompleteMultipartUpload does not heed If-None-Match", "gofakes3 1.2.0"},

	// Copying and restoring.
	{CopyUnknown, "501 to CopyObject and UploadPartCopy", "none that was tried: for what a store may lack"},
	{PartCopyUnknown, "UploadPartCopy is not known", "gofakes3 1.2.0"},
	{CopyOfCurrent, "a copy is of what is current, whatever version is named, and does not tell", "gofakes3 1.2.0, s3s-fs 0.14.1"},
	{CopyMatchIgnored, "a copy does not heed the ETag of its source", "Ceph radosgw 16.2.15, moto 5.2.1, gofakes3 1.2.0, s3s-fs 0.14.1"},
	{CopyNoneIgnored, "CopyObject does not heed If-None-Match and If-Match", "Ceph radosgw 16.2.15, MinIO 2026-02, moto 5.2.1, S3Mock 5.0.0, versitygw 1.8.0"},
	{CopyLosesTags, "a copy has no tags, also where the request gives some", "Ceph radosgw 16.2.15"},
	{CopyRefusalsAre200, "CopyObject is refused with status 200 and an error as body", "S3: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"},
	{RestoreUnknown, "501 to RestoreObject", "Ceph radosgw 16.2.15, versitygw 1.8.0"},

	// Removing.
	{NoDeleteObjects, "501 to DeleteObjects", "Google Cloud Storage: https://github.com/minio/minio-go/issues/2181; S3Proxy 2.9.0"},
	{DeleteObjectsInvalid, "400 to DeleteObjects", "https://github.com/wal-e/wal-e/issues/192"},
	{NullRowsFail, "DeleteObjects that names version null is answered 500", "S3Proxy 2.9.0"},
	{RowsWithoutIDs, "DeleteObjects answers without version ids", "OpenStack Swift 2.38.3"},
	{RowsNoSuchVersion, "DeleteObjects answers NoSuchVersion for what is gone already", "LocalStack 4.14.0, MinIO 2026-02"},
	{UnknownIDRefused, "DELETE of a version id that the key does not have is answered 400", "MinIO 2026-02, SeaweedFS 4.53, versitygw 1.8.0"},
	{DeleteMatchIgnored, "DELETE does not heed If-Match", "Ceph radosgw 16.2.15, MinIO 2026-02, gofakes3 1.2.0"},
	{DeleteMatchUnknown, "501 to DELETE with If-Match", "LocalStack 4.14.0"},
	{RowETagIgnored, "DeleteObjects does not heed ETags", "all stores that were tried but SeaweedFS"},

	// What a bucket is set to.
	{OwnershipIsListing, "?ownershipControls is answered with the listing of the bucket", "Ceph radosgw 16.2.15, OpenStack Swift 2.38.3"},
	{OwnershipFails, "?ownershipControls is answered 500", "OpenStack Swift 2.38.3 where a key has a control character"},
	{EncryptionIsListing, "?encryption is answered with the listing of the bucket", "OpenStack Swift 2.38.3"},
	{LockInvalid, "?object-lock is answered 400 InvalidRequest where there is no lock", "S3Mock 5.0.0"},
	{GrantWithoutID, "ACLs are one grant of everything to nobody, the owner has no id; ?ownershipControls is unknown", "MinIO 2026-02"},
	{SettingsUnknown, "501 to ?acl, ?ownershipControls, ?encryption and ?object-lock", "S3Proxy 2.9.0, s3s-fs 0.14.1"},
}
