package unpack

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// oneKB is a document of a platform: XML of about 1 KB, with its few ids.
func oneKB(i int) string {
	id := strconv.Itoa(5000000 + i)
	return "<?xml version='1.0' encoding='UTF-8'?>\n<Submission>\n  <ducFileHandleId>" + id + "</ducFileHandleId>\n  <irbFileHandleId>" + id + "</irbFileHandleId>\n" +
		"  <attachments><string>" + id + "</string><string>" + id + "</string></attachments>\n  <createdBy>3" + id + "</createdBy>\n  <state>APPROVED &amp; closed</state>\n" +
		"  <accessors><accessor><userId>" + id + "1</userId><type>GAIN_ACCESS</type></accessor><accessor><userId>" + id + "2</userId><type>RENEW_ACCESS</type></accessor></accessors>\n" +
		"  <summaryOfUse>" + strings.Repeat("We used the samples to study what was to be studied, "+id+". ", 7) + "</summaryOfUse>\n</Submission>\n"
}

var submission = Spec{As: []string{"gzip", "xml"}, At: []string{"/*/ducFileHandleId", "/*/irbFileHandleId", "/*/attachments/string"}}

func benchmark(b *testing.B, s Spec, docs []string, known *Known, want int) {
	f := form(b, s)
	b.ReportAllocs()
	before := cpu(b)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			r, err := f.Read(b.Context(), []byte(docs[i%len(docs)]), known)
			if err != nil || r.Malformed != "" || len(r.Values) != want || r.Silent {
				b.Fatal(said(r), err)
			}
		}
	})
	b.ReportMetric(2*float64(b.N)/(cpu(b)-before).Seconds(), "values/s-on-2-cores")
}

// cpu is the time that this process has had, whatever else the machine does.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func packed(of func(int) string, wrap func(string) string) (docs []string) {
	for i := range 256 {
		docs = append(docs, wrap(of(i)))
	}
	return docs
}

// BenchmarkXML: XML of 1 KB in gzip; the work order wants 50,000 values a second on two cores.
func BenchmarkXML(b *testing.B) { benchmark(b, submission, packed(oneKB, gz), nil, 4) }

// BenchmarkXMLSilent: the same, with paths that find nothing, so that all ids are looked up.
func BenchmarkXMLSilent(b *testing.B) {
	handles := map[int64]bool{}
	for i := range int64(1000) {
		handles[9_000_000_000+i] = true
	}
	s := submission
	s.At = []string{"/*/renamed"}
	benchmark(b, s, packed(oneKB, gz), &Known{Number: func(n int64) bool { return handles[n] }}, 0)
}

// BenchmarkXPath: the same by a path that needs evaluation.
func BenchmarkXPath(b *testing.B) {
	s := submission
	s.At = []string{"//attachments[1]/string[. != '']"}
	benchmark(b, s, packed(oneKB, gz), nil, 2)
}

// BenchmarkJSON: a change set of one row, by jq.
func BenchmarkJSON(b *testing.B) {
	benchmark(b, Spec{As: []string{"gzip", "json"}, At: []string{".rows[].values[] | select(.[0] | IN($cols[])) | .[1]"}}, packed(func(i int) string {
		return `{"tableId":"7","rows":[{"rowId":1,"values":[["5","` + strconv.Itoa(i) + `"],["6","text"],["7","1"],["8","2"]]}]}`
	}, gz), nil, 1)
}
