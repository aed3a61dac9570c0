package s3

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cooper"
)

const samplePage = `<?xml version="1.0" encoding="UTF-8"?>
<!-- a store's own words -->
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/><KeyMarker></KeyMarker>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextKeyMarker>z%2B+%C3%BC</NextKeyMarker><NextVersionIdMarker>m&amp;1</NextVersionIdMarker>
<Version><Key>a+b%2Bc%01</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-02T03:04:05.678Z</LastModified>
<ETag>&quot;0123&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>12</Size><StorageClass>DEEP_ARCHIVE</StorageClass>
<Owner><ID>x</ID><Key>not this</Key><DisplayName>&#x41;&#66;</DisplayName></Owner></Version>
<DeleteMarker a='>' b="</Key>"><Key>k</Key><VersionId/><IsLatest>false</IsLatest><LastModified>2026-01-02T03:04:05Z</LastModified></DeleteMarker>
<CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes></ListVersionsResult>`

func TestParsePage(t *testing.T) {
	p, err := parsePage([]byte(samplePage))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.versions) != 2 || !p.truncated || p.marker != "z%2B+%C3%BC" || p.nextVersion != "m&1" || len(p.prefixes) != 1 || p.prefixes[0] != "p/" {
		t.Fatalf("%+v", p)
	}
	want := cooper.Version{Latest: true, StorageClass: "DEEP_ARCHIVE", Checksum: "CRC64NVME",
		Identity: cooper.Identity{Key: "a b+c\x01", VersionID: "v1", ETag: "0123", Size: 12, LastModified: 1767323045678}}
	if p.versions[0] != want {
		t.Errorf("got  %+v\nwant %+v", p.versions[0], want)
	}
	if v := p.versions[1]; v.Key != "k" || v.VersionID != cooper.NullVersion || !v.DeleteMarker || v.Latest {
		t.Errorf("got %+v", v)
	}
}

func TestParsePageRefuses(t *testing.T) {
	whole := `<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>`
	if _, err := parsePage([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	bad := []string{
		"", "hello", "<html></html>", "<ListBucketResult>", whole + "x", "<!DOCTYPE x [<!ENTITY a 'b'>]>" + whole,
		strings.Replace(whole, "1</Size>", "-1</Size>", 1),
		strings.Replace(whole, "1</Size>", "99999999999999999999</Size>", 1),
		strings.Replace(whole, "a</Key>", "</Key>", 1),
		strings.Replace(whole, "a</Key>", "&x;</Key>", 1),
		strings.Replace(whole, "a</Key>", "&#xD800;</Key>", 1),
		strings.Replace(whole, "a</Key>", "&amp</Key>", 1),
		strings.Replace(whole, "a</Key>", "a</Key><LastModified>yesterday</LastModified>", 1),
		strings.Replace(whole, "<Contents>", "<NextContinuationToken>t</NextContinuationToken><Contents>", 1),
		strings.Replace(samplePage, "<IsTruncated>true</IsTruncated>", "", 1),
		strings.Replace(whole, "<Contents>", "<IsTruncated>perhaps</IsTruncated><Contents>", 1),
		strings.Replace(whole, "a</Key>", "a%zz</Key>", 1)[:len("<ListBucketResult>")] + "<EncodingType>url</EncodingType><Contents><Key>a%zz</Key></Contents></ListBucketResult>",
	}
	for i := 1; i < len(whole); i++ {
		bad = append(bad, whole[:i]) // cut anywhere
	}
	for _, doc := range bad {
		if p, err := parsePage([]byte(doc)); err == nil {
			t.Errorf("%q gave %+v", doc, p)
		}
	}
	if _, err := parsePage([]byte("<Error><Code>SlowDown</Code></Error>")); statusOf(err) == 0 || !strings.Contains(err.Error(), "SlowDown") {
		t.Errorf("an error in place of a page: %v", err)
	}
}

// stdPage is what encoding/xml is told to find.
type stdPage struct {
	EncodingType []string
	Rows         []struct {
		XMLName xml.Name
		Key     []struct {
			Text  string `xml:",chardata"`
			Inner string `xml:",innerxml"`
		}
	} `xml:",any"`
}

// comparable tells whether our scanner means to read b as encoding/xml does:
// it knows neither namespaces nor CDATA, and leaves line ends alone.
func comparable(b []byte, std stdPage) bool {
	if len(std.EncodingType) > 0 || bytes.ContainsAny(b, "\r:") || bytes.Contains(b, []byte("<![CDATA")) {
		return false
	}
	for _, r := range std.Rows {
		for _, k := range r.Key {
			if strings.Contains(k.Inner, "<") {
				return false
			}
		}
	}
	return true
}

// FuzzParsePage: no input makes it panic, and what encoding/xml also takes for
// a listing has the same keys.
func FuzzParsePage(f *testing.F) {
	f.Add([]byte(samplePage))
	f.Add([]byte(`<ListBucketResult><Contents><Key>a&lt;b</Key><Size>1</Size></Contents></ListBucketResult>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePage(b)
		if err != nil {
			return
		}
		var std stdPage
		if xml.Unmarshal(b, &std) != nil || !comparable(b, std) {
			return
		}
		var want, got []string
		for _, r := range std.Rows {
			switch r.XMLName.Local {
			case "Version", "DeleteMarker", "Contents":
				want = append(want, r.Key[len(r.Key)-1].Text)
			}
		}
		for _, v := range p.versions {
			got = append(got, v.Key)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: keys %q, want %q", b, got, want)
		}
	})
}

func bigPage() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult><EncodingType>url</EncodingType>`)
	for i := range 1000 {
		fmt.Fprintf(&b, `<Version><Key>zarr/%036d/0/0/%d</Key><VersionId>3sL4kqtJlcpXroDTDmJ%013d</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;%032x&quot;</ETag><Size>%d</Size><Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner><StorageClass>STANDARD</StorageClass></Version>`, i/7, i, i, i*77, i*13)
	}
	b.WriteString(`<IsTruncated>false</IsTruncated></ListVersionsResult>`)
	return b.Bytes()
}

func BenchmarkParsePage(b *testing.B) {
	doc := bigPage()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		p, err := parsePage(doc)
		if err != nil || len(p.versions) != 1000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkParsePageStd(b *testing.B) {
	doc := bigPage()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		var std stdPage
		if err := xml.Unmarshal(doc, &std); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds(), "rows/s")
}
