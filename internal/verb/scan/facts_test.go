package scan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"cooper/internal/ledger/gcfacts"
)

// rowsOf reads a table of the facts.
func rowsOf[T any](w *world, table string) (all []T) {
	w.t.Helper()
	there, gone, err := w.facts.Files(table)
	must(w.t, err)
	if len(gone) > 0 {
		w.t.Fatal(gone)
	}
	for _, name := range there {
		rows, err := parquet.ReadFile[T](name)
		must(w.t, err)
		all = append(all, rows...)
	}
	return all
}

// linkRow is a row of gc_link.
type linkRow struct {
	Shard        int32   `parquet:"shard"`
	Association  string  `parquet:"association"`
	ObjectNumber *int64  `parquet:"object_number,optional"`
	ObjectUUID   string  `parquet:"object_uuid,optional,uuid"`
	ObjectText   *string `parquet:"object_text,optional"`
	Kind         string  `parquet:"kind"`
	IDNumber     *int64  `parquet:"id_number,optional"`
	IDUUID       string  `parquet:"id_uuid,optional,uuid"`
	IDText       *string `parquet:"id_text,optional"`
	Bucket       string  `parquet:"bucket,optional"`
	Key          string  `parquet:"key,optional"`
	KeyBytes     []byte  `parquet:"key_bytes,optional"`
	Reading      *int64  `parquet:"reading,optional"`
	Preference   int32   `parquet:"preference"`
}

func id(number *int64, uuid string, text *string) string {
	switch {
	case number != nil:
		return fmt.Sprint(*number)
	case uuid != "":
		return uuid
	case text != nil:
		return *text
	}
	return ""
}

// jsonText is a text as the expected files have it.
func jsonText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case r > 0x7e:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			q, _ := json.Marshal(string(r))
			switch c := string(q[1 : len(q)-1]); c {
			case `\u003c`, `\u003e`, `\u0026`:
				b.WriteRune(r)
			default:
				b.WriteString(c)
			}
		}
	}
	return b.String()
}

// links are those of the facts as links.tsv has them: each once, those by key as those of
// the handle that has it.
func (w *world) links() []string {
	w.t.Helper()
	of := map[[2]string][]gcfacts.Handle{}
	must(w.t, w.facts.EachHandle(ctx, planID, func(h *gcfacts.Handle) error {
		if h.Bucket != "" {
			of[[2]string{h.Bucket, h.Key}] = append(of[[2]string{h.Bucket, h.Key}], *h)
		}
		return nil
	}))
	name := func(kind, id string) string {
		if kind != "" {
			return kind + ":" + id
		}
		return id
	}
	all := map[string]bool{}
	type value struct {
		shard   int32
		reading int64
	}
	hit, first := map[value]bool{}, map[value]string{}
	for _, l := range rowsOf[linkRow](w, gcfacts.Links) {
		line := l.Association + "\t" + jsonText(id(l.ObjectNumber, l.ObjectUUID, l.ObjectText)) + "\t"
		if to := id(l.IDNumber, l.IDUUID, l.IDText); to != "" {
			all[line+name(l.Kind, to)] = true
			continue
		}
		key := l.Key + string(l.KeyBytes)
		v := value{l.Shard, int64(-1 - len(first))}
		if l.Reading != nil {
			v.reading = *l.Reading
		}
		if l.Preference == 0 {
			first[v] = line + "key:" + l.Bucket + "/" + jsonText(key)
		}
		for _, h := range of[[2]string{l.Bucket, key}] {
			if l.Kind == "" || l.Kind == h.Kind {
				all[line+name(h.Kind, h.ID)], hit[v] = true, true
			}
		}
	}
	for v, line := range first {
		if !hit[v] {
			all[line] = true
		}
	}
	var lines []string
	for line := range all {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

type malformedRow struct {
	Association string `parquet:"association"`
	Table       string `parquet:"table_name"`
	Key         string `parquet:"key"`
	Why         string `parquet:"why"`
	Hash        []byte `parquet:"hash"`
}

// malformed are those of the facts as malformed.tsv has them, with the reason.
func (w *world) malformed() (lines []string) {
	w.t.Helper()
	for _, m := range rowsOf[malformedRow](w, gcfacts.Malformeds) {
		if len(m.Hash) != 32 {
			w.t.Errorf("%s %s: a hash of %d bytes", m.Association, m.Key, len(m.Hash))
		}
		lines = append(lines, strings.Join([]string{m.Association, m.Table, m.Key, m.Why}, "\t"))
	}
	slices.Sort(lines)
	return lines
}

// same compares sorted lines.
func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	var missed, more []string
	for _, s := range want {
		if !slices.Contains(got, s) {
			missed = append(missed, s)
		}
	}
	for _, s := range got {
		if !slices.Contains(want, s) {
			more = append(more, s)
		}
	}
	t.Errorf("%s: %d in place of %d; missed %q, more %q", what, len(got), len(want), missed[:min(len(missed), 10)], more[:min(len(more), 10)])
}

// handles are those of the facts, with what is said of them.
func (w *world) handles() (lines []string) {
	must(w.t, w.facts.EachHandle(ctx, planID, func(h *gcfacts.Handle) error {
		lines = append(lines, fmt.Sprintf("%s:%s %s/%s %d %v %v %s %v", h.Kind, h.ID, h.Bucket, h.Key, h.Size, h.Modified, h.Created, h.Status, h.Candidate))
		return nil
	}))
	slices.Sort(lines)
	return lines
}

type derivedRow struct {
	Name         string  `parquet:"name"`
	Kind         string  `parquet:"kind"`
	IDNumber     *int64  `parquet:"id_number,optional"`
	IDUUID       string  `parquet:"id_uuid,optional,uuid"`
	IDText       *string `parquet:"id_text,optional"`
	SourceNumber *int64  `parquet:"source_number,optional"`
	SourceUUID   string  `parquet:"source_uuid,optional,uuid"`
	SourceText   *string `parquet:"source_text,optional"`
}

type holdRow struct {
	Role     string  `parquet:"role"`
	Table    string  `parquet:"table_name"`
	Kind     string  `parquet:"kind"`
	IDNumber *int64  `parquet:"id_number,optional"`
	IDUUID   string  `parquet:"id_uuid,optional,uuid"`
	IDText   *string `parquet:"id_text,optional"`
}

// held are holds and what is derived.
func (w *world) held() (lines []string) {
	for _, d := range rowsOf[derivedRow](w, gcfacts.Deriveds) {
		lines = append(lines, fmt.Sprintf("%s %s:%s from %s", d.Name, d.Kind, id(d.IDNumber, d.IDUUID, d.IDText), id(d.SourceNumber, d.SourceUUID, d.SourceText)))
	}
	for _, h := range rowsOf[holdRow](w, gcfacts.Holds) {
		lines = append(lines, fmt.Sprintf("%s %s %s:%s", h.Role, h.Table, h.Kind, id(h.IDNumber, h.IDUUID, h.IDText)))
	}
	slices.Sort(lines)
	return lines
}

type rangeRow struct {
	What      string `parquet:"what"`
	Name      string `parquet:"name"`
	Table     string `parquet:"table_name"`
	Rows      int64  `parquet:"rows"`
	Links     int64  `parquet:"links"`
	Malformed int64  `parquet:"malformed"`
	Silent    int64  `parquet:"silent"`
}

// counted are the rows, links, malformed and silent values of each association.
func (w *world) counted() map[string][4]int64 {
	all := map[string][4]int64{}
	for _, r := range rowsOf[rangeRow](w, gcfacts.Ranges) {
		if r.What == gcfacts.OfAssociation {
			c := all[r.Name]
			all[r.Name] = [4]int64{c[0] + r.Rows, c[1] + r.Links, c[2] + r.Malformed, c[3] + r.Silent}
		}
	}
	return all
}

// raw are all rows of links, as often as they are there.
func (w *world) raw() (lines []string) {
	for _, l := range rowsOf[linkRow](w, gcfacts.Links) {
		lines = append(lines, strings.Join([]string{
			l.Association, id(l.ObjectNumber, l.ObjectUUID, l.ObjectText), l.Kind, id(l.IDNumber, l.IDUUID, l.IDText), l.Bucket, l.Key + string(l.KeyBytes), fmt.Sprint(l.Preference),
		}, "\t"))
	}
	slices.Sort(lines)
	return lines
}
