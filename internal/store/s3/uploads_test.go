package s3

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// uploadPages makes a store that answers the nth request with the nth document,
// and the last one for ever.
func uploadPages(t *testing.T, root string, docs ...string) *Bucket {
	t.Helper()
	n := 0
	t.Cleanup(func() {
		if n > len(docs)+2 {
			t.Errorf("%d requests for %d pages", n, len(docs))
		}
	})
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<?xml version="1.0"?><%s>%s</%s>`, root, docs[min(n, len(docs)-1)], root)
		n++
	})))
	b.policy.Attempts = 1
	return b
}

func listUploads(t *testing.T, b *Bucket, prefix string) (got []string, err error) {
	t.Helper()
	err = b.Uploads(t.Context(), prefix, func(us []store.Upload) error {
		if len(got) > 1000 {
			t.Fatal("the listing does not end")
		}
		for _, u := range us {
			got = append(got, u.Key+"@"+u.UploadID)
		}
		return nil
	})
	return got, err
}

func begun(key, id string) string {
	return fmt.Sprintf(`<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>`, key, id)
}

func moreUploads(key, id string) string {
	return fmt.Sprintf(`<IsTruncated>true</IsTruncated><NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>%s</NextUploadIdMarker>`, key, id)
}

func TestUploadPagesThatOverlapOrAreEmpty(t *testing.T) {
	b := uploadPages(t, "ListMultipartUploadsResult",
		begun("k", "2")+begun("a", "1")+begun("k", "1")+moreUploads("k", "1"),
		moreUploads("k", "2"),
		begun("k", "1")+begun("k", "3")+begun("z%2B+", "1")+"<EncodingType>url</EncodingType>")
	got, err := listUploads(t, b, "")
	if want := []string{"a@1", "k@2", "k@1", "k@3", "z+ @1"}; err != nil || !slices.Equal(got, want) {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestUploadListingsThatMakeNoSense(t *testing.T) {
	for name, docs := range map[string][]string{
		"the same page again": {begun("pa", "1") + moreUploads("pa", "1")},
		"ids in circles":      {begun("pk", "1") + moreUploads("pk", "1"), begun("pk", "2") + moreUploads("pk", "2"), begun("pk", "1") + moreUploads("pk", "1")},
		"backwards by marker": {begun("pb", "1") + moreUploads("pb", "1"), begun("pc", "1") + moreUploads("pa", "2"), begun("pd", "1")},
		"backwards by key":    {begun("pb", "1") + moreUploads("pb", "1"), begun("pa", "1")},
		"no marker":           {begun("pa", "1") + "<IsTruncated>true</IsTruncated>"},
		"no id marker":        {begun("pa", "1") + moreUploads("pa", ""), moreUploads("pa", "")},
		"outside of prefix":   {begun("a", "1")},
		"no key":              {begun("", "1")},
		"no id":               {begun("pa", "")},
		"bad encoding":        {begun("pa%zz", "1") + "<EncodingType>url</EncodingType>"},
		"bad marker":          {begun("pa", "1") + moreUploads("pa%zz", "1") + "<EncodingType>url</EncodingType>"},
		"objects":             {"<Name>lab</Name><Contents><Key>pa</Key></Contents>"},
		"too long":            {begun("pa", "1") + "<!-- " + strings.Repeat("x", maxPage) + " -->"},
	} {
		if got, err := listUploads(t, uploadPages(t, "ListMultipartUploadsResult", docs...), "p"); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func partRow(n, size string) string {
	return "<Part><PartNumber>" + n + "</PartNumber><Size>" + size + "</Size></Part>"
}

func TestPartListingsThatMakeNoSense(t *testing.T) {
	const again = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>"
	for name, docs := range map[string][]string{
		"no end":        {partRow("1", "5") + again},
		"empty, no end": {again},
		"out of order":  {partRow("2", "5") + partRow("1", "5")},
		"twice":         {partRow("1", "5") + partRow("1", "5")},
		"number 0":      {partRow("0", "5")},
		"number 10001":  {partRow("10001", "5")},
		"negative size": {partRow("1", "-5")},
		"no size":       {"<Part><PartNumber>1</PartNumber></Part>"},
		"too much":      {partRow("1", "9223372036854775807") + partRow("2", "1")},
	} {
		b := uploadPages(t, "ListPartsResult", docs...)
		is, err := b.Uploaded(t.Context(), store.Upload{Key: "k", UploadID: "u"})
		if cooper.KindOf(err) != cooper.KindInvalid || is != (store.Uploaded{}) {
			t.Errorf("%s: %+v, %v", name, is, err)
		}
	}
}

// TestPartsOfKeysWithoutXML: ListParts tells the key, in characters that XML has not.
func TestPartsOfKeysWithoutXML(t *testing.T) {
	b := uploadPages(t, "ListPartsResult", "<Key>a&#x1;b</Key>"+partRow("1", "5"))
	is, err := b.Uploaded(t.Context(), store.Upload{Key: "a\x01b", UploadID: "u"})
	if err != nil || is.Parts != 1 || is.Bytes != 5 || is.Newest != 0 {
		t.Errorf("%+v, %v", is, err)
	}
}
