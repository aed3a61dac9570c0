package job

import (
	"context"
	"slices"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/store"
	"cooper/internal/verb/scan"
)

// How much is read for silent values: rows of a table, and tables of an association.
const (
	silentRows   = 1000
	silentTables = 3
)

// silences counts silent values, in some rows of what is packed: a path that finds nothing is seen before a
// scan of hours. Which ids are those of handles the last scan of the same database knows; before the
// first one nothing is counted. Objects in buckets are not fetched, and commands not run.
func (o *owner) silences(ctx context.Context, parts []GCExplained) (err error) {
	facts := o.gcFacts()
	release, err := facts.Hold(ctx)
	if err != nil {
		return err
	}
	defer finally(&err, release)
	_, last, err := o.scansBy(ctx, o.path)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil
	} else if err != nil {
		return err
	}
	server := o.survey.Server
	if server.Identity != last.Server {
		return nil
	}
	s, err := scan.New(scan.Options{
		Plan: last.ID, Scanning: gcop.Scanning{Config: o.path, Server: last.Server, Time: o.now()}, Config: o.config, Database: o.database, Server: &server, Facts: facts, Clock: o.Clock,
		Store: func(context.Context, string) (store.Reader, error) {
			return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "a check fetches no object"}
		},
	})
	if err != nil {
		return err
	}
	defer finally(&err, s.Close)
	return o.tempDir(func(dir string) error {
		for i, p := range o.survey.Parts {
			if !unpackedHere(p) {
				continue
			}
			for j, t := range p.Tables[:min(len(p.Tables), silentTables)] {
				got, err := s.Sample(ctx, p.Name, t.Name, silentRows, gcfacts.Open(dir))
				if err != nil {
					return err
				}
				parts[i].Tables[j].LookedAt, parts[i].Tables[j].Silent = got.Rows, got.Silent
			}
		}
		return nil
	})
}

// unpackedHere tells whether a part's values are unpacked, and what that takes is at hand.
func unpackedHere(p *gc.Part) bool {
	a := p.Association
	return a != nil && a.Holds == config.Value && !slices.ContainsFunc(a.Unpack.As, func(s config.Step) bool { return s.Name == "exec" })
}
