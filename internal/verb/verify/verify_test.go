package verify_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
	"cooper/internal/treeop"
	"cooper/internal/verb/verify"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// source keeps the bytes of every key under its name.
type source struct{ fs *memfs.FS }

func (s source) OpenRow(row *catalog.Row) (safefs.File, error) { return s.fs.Open(row.Key) }

func TestWhatComesOfReading(t *testing.T) {
	sum := md5.Sum([]byte("content"))
	right, wrong := hex.EncodeToString(sum[:]), "00112233445566778899aabbccddeeff"
	row := func(etag, method string, size int64) catalog.Row {
		return catalog.Row{Identity: cooper.Identity{Key: "k", VersionID: "v", ETag: etag, Size: size}, Place: catalog.Mirror, Check: cooper.Unverified, Method: method}
	}
	for name, c := range map[string]struct {
		row    catalog.Row
		check  cooper.Check
		method string // in the catalog afterwards
	}{
		"right":                        {row(right, catalog.Adopted, 7), cooper.Verified, "md5"},
		"wrong, and adopted":           {row(wrong, catalog.Adopted, 7), cooper.Corrupt, "adopted: does not match its ETag as an MD5"},
		"wrong, and perhaps no MD5":    {row(wrong, "", 7), cooper.Unverifiable, "nothing to compare with"},
		"cut short":                    {row(right, catalog.Adopted, 9), cooper.Corrupt, "adopted: 7 bytes instead of 9"},
		"no ETag":                      {row("", catalog.Adopted, 7), cooper.Unverifiable, "adopted: nothing to compare with"},
		"parts of a size nobody knows": {row(wrong+"-3", catalog.Adopted, 7), cooper.Unverifiable, "adopted: nothing to compare with"},
	} {
		m := memfs.New()
		f, err := m.Create("k")
		check(t, err)
		_, err = f.Write([]byte("content"))
		check(t, err)
		check(t, f.Close())
		v := cooper.Version{Identity: c.row.Identity}
		a := cooper.Action{Verb: treeop.Verify, Version: v, Args: treeop.Args{Was: treeop.FactsOf(&c.row, &v)}.Encode()}
		var read int64
		verb := verify.New(source{m}, func(n int64) { read += n })
		out := verb.Do(t.Context(), &a)
		after, err := treeop.Apply(c.row, a, out)
		check(t, err)
		if out.Status != cooper.Done || after.Check != c.check || after.Method != c.method || after.Place != catalog.Mirror || read != 7 {
			t.Errorf("%s: %+v; %+v; %d bytes read", name, out, after, read)
		}
		for errno, want := range map[error]cooper.Kind{syscall.ENOENT: cooper.KindMissing, fs.ErrPermission: "", syscall.EIO: ""} {
			m.Read = func(string, ...string) error { return safefs.Fail("cannot read", "k", errno) }
			out := verb.Do(t.Context(), &a)
			switch {
			case errors.Is(errno, syscall.EIO):
				if out.Status != cooper.Done || out.Check != cooper.Corrupt {
					t.Errorf("%s: a failing disk: %+v", name, out)
				}
			case out.Status != cooper.Failed || want != "" && out.Kind != want:
				t.Errorf("%s, %v: %+v", name, errno, out)
			}
		}
		m.Read = nil
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if out := verb.Do(ctx, &a); out.Status != cooper.Failed || out.Kind != cooper.KindInterrupted {
			t.Errorf("%s, interrupted: %+v", name, out)
		}
	}
}
