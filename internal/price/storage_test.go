package price

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
)

// By hand, from the list prices.
func TestMonth(t *testing.T) {
	table, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	const kib = 1 << 10
	for _, c := range []struct {
		class, tier string
		size        int64
		want        float64
	}{
		{"STANDARD", "", GB, 0.023},
		{"STANDARD", "", 0, 0},
		{"REDUCED_REDUNDANCY", "", 10 * GB, 0.24},
		// A byte is charged as 128 KiB, of which 8,192 make a GB.
		{"STANDARD_IA", "", 1, 0.0125 / 8192},
		{"STANDARD_IA", "", 128 * kib, 0.0125 / 8192},
		{"STANDARD_IA", "", GB, 0.0125},
		{"ONEZONE_IA", "", 1, 0.01 / 8192},
		{"GLACIER_IR", "", 100 * kib, 0.004 / 8192},
		// 32 KiB more at its own price, 8 KiB at that of STANDARD.
		{"GLACIER", "", 0, 0.0036/32768 + 0.023/131072},
		{"GLACIER", "", GB, 0.0036*(1+1.0/32768) + 0.023/131072},
		{"DEEP_ARCHIVE", "", GB, 0.00099*(1+1.0/32768) + 0.023/131072},
		// Monitored from 128 KiB on.
		{"INTELLIGENT_TIERING", "FREQUENT", GB, 0.023 + 0.0000025},
		{"INTELLIGENT_TIERING", "", 128*kib - 1, 0.023 * (128*kib - 1) / GB},
		{"INTELLIGENT_TIERING", "INFREQUENT", GB, 0.0125 + 0.0000025},
		{"INTELLIGENT_TIERING", "ARCHIVE_INSTANT_ACCESS", GB, 0.004 + 0.0000025},
		{"INTELLIGENT_TIERING", "ARCHIVE", GB, 0.0036*(1+1.0/32768) + 0.023/131072 + 0.0000025},
		{"INTELLIGENT_TIERING", "A_NEW_ONE", GB, 0.023 + 0.0000025},
	} {
		r, known := table.Rate(c.class, c.tier)
		if got := r.Month(c.size); math.Abs(got-c.want) > 1e-15 || !known {
			t.Errorf("%d bytes in %s %s: %v, known %v; want %v", c.size, c.class, c.tier, got, known, c.want)
		}
	}
	for _, class := range []string{"", "SNOWY"} {
		if r, known := table.Rate(class, ""); known || r.Month(GB) != 0.023 {
			t.Errorf("class %q: %v, known %v", class, r.Month(GB), known)
		}
	}
	r, _ := table.Rate("GLACIER", "")
	if got, want := r.Months(7, 7*GB), 7*r.Month(GB); math.Abs(got-want) > 1e-12 {
		t.Errorf("7 objects cost %v, want %v", got, want)
	}
}

func TestRulesAreChecked(t *testing.T) {
	good, err := os.ReadFile("prices.json")
	if err != nil {
		t.Fatal(err)
	}
	load := func(text string) (Table, error) {
		name := filepath.Join(t.TempDir(), "p.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(name)
	}
	for what, c := range map[string]struct{ old, new, message string }{
		"a rule of no class":    {`"GLACIER_IR": {`, `"GLACIER_XX": {`, "GLACIER_XX: storage_per_gb_month has no such class"},
		"a slip in a name":      {`"minimum_days": 180`, `"minimum_day": 180`, "unknown field"},
		"a negative size":       {`"minimum_bytes": 131072`, `"minimum_bytes": -1`, "minimum_bytes: -1"},
		"a negative price":      {`"transition_per_1000": 0.05`, `"transition_per_1000": -0.05`, "transition_per_1000: -0.05 cannot"},
		"rules in format 1":     {`"format": 2`, `"format": 1`, "none in format 1"},
		"days without an end":   {`"minimum_days": 180`, `"minimum_days": 18000000000`, "minimum_days"},
		"format 0":              {`"format": 2`, `"format": 0`, "format 0"},
		"no price for STANDARD": {`"STANDARD": 0.023,`, ``, "STANDARD is missing"},
	} {
		_, err := load(strings.Replace(string(good), c.old, c.new, 1))
		if cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A table of format 1, as docs/formats/prices.md had it.
	table, err := load(`{"format": 1, "region": "eu-example-1", "as_of": "2026-11-01", "source": "contract 4711", "currency": "USD",
		"requests_per_1000": {"GET": 0.0004, "HEAD": 0.0004, "PUT": 0.005, "LIST": 0.005, "RESTORE": 0.05, "DELETE": 0},
		"transfer_out_per_gb": 0, "storage_per_gb_month": {"STANDARD": 0.02, "STANDARD_IA": 0.01}}`)
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := table.Rate("STANDARD_IA", ""); r.Month(1) != 0.01/GB {
		t.Errorf("format 1: a byte costs %v", r.Month(1))
	}
	delete(table.Storage, "STANDARD")
	if r, known := table.Rate("STANDARD", ""); known || r.Month(GB) != 0.01 {
		t.Errorf("format 1 without STANDARD: %v", r.Month(GB))
	}
}
