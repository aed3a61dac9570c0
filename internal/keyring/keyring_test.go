package keyring

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cooper"
)

var ctx = context.Background()

// The keys of tests; secrets are what must never be seen.
var (
	keyA    = "AAAAbbbbCCCCddddEEEEffffGGGGhhhh"
	keyB    = "0123456789abcdefFEDCBA9876543210"
	secrets = []string{keyA, keyB, hex.EncodeToString([]byte(keyA)), base64.StdEncoding.EncodeToString([]byte(keyA)), base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe" + keyA[2:]))}
)

const csvA, csvB = "csv:timestamp,UTC time", "csv:timestamp,latitude"

// load reads keys from text, as a file that nobody else may read.
func load(t testing.TB, text string, expect ...string) (*Ring, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, warnings, err := Load(ctx, Options{From: name, Expect: expect})
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	return r, err
}

func mustLoad(t testing.TB, text string, expect ...string) *Ring {
	t.Helper()
	r, err := load(t, text, expect...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keyOf is the key for a name as text, or the kind of error.
func keyOf(r *Ring, name string) string {
	s, err := r.For(name)
	if err != nil {
		return string(cooper.KindOf(err))
	}
	return string(s.Key[:])
}

func line(prefix, key string, more string) string {
	return fmt.Sprintf(`{"prefix": %q, "key": %q%s}`, prefix, key, more) + "\n"
}

func TestBoundariesAndTheLongestPrefix(t *testing.T) {
	r := mustLoad(t, line("abc/", keyA, "")+line("abc/gps/", keyB, "")+"\n"+line("x", keyA, "")+line("one/object.csv", keyB, "")+line("é/", keyA, ""), "=text")
	for name, want := range map[string]string{
		"abc/": keyA, "abc/x": keyA, "abc/gps": keyA, "abc/gpsx/y": keyA, "abc/gps/y": keyB, "abc/gps/": keyB,
		"abcd/x": "missing", "abc": "missing", "ab": "missing", "": "missing", "/abc/x": "missing",
		"x": keyA, "x/y": keyA, "xy": "missing", "one/object.csv": keyB, "one/object.csv.zst": "missing", "é/1": keyA,
	} {
		if got := keyOf(r, name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if r.Len() != 5 {
		t.Errorf("%d prefixes", r.Len())
	}
}

// TestForIsAsHasPrefix compares with the rule as it is written down.
func TestForIsAsHasPrefix(t *testing.T) {
	name := rapid.StringOfN(rapid.RuneFrom([]rune("ab/")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		b := newBuilder()
		if err := b.declare("", []string{"text"}, "test"); err != nil {
			t.Fatal(err)
		}
		prefixes := rapid.SliceOfNDistinct(name, 1, 6, rapid.ID).Draw(t, "prefixes")
		for i, p := range prefixes {
			if err := b.add(Row{Prefix: p, Key: fmt.Sprintf("%032d", i)}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		r, err := b.finish()
		if err != nil {
			t.Fatal(err)
		}
		key := name.Draw(t, "key")
		want, longest := "missing", -1
		for i, p := range prefixes {
			if cooper.HasPrefix(key, p) && len(p) > longest {
				want, longest = fmt.Sprintf("%032d", i), len(p)
			}
		}
		if got := keyOf(r, key); got != want {
			t.Fatalf("%q below %q: %s, want %s", key, prefixes, got, want)
		}
	})
}

func TestForms(t *testing.T) {
	long := base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe" + keyA[2:]))
	for name, text := range map[string]string{
		"json":          line("p/", keyA, `, "expect": "text"`),
		"json, crlf":    "\r\n" + strings.ReplaceAll(line("p/", keyA, `, "expect": ["json", "text"]`), "\n", "\r\n"),
		"a pattern":     line("p/", keyA, "") + `{"pattern": "*/", "expect": "text"}`,
		"csv":           "prefix,key,expect\np/," + keyA + ",text\n",
		"csv, turned":   "\uFEFFExpect , Key,Prefix\r\n\"csv:a,b,\"\"c\"\",d,e,f,g,h,i,j\"," + keyA + ",p/\r\n",
		"csv, pattern":  "prefix,key,pattern,expect\np/," + keyA + ",,\n,,p/*,text\n",
		"hex":           line("p/", hex.EncodeToString([]byte(keyA)), `, "expect": "text"`),
		"base64":        line("p/", base64.StdEncoding.EncodeToString([]byte(keyA)), `, "expect": "text"`),
		"twice, agreed": line("p/", keyA, `, "expect": "text"`) + line("p/", hex.EncodeToString([]byte(keyA)), `, "expect": "json"`),
	} {
		r, err := load(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := keyOf(r, "p/x"); got != keyA {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := keyOf(mustLoad(t, line("p/", long, ""), "=text"), "p/x"); got != "\xff\xfe"+keyA[2:] {
		t.Errorf("base64 of URLs: %q", got)
	}
}

func TestExpectations(t *testing.T) {
	r := mustLoad(t, line("s1/", keyA, `, "expect": "text"`)+line("s2/", keyB, "")+line("s1/p/own/", keyA, `, "expect": "magic:png"`),
		"*/gps/="+csvA, "*/gps/=json", "*/*/gps/="+csvB, "s2/*/gps/=magic:sqlite", "s2/=in/=json")
	for name, want := range map[string]string{
		"s1/gps/x": csvA + " | json", "s1/p/gps/x": csvB, "s1/p/x": "text", "s1/p/own/gps": "magic:png",
		"s2/gps/x": csvA + " | json", "s2/p/gps/x": "magic:sqlite", "s2/=in/x": "json",
		"s2/x": "invalid", "s2/gps": "invalid", "s2/p/gpsx/y": "invalid",
	} {
		var got string
		if s, err := r.For(name); err != nil {
			got = string(cooper.KindOf(err))
		} else {
			got = s.Expect.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, bad := range []string{"x", "*/gps/", "*/gps/=yaml", "=csv", "p=magic"} {
		if _, err := load(t, line("p/", keyA, ""), bad); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, weak := range []string{"=csv:a", "=magic:zip", "=magic:nothing", "=bytes:xy", "a*/=text"} {
		if _, err := load(t, line("p/", keyA, ""), weak); err == nil || !strings.Contains(err.Error(), "--expect") {
			t.Errorf("%s: %v", weak, err)
		}
	}
}

// malformed are files with mistakes, and where these are.
var malformed = map[string]string{
	line("p/", keyA[1:], ""):                                             "line 1",
	line("p/", keyA+"x", ""):                                             "line 1",
	line("p/", keyA, "") + line("p/", keyB, ""):                          "line 2",
	line("p/", keyA, "") + "\n" + keyB:                                   "line 3",
	`{"prefix": "p/", "kee": "` + keyA + `"}`:                            "line 1",
	`{"` + keyA + `": "p/"}`:                                             "line 1",
	`{"prefix": "p/", "key": ` + keyA + `}`:                              "line 1",
	`{"prefix": "p/", "key": "` + keyA:                                   "line 1",
	line("p/", keyA, `, "expect": "`+keyB+`"`):                           "line 1",
	line("p/", keyA, `, "expect": 7`):                                    "line 1",
	line("p/", keyA, `, "pattern": "*/"`):                                "line 1",
	`{"pattern": "*/"}`:                                                  "line 1",
	`{"pattern": "a*/", "expect": "text"}` + "\n" + line("p/", keyA, ""): "line 1",
	`{"key": "` + keyA + `"}`:                                            "line 1",
	line("p/", keyA, "") + strings.TrimSpace(line("q/", keyA, "")) + line("r/", keyA, ""): "line 2",
	"{\"prefix\": \"p\xff\", \"key\": \"" + keyA + "\"}":                                  "line 1",
	"prefix;key\np/;" + keyA:                               "line 1",
	keyA + "," + keyB + "\n":                               "line 1",
	"prefix,key\n" + keyA + ",p/\n":                        "line 2",
	"prefix,key\np/," + keyA + "\nq/," + keyB + ",x\n":     "line 3",
	"prefix,key\np/,\"" + keyA + "\nq/," + keyB + "\n":     "line",
	"prefix,key,expect\np/," + keyA + "," + keyB + "\n":    "line 2",
	"prefix,key,key\np/," + keyA + "," + keyB + "\n":       "line 1",
	"prefix,key,pattern,expect\np/," + keyA + ",*/,text\n": "line 2",
	"prefix\np/\n":              "line 1",
	"key\n" + keyA + "\n":       "line 1",
	"prefix,key\np\xff," + keyA: "line 2",
	"":                          "",
	"\n \n":                     "",
	"prefix,key\n":              "",
	"prefix,key\np/,\"" + strings.Repeat(keyA+"\n", 40_000): "line 2",
	`{"prefix": "` + strings.Repeat(keyA, 40_000):           "line 1",
	"\x00\x01": "line 1",
}

func TestMistakesAreNamedAndKeysAreNot(t *testing.T) {
	for text, where := range malformed {
		shown := text[:min(60, len(text))]
		_, err := load(t, text)
		var e *cooper.Error
		if !errors.As(err, &e) || e.Kind != cooper.KindInvalid || e.Remedy == "" || !strings.Contains(e.Where, where) {
			t.Errorf("%q: %v, where %+v", shown, err, e)
		}
		noSecret(t, err)
	}
}

// noSecret looks for keys, also in what is wrapped and in the remedies.
func noSecret(t testing.TB, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, s := range secrets {
			if strings.Contains(fmt.Sprintf("%v %+v %#v %q", err, err, err, err), s[:len(s)-2]) {
				t.Errorf("a key is shown: %v", err)
			}
		}
	}
}

func TestASecretDoesNotShow(t *testing.T) {
	r := mustLoad(t, line("p/", keyA, ""), "=text")
	s, err := r.For("p/x")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %x", s, s, s, s.Key, s.Key), fmt.Sprintf("%v %+v", *s.Key, r)} {
		if strings.Contains(text, keyA) || strings.Contains(text, hex.EncodeToString([]byte(keyA))) || strings.Contains(text, "65 65 65 65") {
			t.Error(text)
		}
	}
	for _, name := range []string{"q/x", keyA} {
		_, err := r.For(name)
		noSecret(t, err)
	}
}

func TestFilesOthersCanRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, []byte(line("p/", keyA, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o400: 0, 0o640: 1, 0o604: 1} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := Load(ctx, Options{From: name})
		if err != nil || len(warnings) != want {
			t.Errorf("%o: %v, %v", mode, warnings, err)
		}
	}
	if _, _, err := Load(ctx, Options{From: name + "x"}); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("no such file: %v", err)
	}
	if _, _, err := Load(ctx, Options{From: t.TempDir()}); err == nil {
		t.Error("a directory was read")
	}
}

func TestCommands(t *testing.T) {
	text := strings.TrimSpace(line("p/", keyA, ""))
	r, _, err := Load(ctx, Options{From: Command + "echo '" + text + "'; echo warning >&2", Expect: []string{"=text"}})
	if err != nil || keyOf(r, "p/x") != keyA {
		t.Errorf("%v", err)
	}
	for command, kind := range map[string]cooper.Kind{
		"echo '" + text + "'; echo " + keyB + " >&2; exit 3": cooper.KindUsage,
		"echo " + keyB + "; exec yes " + keyA:                cooper.KindInvalid, // and it writes on
		"true":                                               cooper.KindInvalid,
		"no-such-command " + keyA:                            cooper.KindUsage,
		"echo '" + text + "'; kill -9 $$":                    cooper.KindUsage,
	} {
		_, _, err := Load(ctx, Options{From: Command + command})
		if cooper.KindOf(err) != kind {
			t.Errorf("%s: %v", command, err)
		}
		noSecret(t, err)
	}
	c, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, _, err := Load(c, Options{From: Command + "exec sleep 60"}); cooper.KindOf(err) != cooper.KindTimeout {
		t.Errorf("a command that does not end: %v", err)
	}
}

func TestRows(t *testing.T) {
	rows := func(err error, rows ...Row) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(Row{}, err)
			}
		}
	}
	r, _, err := Load(ctx, Options{Rows: rows(nil, Row{Prefix: "p/", Key: keyA, Expect: []string{"text"}})})
	if err != nil || keyOf(r, "p/x") != keyA {
		t.Errorf("%v", err)
	}
	if _, _, err := Load(ctx, Options{Rows: rows(nil, Row{Prefix: keyA, Key: "p/"})}); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("%v", err)
	} else {
		noSecret(t, err)
	}
	broken := &cooper.Error{Kind: cooper.KindStore, Message: "gone"}
	if _, _, err := Load(ctx, Options{Rows: rows(broken, Row{Prefix: "p/", Key: keyA})}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	for text := range malformed {
		if len(text) < 1000 {
			f.Add(text)
		}
	}
	f.Add(line("p/", keyA, `, "expect": ["json", "text"]`))
	f.Add("prefix,key,expect\np/," + keyA + ",text\n")
	f.Fuzz(func(t *testing.T, text string) {
		b := newBuilder()
		err := b.parse(strings.NewReader(text), "keys")
		var r *Ring
		if err == nil {
			r, err = b.finish()
		}
		noSecret(t, err)
		if err == nil {
			for prefix := range r.locks {
				_, err := r.For(prefix + "x")
				noSecret(t, err)
			}
		}
	})
}
