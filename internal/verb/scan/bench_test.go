package scan

import (
	"context"
	"fmt"
	"testing"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/gcop"
)

// many is a database that gives the same batch of rows again and again.
type many struct {
	memory
	rows    []database.Row
	batches int
}

func (m *many) Read(_ context.Context, s *database.Source, _ database.Range, sink database.Sink) error {
	if err := sink.Begin(database.Snapshot{Clock: now}); err != nil {
		return err
	}
	if s.Table.Table == "files" {
		return nil
	}
	for range m.batches {
		if err := sink.Rows(m.rows); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkLinks is a range of an association from rows to facts.
func BenchmarkLinks(b *testing.B) {
	for _, c := range []struct {
		name, yaml string
		value      func(i int) database.Value
	}{
		{"ids", "handle: F", func(i int) database.Value {
			return database.Value{Class: database.Integer, Data: fmt.Append(nil, 1_000_000+i)}
		}},
		{"gzip-xml", "value: F, as: [gzip, xml], at: /*/id", func(i int) database.Value {
			return database.Value{Class: database.Bytes, Data: gz(fmt.Sprintf("<r><id>%d</id><t>%01000d</t></r>", i, i))}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			const rows = 1000
			m := &many{memory: memory{tables: map[string][][]string{"files": {{"ID", "K"}}, "refs": {{"ID", "O", "F"}}}}, batches: b.N/rows + 1}
			for i := range rows {
				m.rows = append(m.rows, database.Row{
					Key:    []database.Value{{Class: database.Integer, Data: fmt.Append(nil, i)}},
					Values: []database.Value{{Class: database.Integer, Data: fmt.Append(nil, i)}, c.value(i)},
				})
			}
			w := newWorld(b, m, parsed(b, "version: 1\ndatabase: mysql:env:DSN\nbuckets: [lab]\nhandles: {table: files, id: ID, key: K}\nassociations: {refs: {table: refs, object: O, "+c.yaml+"}}\n"))
			server, err := m.Server(ctx)
			must(b, err)
			s, err := New(Options{Plan: planID, Scanning: w.scanning(server), Config: w.config, Database: m, Server: server, Facts: w.facts, Clock: w.clock})
			must(b, err)
			task := gcop.Task{What: gcop.Association, Name: "refs", Schema: "s", Table: "refs", Key: []string{"ID"}}
			a := task.Action()
			b.ReportAllocs()
			b.ResetTimer()
			if o := s.Do(ctx, &a); o.Status != cooper.Done {
				b.Fatal(o.Message)
			}
			must(b, s.take(a.ID).Commit(ctx))
			b.StopTimer()
			must(b, s.Close())
		})
	}
}
