package postgres

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/database"
)

// typ is how values of a type come.
type typ struct {
	class  database.Class
	binary bool // bytes come as they are, and not as hex digits
	elem   *typ // of arrays
	delim  byte
}

// builtin are the types whose numbers are fixed.
// https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
func builtin() map[uint32]*typ {
	types := map[uint32]*typ{}
	for _, t := range []struct {
		class       database.Class
		oid, arrays []uint32
	}{
		{database.Bool, []uint32{16}, []uint32{1000}},
		{database.Bytes, []uint32{17}, []uint32{1001}},
		{database.Integer, []uint32{20, 21, 23, 26}, []uint32{1016, 1005, 1007, 1028}},
		{database.Number, []uint32{700, 701, 1700}, []uint32{1021, 1022, 1231}},
		{database.Text, []uint32{18, 19, 25, 1042, 1043}, []uint32{1002, 1003, 1009, 1014, 1015}},
		{database.Time, []uint32{1082, 1114, 1184}, []uint32{1182, 1115, 1185}},
		{database.JSON, []uint32{114, 3802}, []uint32{199, 3807}},
		{database.UUID, []uint32{2950}, []uint32{2951}},
	} {
		for i := range t.oid {
			types[t.oid[i]] = &typ{class: t.class, binary: t.class == database.Bytes}
			types[t.arrays[i]] = &typ{class: database.Array, elem: &typ{class: t.class}, delim: ','}
		}
	}
	return types
}

// known is a type that was met before; nil if none.
func (d *Database) known(oid uint32) *typ {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.types[oid]
}

// typeOf asks the server of a type of its own: a domain, an enum, an extension's, and
// arrays of such.
func (s *session) typeOf(ctx context.Context, oid uint32) (*typ, error) {
	if t := s.db.known(oid); t != nil {
		return t, nil
	}
	t := &typ{class: database.Other}
	var base, elem uint32
	sql := fmt.Sprintf("SELECT t.typtype::text, t.typcategory::text, t.typbasetype::int8, CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem::int8 ELSE 0 END, COALESCE(e.typdelim, ',')::text FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem WHERE t.oid = %d", oid)
	err := s.Stream(ctx, sql, func(v []database.Value) error {
		if string(v[0].Data) == "e" || string(v[1].Data) == "S" {
			t.class = database.Text
		}
		numbers := make([]uint32, 2)
		for i := range numbers {
			n, err := strconv.ParseUint(string(v[2+i].Data), 10, 32)
			if err != nil {
				return err
			}
			numbers[i] = uint32(n)
		}
		base, elem, t.delim = numbers[0], numbers[1], v[4].Data[0]
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case base != 0:
		if t, err = s.typeOf(ctx, base); err != nil {
			return nil, err
		}
	case elem != 0:
		e, err := s.typeOf(ctx, elem)
		if err != nil {
			return nil, err
		}
		t.class, t.elem = database.Array, &typ{class: e.class, elem: e.elem, delim: e.delim}
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.db.types[oid] = t
	return t, nil
}

func (t *typ) value(raw []byte) (v database.Value, err error) {
	switch {
	case raw == nil:
		return database.Value{Class: database.Null}, nil
	case t.class != database.Array:
		return database.Value{Class: t.class, Data: raw}, nil
	}
	v = database.Value{Class: database.Array, Data: raw}
	v.Elements, err = t.array(string(raw))
	return v, err
}

// array reads an array as the server writes it: {1,NULL,"a \"b\""}, {{1},{2}},
// [0:1]={1,2}.
func (t *typ) array(s string) ([]database.Value, error) {
	text := s
	if strings.HasPrefix(s, "[") {
		if _, after, ok := strings.Cut(s, "={"); ok {
			s = "{" + after
		}
	}
	elements, rest, ok := t.elements(s)
	if !ok || rest != "" {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Message: "an array that cannot be read: " + cooper.Quote(text[:min(len(text), 200)])}
	}
	return elements, nil
}

func (t *typ) elements(s string) (elements []database.Value, rest string, ok bool) {
	if !strings.HasPrefix(s, "{") {
		return nil, s, false
	}
	if s = s[1:]; strings.HasPrefix(s, "}") {
		return nil, s[1:], true
	}
	for {
		v := database.Value{Class: database.Array}
		if strings.HasPrefix(s, "{") {
			before := s
			if v.Elements, s, ok = t.elements(s); !ok {
				return nil, s, false
			}
			v.Data = []byte(before[:len(before)-len(s)])
		} else if v, s, ok = t.element(s); !ok {
			return nil, s, false
		}
		elements = append(elements, v)
		switch {
		case s == "":
			return nil, s, false
		case s[0] == '}':
			return elements, s[1:], true
		case s[0] != t.delim:
			return nil, s, false
		}
		s = s[1:]
	}
}

// element reads one that is no array itself.
func (t *typ) element(s string) (v database.Value, rest string, ok bool) {
	var data []byte
	i, quoted := 0, strings.HasPrefix(s, `"`)
	if quoted {
		i = 1
	}
	for ; ; i++ {
		if i == len(s) {
			return v, s, false
		}
		switch c := s[i]; {
		case c == '\\':
			if i++; i == len(s) {
				return v, s, false
			}
			data = append(data, s[i])
			continue
		case quoted && c == '"':
			v, ok = t.decoded(data)
			return v, s[i+1:], ok
		case !quoted && (c == t.delim || c == '}'):
			if string(data) == "NULL" {
				return database.Value{Class: database.Null}, s[i:], true
			}
			v, ok = t.decoded(data)
			return v, s[i:], ok && len(data) > 0
		default:
			data = append(data, c)
		}
	}
}

func (t *typ) decoded(data []byte) (v database.Value, ok bool) {
	if data == nil {
		data = []byte{}
	}
	if t.elem.class == database.Bytes {
		raw, err := hex.DecodeString(strings.TrimPrefix(string(data), `\x`))
		return database.Value{Class: database.Bytes, Data: raw}, err == nil
	}
	return database.Value{Class: t.elem.class, Data: data}, true
}
