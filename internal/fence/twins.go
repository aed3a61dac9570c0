package fence

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/gcstate"
)

// twins finds out whether other handles of an object can be asked for by its key.
func (f *Fence) twins(ctx context.Context) error {
	for _, h := range f.opt.Config.Handles {
		k := f.kinds[h.Kind]
		what := "other handles of the same object"
		if h.Kind != "" {
			what += ": " + h.Kind
		}
		if k.table == nil || h.Key == "" {
			f.cannot(what)
			continue
		}
		c := k.table.Named(f.server.Engine, h.Key)
		if c == nil || c.Class != database.Text {
			f.cannot(what)
			continue
		}
		if cheap, err := f.cheap(ctx, k.table, c); err != nil {
			return err
		} else if !cheap {
			f.cannot(what)
			continue
		}
		k.keys = true
	}
	return nil
}

// object reads which objects a row's handle has: bucket, key and address stand in it one behind the other.
func (k *kind) object(row []database.Value) (all [][2]string) {
	text := func(v database.Value) string {
		if v.Class == database.Null {
			return ""
		}
		return string(v.Data)
	}
	if k.Location == "" {
		bucket := k.Bucket.Constant
		if b := text(row[0]); b != "" {
			bucket = b
		}
		return [][2]string{{bucket, text(row[1])}}
	}
	found, _ := k.hosts.Alone(text(row[2]))
	for _, p := range found.Places {
		all = append(all, [2]string{p.Bucket, p.Key})
	}
	return all
}

// objectSQL are the columns that object reads, with the status.
func (f *Fence) objectSQL(k *kind) string {
	express := func(text string) string {
		if text == "" {
			return "NULL"
		}
		return database.Express(f.server.Engine, k.table, text)
	}
	status := ""
	if k.Status != nil {
		status = k.Status.Column
	}
	return strings.Join([]string{express(k.Bucket.SQL), express(k.Key), express(k.Location), express(status)}, ", ")
}

// rows looks at the handles' own rows: whether they still have the objects that they are taken to
// have.
func (f *Fence) rows(ctx context.Context, k *kind, asked []*Asked, see func(*Asked, Sight)) error {
	ids := make([]string, len(asked))
	of := map[string]*Asked{}
	for i, a := range asked {
		ids[i], of[a.ID] = a.ID, a
	}
	list, _ := f.literals(k.id, ids)
	if len(list) > 0 {
		rows, err := f.ask(ctx, "SELECT "+k.sql+", "+f.objectSQL(k)+" FROM "+k.from+" WHERE "+k.sql+" IN ("+strings.Join(list, ", ")+")")
		if err != nil {
			return err
		}
		for _, row := range rows {
			a := of[normal(k, row[0])]
			if a == nil {
				continue
			}
			if !slices.Contains(k.object(row[1:]), [2]string{a.Bucket, a.Key}) {
				see(a, Sight{Why: "it has another object by now"})
			}
			delete(of, a.ID)
		}
	}
	for _, a := range asked {
		if of[a.ID] != nil {
			see(a, Sight{Why: "its row is gone"})
		}
	}
	return nil
}

// others looks for handles of the same objects that were not asked about, and are not in the archive.
func (f *Fence) others(ctx context.Context, asked []Asked, see func(*Asked, Sight)) error {
	of := map[[2]string][]*Asked{}
	known := map[gcstate.Handle]bool{}
	var keys []string
	for i := range asked {
		a := &asked[i]
		known[a.Handle] = true
		o := [2]string{a.Bucket, a.Key}
		if of[o] == nil {
			keys = append(keys, database.Literal(f.server.Engine, a.Key))
		}
		of[o] = append(of[o], a)
	}
	for _, h := range f.opt.Config.Handles {
		k := f.kinds[h.Kind]
		if !k.keys || len(keys) == 0 {
			continue
		}
		rows, err := f.ask(ctx, "SELECT "+k.sql+", "+f.objectSQL(k)+" FROM "+k.from+" WHERE "+database.Express(f.server.Engine, k.table, h.Key)+" IN ("+strings.Join(keys, ", ")+")")
		if err != nil {
			return err
		}
		for _, row := range rows {
			other := gcstate.Handle{Scope: f.opt.Scope, Kind: h.Kind, ID: normal(k, row[0])}
			if known[other] {
				continue
			}
			if archived, err := f.archived(ctx, k, other, row[4]); err != nil {
				return err
			} else if archived {
				continue
			}
			for _, o := range k.object(row[1:]) {
				for _, a := range of[o] {
					see(a, Sight{Why: "another handle has the same object: " + shown(other)})
				}
			}
		}
	}
	return nil
}

// Object is one by its place.
type Object struct{ Bucket, Key string }

// Named says of objects what names them now, whatever that is; or that it cannot be known, as the handles of a kind cannot be
// asked for by their keys. It is empty where no handle does.
func (f *Fence) Named(ctx context.Context, objects []Object) ([]string, error) {
	if len(objects) > Most {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("%d objects are asked about at once", len(objects))}
	}
	why := make([]string, len(objects))
	if len(objects) == 0 {
		return why, nil
	}
	of := map[[2]string][]int{}
	var keys []string
	for i, o := range objects {
		of[[2]string{o.Bucket, o.Key}] = append(of[[2]string{o.Bucket, o.Key}], i)
		keys = append(keys, database.Literal(f.server.Engine, o.Key))
	}
	for _, h := range f.opt.Config.Handles {
		k := f.kinds[h.Kind]
		if !k.keys {
			what := "which handles"
			if h.Kind != "" {
				what += " of " + h.Kind
			}
			for i := range why {
				why[i] = what + " name it cannot be looked up: their keys have no index, or stand in something else"
			}
			continue
		}
		rows, err := f.ask(ctx, "SELECT "+k.sql+", "+f.objectSQL(k)+" FROM "+k.from+" WHERE "+database.Express(f.server.Engine, k.table, h.Key)+" IN ("+strings.Join(keys, ", ")+")")
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			for _, o := range k.object(row[1:]) {
				for _, i := range of[o] {
					why[i] = "a handle names it: " + shown(gcstate.Handle{Kind: h.Kind, ID: normal(k, row[0])})
				}
			}
		}
	}
	return why, nil
}

// archived tells whether a handle needs its bytes no more, by the state or by its owner.
func (f *Fence) archived(ctx context.Context, k *kind, h gcstate.Handle, status database.Value) (bool, error) {
	if k.Status != nil && status.Class != database.Null {
		if s := gcstate.Status(k.Status.State(status.String())); s == gcstate.Archived || s == gcstate.Deleted {
			return true, nil
		}
	}
	if h.ID == "" {
		return false, nil
	}
	records, err := f.opt.State.Get(ctx, []gcstate.Handle{h})
	if err != nil {
		return false, err
	}
	return records[0].Status == gcstate.Archived || records[0].Status == gcstate.Deleted, nil
}

func shown(h gcstate.Handle) string {
	if h.Kind == "" {
		return h.ID
	}
	return h.Kind + ":" + h.ID
}
