package price

import (
	"fmt"
	"strings"
)

// Standard is the class that everything is compared with.
const Standard = "STANDARD"

// Rule is what a storage class charges for beside the bytes. Zero fields charge
// for nothing.
type Rule struct {
	// MinimumBytes is the least an object is charged as.
	MinimumBytes int64 `json:"minimum_bytes,omitempty"`
	// OverheadBytes are added to each object at the price of the class, and
	// OverheadStandardBytes at the price of STANDARD.
	OverheadBytes         int64 `json:"overhead_bytes,omitempty"`
	OverheadStandardBytes int64 `json:"overhead_standard_bytes,omitempty"`
	// Monitoring is the price a month of watching over 1,000 objects of at least
	// MonitoringFrom bytes. A class with tiers has it for all of them.
	Monitoring     float64 `json:"monitoring_per_1000,omitempty"`
	MonitoringFrom int64   `json:"monitoring_from_bytes,omitempty"`
	// MinimumDays are charged for even if an object goes before.
	MinimumDays int `json:"minimum_days,omitempty"`
	// Transition is the price of moving 1,000 objects into the class, Retrieval
	// that of reading a GB.
	Transition float64 `json:"transition_per_1000,omitempty"`
	Retrieval  float64 `json:"retrieval_per_gb,omitempty"`
}

func (t *Table) checkRule(where, class string) error {
	name := "storage_rules: " + class
	if _, ok := t.Storage[class]; !ok {
		return wrong(where, name+": storage_per_gb_month has no such class", nil)
	}
	r := t.Rules[class]
	// Nothing smaller than this can be a rule about small objects.
	const most = 1 << 30
	for field, n := range map[string]int64{
		"minimum_bytes": r.MinimumBytes, "overhead_bytes": r.OverheadBytes,
		"overhead_standard_bytes": r.OverheadStandardBytes, "monitoring_from_bytes": r.MonitoringFrom, "minimum_days": int64(r.MinimumDays),
	} {
		if n < 0 || n > most {
			return wrong(where, fmt.Sprintf("%s: %s: %d cannot be meant", name, field, n), nil)
		}
	}
	for field, p := range map[string]float64{
		"monitoring_per_1000": r.Monitoring, "transition_per_1000": r.Transition, "retrieval_per_gb": r.Retrieval,
	} {
		if err := checkPrice(where, name+": "+field, p); err != nil {
			return err
		}
	}
	return nil
}

// StorageName is the name of a class and tier in a table: INTELLIGENT_TIERING/ARCHIVE.
func StorageName(class, tier string) string {
	if tier == "" {
		return class
	}
	return class + "/" + tier
}

// Rate is what keeping an object costs a month, by its size.
type Rate struct {
	perByte   float64
	minimum   int64   // in bytes
	each      float64 // for each object
	monitored float64 // for each of at least from bytes
	from      int64
}

// Rate gives the price of storage in a class and tier. A class that is not in
// the table costs what STANDARD does, and is not known; a tier that is not
// costs what its class does.
func (t *Table) Rate(class, tier string) (rate Rate, known bool) {
	name := StorageName(class, tier)
	price, known := t.Storage[name]
	if !known {
		name = class
		price, known = t.Storage[name]
	}
	if !known {
		name, price = Standard, t.standard()
	}
	rule := t.Rules[name]
	parent, _, _ := strings.Cut(name, "/")
	watch := t.Rules[parent]
	return Rate{
		perByte: price / GB, minimum: rule.MinimumBytes,
		each:      (float64(rule.OverheadBytes)*price + float64(rule.OverheadStandardBytes)*t.standard()) / GB,
		monitored: watch.Monitoring / 1000, from: watch.MonitoringFrom,
	}, known
}

// standard is the price of STANDARD; a table of format 1 need not have it, and
// then the dearest stands for it.
func (t *Table) standard() float64 {
	if p, ok := t.Storage[Standard]; ok {
		return p
	}
	dearest := 0.0
	for _, p := range t.Storage {
		dearest = max(dearest, p)
	}
	return dearest
}

// Month is the price of one object of size bytes for a month, in the table's
// currency.
func (r *Rate) Month(size int64) float64 {
	usd := float64(max(size, r.minimum))*r.perByte + r.each
	if r.monitored != 0 && size >= r.from {
		usd += r.monitored
	}
	return usd
}

// Months is the price of count objects of bytes in all, none of which is
// charged as more than it holds and all of which are monitored: objects of
// 128 KiB and more at S3.
func (r *Rate) Months(count, bytes int64) float64 {
	return float64(bytes)*r.perByte + float64(count)*(r.each+r.monitored)
}
