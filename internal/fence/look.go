package fence

import (
	"context"
	"fmt"
	"strings"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/handleid"
)

// Most is how many handles may be asked about at once.
const Most = 1000

// Look says of each handle whether something is seen that keeps it. What Blind names it does not see.
func (f *Fence) Look(ctx context.Context, asked []Asked) ([]Sight, error) {
	if len(asked) > Most {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("%d handles are asked about at once", len(asked))}
	}
	// Conditions of the configuration compare with the time; each look has its own.
	server, err := f.opt.Database.Server(ctx)
	if err != nil {
		return nil, err
	}
	if server.Identity != f.server.Identity || server.Replica != f.server.Replica {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: f.opt.Config.Database.PlaceOf(""), Message: "the database is another than it was", Remedy: "Find out who has moved it, then scan anew: cooper gc scan"}
	}
	f.server = server
	sights := make([]Sight, len(asked))
	of := map[*Asked]*Sight{}
	by := map[string][]*Asked{}
	for i := range asked {
		of[&asked[i]] = &sights[i]
		by[asked[i].Kind] = append(by[asked[i].Kind], &asked[i])
	}
	// The first reason stands, but a link counts for more.
	see := func(a *Asked, s Sight) {
		if to := of[a]; s.Why != "" && (to.Why == "" || s.Linked && !to.Linked) {
			*to = s
		}
	}
	for name := range by {
		k := f.kinds[name]
		if k == nil {
			return nil, &cooper.Error{Kind: cooper.KindInternal, Where: name, Message: "no such kind of handles is declared"}
		}
		if err := f.rows(ctx, k, by[name], see); err != nil {
			return nil, err
		}
	}
	if err := f.others(ctx, asked, see); err != nil {
		return nil, err
	}
	for _, p := range f.places {
		if err := f.at(ctx, p, by[p.kind.Kind], see); err != nil {
			return nil, err
		}
	}
	return sights, nil
}

// at looks at one place.
func (f *Fence) at(ctx context.Context, p *place, asked []*Asked, see func(*Asked, Sight)) error {
	if len(asked) == 0 {
		return nil
	}
	ids := make([]string, len(asked))
	of := map[string]*Asked{}
	for i, a := range asked {
		ids[i], of[a.ID] = a.ID, a
	}
	list, exact := f.literals(p.class, ids)
	if !exact {
		f.cannot(p.what)
	}
	if len(list) == 0 {
		return nil
	}
	rows, err := f.ask(ctx, fmt.Sprintf(p.sql, strings.Join(list, ", ")))
	if err != nil {
		return err
	}
	for _, row := range rows {
		a := of[normal(p.kind, row[0])]
		if a == nil {
			continue // of a value that the database takes to be equal, and which is not
		}
		s, err := p.judge(ctx, row)
		if err != nil {
			return err
		}
		see(a, s)
	}
	return nil
}

// normal is the normal form of an id in a column; empty for none.
func normal(k *kind, v database.Value) string {
	if v.Class == database.Null || len(v.Data) == 0 {
		return ""
	}
	t := handleid.Text
	switch {
	case k.id == database.Integer || v.Class == database.Integer && k.id != database.Text:
		t = handleid.Integer
	case k.id == database.UUID:
		t = handleid.UUID
	}
	id, bad := t.Parse(string(v.Data))
	if bad != "" {
		return ""
	}
	return id
}
