package job

import (
	"context"

	"cooper/internal/config"
	"cooper/internal/linkrule"
)

// GCRule writes the rule that an owner's database has to keep for a declaration, as triggers. They are run
// by nobody here.
type GCRule struct {
	// Config is the path of the configuration.
	Config string
}

// DDL asks the primary for its tables, as they are now.
func (g *GCRule) DDL(ctx context.Context, e *Env) (r *linkrule.Rules, err error) {
	c, err := config.Load(g.Config)
	if err != nil {
		return nil, err
	}
	err = e.begin(func(w *work) (err error) {
		db, err := w.openAt(ctx, c, &c.Database)
		if err != nil {
			return err
		}
		defer finally(&err, db.Close)
		r, err = linkrule.For(ctx, db, c)
		return err
	})
	return r, err
}
