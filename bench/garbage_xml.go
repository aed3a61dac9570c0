package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
)

const (
	xmlKinds   = 20_000 // that differ
	xmlAssumed = 50_000 // values a second
)

// garbageXML measures a scan of values of about 1 KB of XML, in gzip, with one id each.
func (s *setup) garbageXML(ctx context.Context) error {
	return s.on(ctx, mariadb, func(o *owner) error {
		kinds := min(xmlKinds, s.garbage.values)
		n := s.garbage.values / kinds * kinds
		in, out := io.Pipe()
		go func() { out.CloseWithError(writeXML(out, o, kinds, n/kinds)) }()
		if err := o.sql(ctx, in); err != nil {
			return err
		}
		var walls []float64
		for round := range s.rounds {
			u, err := s.scanned(ctx, o, "{table: links, object: id, value: v, as: [gzip, xml], at: /request/attachment/fileHandleId}", n)
			if err != nil {
				return err
			}
			walls = append(walls, u.wall)
			fmt.Printf("round %d, the scan's apply: %v: %.0f values/s\n", round+1, u, float64(n)/u.wall)
		}
		fmt.Printf("%d values of 1 KB of XML in gzip: %.0f a second, median; the aim is %d\n", n, float64(n)/median(walls), xmlAssumed)
		return nil
	})
}

// writeXML writes the statements that make a table of so many different values, each of
// them so many times.
func writeXML(out io.Writer, o *owner, kinds, times int64) error {
	w := bufio.NewWriterSize(out, 1<<20)
	fmt.Fprintf(w, "CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(99)); INSERT INTO files SELECT i, CONCAT('file-', i) FROM (%s) AS s;\n", o.series(kinds))
	fmt.Fprintf(w, "CREATE TABLE kinds (id BIGINT PRIMARY KEY, v %s);\n", o.blob)
	random := rand.New(rand.NewPCG(11, 1)) //nolint:gosec // the same each time
	var sum int
	for id := range kinds {
		switch {
		case id > 0 && id%200 == 0:
			fmt.Fprint(w, ";\nINSERT INTO kinds VALUES ")
		case id == 0:
			fmt.Fprint(w, "INSERT INTO kinds VALUES ")
		default:
			fmt.Fprint(w, ", ")
		}
		v := xmlValue(random, id)
		sum += len(v)
		fmt.Fprintf(w, "(%d, %s)", id, o.bytes(hex.EncodeToString(v)))
	}
	fmt.Printf("%.0f bytes of gzip a value\n", float64(sum)/float64(kinds))
	fmt.Fprintf(w, ";\nCREATE TABLE links (id BIGINT PRIMARY KEY, v %s); INSERT INTO links SELECT s.i * %d + kinds.id, v FROM (%s) AS s, kinds ORDER BY 1;\n%s;\n", o.blob, kinds, o.series(times), o.settle)
	return w.Flush()
}

// xmlValue is a request as a serialiser writes it: 1 KB, with one handle.
func xmlValue(random *rand.Rand, handle int64) []byte {
	var x bytes.Buffer
	fmt.Fprintf(&x, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<request id=\"%d\">\n  <owner>%d</owner>\n  <etag>%016x-%016x</etag>\n", random.Int64N(1e9), random.Int64N(1e7), random.Uint64(), random.Uint64())
	fmt.Fprintf(&x, "  <attachment>\n    <name>consent-%d.pdf</name>\n    <fileHandleId>%d</fileHandleId>\n  </attachment>\n", random.IntN(1e6), handle)
	for i := 0; x.Len() < 1000; i++ {
		fmt.Fprintf(&x, "  <accessor><user>%d</user><since>2026-%02d-%02d</since><role>%s</role></accessor>\n", random.Int64N(1e7), 1+random.IntN(12), 1+random.IntN(28), []string{"owner", "reader", "reviewer"}[random.IntN(3)])
	}
	x.WriteString("</request>\n")
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(x.Bytes()) // to memory
	_ = w.Close()
	return z.Bytes()
}
