package handleid

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const u = "28aa6ed1-421f-472e-ab29-4c091cebc524"

func TestParse(t *testing.T) {
	for _, c := range []struct {
		t              Type
		s, want, wants string // the normal form, or the reason
	}{
		{Integer, "12", "12", ""},
		{Integer, "0", "0", ""},
		{Integer, "007", "7", ""},
		{Integer, "9223372036854775807", "9223372036854775807", ""},
		{Integer, "00000000009223372036854775807", "9223372036854775807", ""},
		{Integer, "9223372036854775808", "", Beyond},
		{Integer, "99999999999999999999", "", Beyond},
		{Integer, strings.Repeat("9", 5000), "", Beyond},
		{Integer, "n/a", "", "not an id: n/a"},
		{Integer, "12 ", "", "not an id: '12 '"},
		{Integer, "", "", "not an id: ''"},
		{Integer, "-1", "", "not an id: -1"},
		{Integer, "+1", "", "not an id: +1"},
		{Integer, "1.0", "", "not an id: 1.0"},
		{Integer, "1e3", "", "not an id: 1e3"},
		{Integer, "١٢", "", "not an id: ١٢"},
		{Integer, u, "", "not an id: " + u},
		{UUID, u, u, ""},
		{UUID, strings.ToUpper(u), u, ""},
		{UUID, "{" + u + "}", u, ""},
		{UUID, "urn:uuid:" + u, u, ""},
		{UUID, "URN:UUID:" + u, u, ""},
		{UUID, strings.ReplaceAll(u, "-", ""), u, ""},
		{UUID, "28aa-6ed1-421f-472e-ab29-4c09-1ceb-c524", u, ""},
		{UUID, u + "-", "", "not an id: " + u + "-"},
		{UUID, "28aa6ed1--421f-472e-ab29-4c091cebc524", "", "not an id: 28aa6ed1--421f-472e-ab29-4c091cebc524"},
		{UUID, "{" + u, "", "not an id: {" + u},
		{UUID, u[1:], "", "not an id: " + u[1:]},
		{UUID, "12", "", "not an id: 12"},
		{Any, "12", "12", ""},
		{Any, strings.ToUpper(u), u, ""},
		{Any, "x", "", "not an id: x"},
		{Text, "syn123", "syn123", ""},
		{Text, "007", "007", ""},
		{Text, " x ", " x ", ""},
		{Text, strings.ToUpper(u), u, ""},
		{Text, "", "", "not an id: ''"},
	} {
		if got, why := c.t.Parse(c.s); got != c.want || why != c.wants {
			t.Errorf("%d %q: %q, %q; want %q, %q", c.t, c.s, got, why, c.want, c.wants)
		}
	}
}

func TestParseNumbersAndBytes(t *testing.T) {
	for _, c := range []struct {
		t           Type
		n           int64
		want, wants string
	}{
		{Integer, 0, "0", ""}, {Integer, math.MaxInt64, "9223372036854775807", ""},
		{Integer, -5, "", "not an id: -5"}, {Any, 5, "5", ""}, {UUID, 5, "", "not an id: 5"}, {Text, -5, "-5", ""},
	} {
		if got, why := c.t.ParseInt(c.n); got != c.want || why != c.wants {
			t.Errorf("%d %d: %q, %q", c.t, c.n, got, why)
		}
	}
	raw := []byte("\x28\xaa\x6e\xd1\x42\x1f\x47\x2e\xab\x29\x4c\x09\x1c\xeb\xc5\x24")
	if got, _ := UUID.ParseBytes(raw); got != u {
		t.Error(got)
	}
	if got, _ := UUID.ParseBytes([]byte(u)); got != u {
		t.Error(got)
	}
	if _, why := Integer.ParseBytes(raw); why == "" {
		t.Error("16 bytes are no number")
	}
}

func TestShowCuts(t *testing.T) {
	if got := NotAnID(strings.Repeat("é", 500)); got != "not an id: "+strings.Repeat("é", 60)+"…" {
		t.Error(got)
	}
}

// TestNormalIsStable: the normal form of a normal form is itself, whatever was read.
func TestNormalIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ty := Type(rapid.IntRange(0, 3).Draw(t, "type"))
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`0{0,3}[0-9]{1,20}`), rapid.StringMatching(`(urn:uuid:)?\{?([0-9a-fA-F]{4}-?){8}\}?`)).Draw(t, "s")
		n, why := ty.Parse(s)
		if (n == "") == (why == "") {
			t.Fatalf("%q: %q and %q", s, n, why)
		}
		if why != "" {
			return
		}
		if m, why := ty.Parse(n); m != n || why != "" {
			t.Fatalf("%q -> %q -> %q %s", s, n, m, why)
		}
	})
}

// TestSpellingsOfOne: however an owner's program writes a UUID, it is the same.
func TestSpellingsOfOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "u"))
		plain := fmt.Sprintf("%x", b)
		want := dashed(b)
		for _, s := range []string{plain, strings.ToUpper(plain), want, strings.ToUpper(want), "{" + want + "}", "urn:uuid:" + want} {
			if got, why := UUID.Parse(s); got != want {
				t.Fatalf("%s: %s %s", s, got, why)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"12", "99999999999999999999", u, "{" + u + "}", "urn:uuid:" + u, "", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for ty := Any; ty <= Text; ty++ {
			if n, why := ty.Parse(s); (n == "") == (why == "") {
				t.Fatalf("%q: %q and %q", s, n, why)
			}
		}
	})
}
