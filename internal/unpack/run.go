package unpack

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math/big"
	"reflect"
	"strconv"

	"cooper/internal/address"
	"cooper/internal/handleid"
	"cooper/internal/xmlpath"
)

// A run reads one value at a time, in memory that the next one uses again.
type run struct {
	f      *Form
	layers []layer
	xml    xmlpath.Parser
	jq     []*jqPath

	ctx    context.Context
	known  *Known
	res    Result
	silent silence
	// many: a layer's bytes may be followed by others in the same memory.
	many bool
	over bool // no more values are taken
	// failed: a reader gave up in the middle; what it left is not used again.
	failed bool
}

func (f *Form) newRun() (*run, error) {
	r := &run{f: f, layers: make([]layer, len(f.spec.As))}
	for i, as := range f.spec.As {
		r.layers[i] = newLayer(as)
		r.many = r.many || as == "lines"
	}
	r.xml.MaxNodes = f.limits.inDocument() / 2
	r.many = r.many || f.find != nil || f.doc >= 0 && f.doc < len(f.spec.As)-1
	if f.doc >= 0 && f.spec.As[f.doc] != "xml" {
		for _, at := range f.spec.At {
			p, _, err := compileJQ(at, f.lookups, f.limits.inDocument())
			if err != nil {
				return nil, err
			}
			r.jq = append(r.jq, p)
		}
	}
	return r, nil
}

// Read finds the values in a column's value: nil, text as a string, what a binary column has
// as bytes (16 of them may be a UUID), whole numbers, and lists of these, also of lists. Where nothing is found and known is given, it
// also looks whether the id of a handle stands in it all the same. An error says that ctx
// is over, or that the value is of a type that no column should have.
func (f *Form) Read(ctx context.Context, v any, known *Known) (Result, error) {
	r, ok := f.runs.Get().(*run)
	if !ok {
		var err error
		if r, err = f.newRun(); err != nil {
			return Result{}, err
		}
	}
	caller := ctx
	if f.timed {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, f.limits.Time)
		defer stop()
	}
	r.ctx, r.res, r.over, r.known = ctx, Result{}, false, nil
	if known != nil && f.spec.Kind == ID {
		r.known = known
	}
	r.silent.reset()
	if err := r.guarded(v); err != nil {
		return Result{}, err
	}
	if r.known != nil && len(r.res.Values) == 0 && r.res.Malformed == "" {
		r.res.Silent = r.silent.any(r.f.spec.ID, r.known)
	}
	res := r.res
	r.res, r.ctx, r.known = Result{}, nil, nil
	if !r.failed {
		f.runs.Put(r)
	}
	if err := caller.Err(); err != nil { // not the limit of time: nothing is known of the value
		return Result{}, err
	}
	return res, nil
}

// guarded reads a column's value. Should a reader fail on it, ours or a library's, the value
// is unread and not the scan at its end.
func (r *run) guarded(v any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.failed = true
			r.bad(show(fmt.Sprint("cannot be read: ", p)))
		}
	}()
	return r.column(v, 0)
}

// bad remembers the first reason.
func (r *run) bad(reason string) {
	if r.res.Malformed == "" {
		r.res.Malformed = reason
	}
}

// column reads what the database gave.
func (r *run) column(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		r.text([]byte(v))
		return nil
	case []byte:
		if v == nil {
			return nil
		}
		if len(v) == 16 && r.f.spec.ID == handleid.UUID && r.bare() {
			r.id(r.f.spec.ID.ParseBytes(v))
			return nil
		}
		r.text(v)
		return nil
	case [16]byte:
		r.text([]byte(hex.EncodeToString(v[:])))
		return nil
	case bool, float32, float64:
		r.bad(handleid.NotAnID(fmt.Sprint(v)))
		return nil
	case *big.Int:
		r.text([]byte(v.String()))
		return nil
	case driver.Valuer:
		w, err := v.Value()
		if err != nil {
			return fmt.Errorf("unpack: a value of type %T: %w", v, err)
		}
		if _, again := w.(driver.Valuer); again {
			return fmt.Errorf("unpack: a value of type %T", w)
		}
		return r.column(w, depth)
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		r.text(strconv.AppendInt(nil, rv.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		r.text(strconv.AppendUint(nil, rv.Uint(), 10))
	case reflect.Pointer:
		if !rv.IsNil() {
			return r.column(rv.Elem().Interface(), depth)
		}
	case reflect.Slice:
		if depth > maxNesting {
			r.bad("lists nested too deep")
			return nil
		}
		for i := range rv.Len() {
			if err := r.column(rv.Index(i).Interface(), depth+1); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("unpack: a column's value of type %T", v)
	}
	return nil
}

// bare tells whether the column's value is the id itself.
func (r *run) bare() bool {
	f := r.f
	return f.spec.Kind == ID && len(f.spec.As) == 0 && f.find == nil && f.split == nil && f.match == nil
}

// text reads the column's text.
func (r *run) text(data []byte) {
	if int64(len(data)) > r.f.limits.Unpacked {
		r.bad(TooMuch)
		return
	}
	r.keep(data)
	if r.f.find == nil {
		r.layer(0, data)
		return
	}
	for _, m := range occurrences(r.f.find, data) {
		switch {
		case r.over:
			return
		case m == nil:
			r.bad("find without its group: " + show(string(data[:min(len(data), 100)])))
		case len(m) > 0: // there, but empty, is no link
			r.layer(0, m)
		}
	}
}

// layer reads data on from one of the layers.
func (r *run) layer(i int, data []byte) {
	if r.over {
		return
	}
	if i == len(r.layers) {
		r.entries(data)
		return
	}
	if l := r.layers[i]; l != nil {
		out, err := l.decode(data, r.f.limits.Unpacked)
		if err != nil {
			r.bad(err.Error())
			return
		}
		r.keep(out)
		r.layer(i+1, out)
		return
	}
	switch r.f.spec.As[i] {
	case "lines":
		r.lines(i, data)
	case "addresses":
		r.addresses(string(data))
	case "xml":
		r.xmlDocument(i, data)
	case "json":
		r.document(i, data, readJSON)
	case "php":
		r.document(i, data, readPHP)
	}
}

func (r *run) lines(i int, data []byte) {
	if len(data) == 0 && i < len(r.layers)-1 && r.f.spec.As[i+1] != "addresses" {
		r.bad(Empty)
		return
	}
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		r.layer(i+1, line)
	}
}

func (r *run) addresses(text string) {
	r.f.hosts.In(text, func(f address.Found) bool {
		r.address(f)
		return !r.over
	})
}

// address adds an address; one that cannot be read counts by its other readings.
func (r *run) address(f address.Found) {
	if f.Bad != "" {
		if !f.Guess {
			r.bad(f.Bad)
		}
		f.Guess = true // its other readings: links where the keys exist
	}
	if len(f.Places) > 0 {
		r.add(Value{Kind: Address, Found: f})
	}
}

func (r *run) xmlDocument(i int, data []byte) {
	tree, err := r.xml.Parse(data)
	if err != nil {
		r.bad(err.Error())
		return
	}
	for _, p := range r.f.xpath {
		p.Find(tree, func(v []byte, bad error) {
			if bad != nil {
				r.bad(bad.Error())
				return
			}
			if v = bytes.Trim(v, " \t\r\n"); len(v) > 0 {
				r.layer(i+1, v)
			}
		})
	}
	for _, n := range tree.Namespaces() {
		r.namespace(n)
	}
}

// namespace remembers one that no path names.
func (r *run) namespace(n xmlpath.Namespace) {
	for _, p := range r.f.xpath {
		if p.Names(n) {
			return
		}
	}
	for _, have := range r.res.Namespaces {
		if have == n.URI {
			return
		}
	}
	if len(r.res.Namespaces) < 100 {
		r.res.Namespaces = append(r.res.Namespaces, n.URI)
	}
}

func (r *run) document(i int, data []byte, read func([]byte, int) (any, error)) {
	doc, err := read(data, r.f.limits.inDocument())
	if err != nil {
		r.bad(err.Error())
		return
	}
	leaf := func(v any) bool {
		r.leaf(i+1, v, 0)
		return !r.over
	}
	if len(r.jq) == 0 {
		leaf(doc)
		return
	}
	for _, p := range r.jq {
		p.step.run(r.ctx, doc, r.bad, leaf)
	}
}

// leaf reads a value that a document gave: of a list each element.
func (r *run) leaf(i int, v any, depth int) {
	if r.over {
		return
	}
	switch v := v.(type) {
	case nil:
	case []any:
		if depth > maxNesting {
			r.bad("lists nested too deep")
			return
		}
		for _, w := range v {
			r.leaf(i, w, depth+1)
		}
	case string:
		if v != "" {
			r.layer(i, []byte(v))
		}
	case int:
		r.layer(i, strconv.AppendInt(nil, int64(v), 10))
	case *big.Int:
		r.layer(i, v.Append(nil, 10))
	default:
		r.bad(handleid.NotAnID(jsonText(v)))
	}
}
