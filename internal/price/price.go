// Package price says what requests, transfers and storage cost, from a table that
// a person can replace.
//
// The table built in holds public list prices with their date and source;
// docs/formats/prices.md describes it. It promises to refuse a table with a gap
// or a slip rather than to guess. How many requests a plan takes is left to
// missions.
package price

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"cooper"
)

// Format is the newest version of the table that this package reads. It reads
// format 1, too, which has no storage_rules: a price for each byte, no more.
const Format = 2

// GB is what S3 bills as one: 2^30 bytes.
const GB = 1 << 30

//go:embed prices.json
var builtin []byte

// The price classes of requests. Every table has all of them but KMS: that of
// requests to the service that keeps keys, which a store may do without.
const (
	Get     = "GET"
	Head    = "HEAD"
	Put     = "PUT"
	List    = "LIST"
	Restore = "RESTORE"
	Delete  = "DELETE"
	KMS     = "KMS"
)

var (
	classes  = []string{Get, Head, Put, List, Restore, Delete}
	optional = []string{KMS}
)

// Table is a table of prices in one currency.
type Table struct {
	Format   int      `json:"format"`
	Region   string   `json:"region"`
	AsOf     string   `json:"as_of"`  // a day, 2025-06-01
	Source   string   `json:"source"` // where the prices can be looked up
	Currency string   `json:"currency"`
	Notes    []string `json:"notes,omitempty"`
	// Requests are prices of 1,000 requests, by price class.
	Requests map[string]float64 `json:"requests_per_1000"`
	// TransferOut is the price of a GB that leaves the store.
	TransferOut float64 `json:"transfer_out_per_gb"`
	// Storage are prices of a GB for a month, by storage class, and by class and
	// tier (INTELLIGENT_TIERING/ARCHIVE).
	Storage map[string]float64 `json:"storage_per_gb_month"`
	// Rules are what else a class charges for, by the same names.
	Rules map[string]Rule `json:"storage_rules,omitempty"`
}

// Load reads the table at path, or the one built in where path is empty.
func Load(path string) (Table, error) {
	if path == "" {
		return parse("the built-in prices", builtin)
	}
	const limit = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		return Table{}, unreadable(path, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return Table{}, unreadable(path, err)
	}
	if len(b) > limit {
		return Table{}, wrong(path, "is larger than a table of prices can be", nil)
	}
	return parse(path, b)
}

func parse(where string, b []byte) (Table, error) {
	var t Table
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a slip in a name must not become a price of 0
	if err := d.Decode(&t); err != nil {
		return Table{}, wrong(where, "is not a table of prices", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Table{}, wrong(where, "goes on after the table", nil)
	}
	if err := t.check(where); err != nil {
		return Table{}, err
	}
	return t, nil
}

func (t *Table) check(where string) error {
	if t.Format < 1 || t.Format > Format {
		return wrong(where, fmt.Sprintf("has format %d; this program reads 1 to %d", t.Format, Format), nil)
	}
	if t.Format == 1 && t.Rules != nil {
		return wrong(where, "storage_rules: there are none in format 1; say \"format\": 2", nil)
	}
	if _, err := time.Parse(time.DateOnly, t.AsOf); err != nil {
		return wrong(where, fmt.Sprintf("as_of: %q is not a day such as 2025-06-01", t.AsOf), nil)
	}
	for name, v := range map[string]string{"region": t.Region, "source": t.Source} {
		if v == "" {
			return wrong(where, name+" is missing", nil)
		}
	}
	if t.Currency != "USD" {
		return wrong(where, fmt.Sprintf("currency: %q; plans show US dollars: USD", t.Currency), nil)
	}
	for _, c := range classes {
		if _, ok := t.Requests[c]; !ok {
			return wrong(where, "requests_per_1000: "+c+" is missing", nil)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(t.Requests)) {
		if !slices.Contains(classes, c) && !slices.Contains(optional, c) {
			return wrong(where, fmt.Sprintf("requests_per_1000: there is no class %q; there are %v", c, slices.Concat(classes, optional)), nil)
		}
		if err := checkPrice(where, "requests_per_1000: "+c, t.Requests[c]); err != nil {
			return err
		}
	}
	if len(t.Storage) == 0 {
		return wrong(where, "storage_per_gb_month is missing", nil)
	}
	if _, ok := t.Storage[Standard]; !ok && t.Format > 1 {
		return wrong(where, "storage_per_gb_month: "+Standard+" is missing", nil)
	}
	for _, c := range slices.Sorted(maps.Keys(t.Storage)) {
		if err := checkPrice(where, "storage_per_gb_month: "+c, t.Storage[c]); err != nil {
			return err
		}
	}
	for _, c := range slices.Sorted(maps.Keys(t.Rules)) {
		if err := t.checkRule(where, c); err != nil {
			return err
		}
	}
	return checkPrice(where, "transfer_out_per_gb", t.TransferOut)
}

// checkPrice refuses what cannot be meant: less than nothing, or so much that
// the unit must be wrong.
func checkPrice(where, what string, p float64) error {
	if p < 0 || p > 1000 || math.IsNaN(p) {
		return wrong(where, fmt.Sprintf("%s: %v cannot be a price", what, p), nil)
	}
	return nil
}

// Costs tell what requests come to; a Table does.
type Costs interface {
	// Cost is in USD, for requests by class and bytes that leave the store.
	Cost(requests map[string]int64, bytesOut int64) float64
	// Name says which prices these are.
	Name() string
}

// Cost is the price, in the table's currency, of requests by price class and of
// bytesOut bytes that leave the store. A class that the table does not know
// counts as PUT, the dearest of the common ones, so that an estimate is not too
// low.
func (t Table) Cost(requests map[string]int64, bytesOut int64) float64 {
	sum := float64(bytesOut) / GB * t.TransferOut
	for _, class := range slices.Sorted(maps.Keys(requests)) { // in order: sums of floats depend on it
		p, ok := t.Requests[class]
		if !ok {
			p = t.Requests[Put]
		}
		sum += float64(requests[class]) / 1000 * p
	}
	return sum
}

// Name says which table this is: its region and its date.
func (t Table) Name() string { return t.Region + " " + t.AsOf }

func wrong(where, message string, err error) error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: message, Err: err,
		Remedy: "Correct the file (see docs/formats/prices.md), or leave it out to use the built-in prices."}
}

func unreadable(path string, err error) error {
	message := "the table of prices cannot be read"
	if errors.Is(err, fs.ErrNotExist) {
		message = "there is no such table of prices"
	}
	return &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: message, Err: err, Remedy: "Leave it out to use the built-in prices."}
}
