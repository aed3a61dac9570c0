package term

import (
	"strings"
	"testing"
)

func TestTableLinesUpAndIsSafe(t *testing.T) {
	var b strings.Builder
	tb := NewTable(Plain(&b), "KEY", "SIZE>", "WHY")
	tb.Row("ä\x1b[31m", "1")
	tb.Row("longer-key", "1,000", "new")
	if err := tb.Flush("  "); err != nil {
		t.Fatal(err)
	}
	want := "  KEY          SIZE  WHY\n" + "  ä\\x1b[31m       1\n" + "  longer-key  1,000  new\n"
	if b.String() != want {
		t.Errorf("got:\n%q\nwant:\n%q", b.String(), want)
	}
}

func TestShorten(t *testing.T) {
	if got := Shorten("abcdefghij", 7); got != "abc…hij" {
		t.Error(got)
	}
}

func TestWrap(t *testing.T) {
	got := wrap("versions in an archive class, deferred: a-very-long-word-that-fits-nowhere and more", 24, 2)
	want := "versions in an\n  archive class,\n  deferred:\n  a-very-long-word-that-fits-nowhere\n  and more"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if s := Plain(nil).Wrap("a b", 80); s != "a b" {
		t.Errorf("%q was broken for a file", s)
	}
}
