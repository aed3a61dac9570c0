package price

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
)

func TestBuiltIn(t *testing.T) {
	p, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if p.Name() != "us-east-1 2025-06-01" {
		t.Errorf("name %q", p.Name())
	}
	// A million GETs, a thousand LISTs, 10 GB to the internet.
	if got, want := p.Cost(map[string]int64{Get: 1e6, List: 1000}, 10*GB), 0.4+0.005+0.9; math.Abs(got-want) > 1e-9 {
		t.Errorf("cost %v, want %v", got, want)
	}
	if got := p.Cost(map[string]int64{Delete: 1e9}, 0); got != 0 {
		t.Errorf("deleting costs %v", got)
	}
	if got := p.Cost(map[string]int64{KMS: 10_000}, 0); math.Abs(got-0.03) > 1e-9 {
		t.Errorf("KMS costs %v", got)
	}
	if got := p.Cost(map[string]int64{"COPY": 1000}, 0); got != 0.005 {
		t.Errorf("an unknown class costs %v", got)
	}
	if p.Cost(nil, 0) != 0 {
		t.Error("nothing costs something")
	}
}

func TestReplaced(t *testing.T) {
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
	p, err := load(strings.Replace(string(good), `"transfer_out_per_gb": 0.09`, `"transfer_out_per_gb": 0`, 1))
	if err != nil || p.Cost(nil, GB) != 0 {
		t.Errorf("within the region: %v, %v", p.TransferOut, err)
	}
	if p, err := load(strings.Replace(string(good), ",\n    \"KMS\": 0.003", "", 1)); err != nil || p.Cost(map[string]int64{KMS: 1000}, 0) != p.Requests[Put] {
		t.Errorf("without KMS: %v", err)
	}
	for what, c := range map[string]struct{ old, new, message string }{
		"a slip in a name":    {`"transfer_out_per_gb"`, `"transfer_out_per_gib"`, "unknown field"},
		"a class missing":     {`"HEAD": 0.0004,`, ``, "HEAD is missing"},
		"a class too many":    {`"HEAD"`, `"COPY": 1, "HEAD"`, `no class "COPY"`},
		"a negative price":    {`"GET": 0.0004`, `"GET": -1`, "GET: -1 cannot"},
		"another unit":        {`"GET": 0.0004`, `"GET": 4000`, "GET: 4000 cannot"},
		"text for a price":    {`"GET": 0.0004`, `"GET": "0.0004"`, "not a table"},
		"no day":              {`2025-06-01`, `June`, "as_of"},
		"no source":           {`https://aws.amazon.com/s3/pricing/`, ``, "source is missing"},
		"another currency":    {`USD`, `EUR`, "currency"},
		"a newer format":      {`"format": 2`, `"format": 3`, "format 3"},
		"no storage":          {`"storage_per_gb_month": {`, `"storage_per_gb_month": {}, "x": {`, "unknown field"},
		"a bad storage price": {`"GLACIER": 0.0036`, `"GLACIER": -0.0036`, "GLACIER"},
		"no JSON":             {`{`, ``, "not a table"},
	} {
		_, err := load(strings.Replace(string(good), c.old, c.new, 1))
		if cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := load(string(good) + "{}"); err == nil {
		t.Error("two tables in one file")
	}
	if _, err := load(strings.Repeat(" ", 2<<20)); err == nil {
		t.Error("a huge file")
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), "no such") {
		t.Errorf("no file: %v", err)
	}
}
