package main

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/codec"
	"cooper/internal/keyring"
	"cooper/internal/postgres"
	"cooper/internal/term"
)

// secretFlags say where the keys of an application's encryption come from.
type secretFlags struct {
	from, query string
	expect      []string
}

func (f *secretFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.from, "keys", "", "keys of the application's encryption by prefix: a file, exec:COMMAND, or postgres://USER@HOST/DATABASE")
	fl.StringVar(&f.query, "keys-query", "", "with --keys postgres://…: SQL that answers with the columns prefix and key, and perhaps expect")
	fl.StringArrayVar(&f.expect, "expect", nil, "what contents look like, as PATTERN=CONTENT, so that a wrong key is found: */gps/=csv:HEADER, */identifiers/=text, … (may be repeated)")
}

// open reads the keys; nil if none are named.
func (f *secretFlags) open(ctx context.Context, a *app) (codec.Keys, error) {
	if err := f.check(); err != nil || f.from == "" {
		return nil, err
	}
	opt := keyring.Options{From: f.from, Expect: f.expect}
	if postgres.IsURL(f.from) {
		opt.Rows = postgres.Keys(ctx, f.from, f.query)
	}
	ring, warnings, err := keyring.Load(ctx, opt)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		a.caution("%s", term.Clean(w))
	}
	return ring, nil
}

func (f *secretFlags) check() error {
	sql := postgres.IsURL(f.from)
	switch {
	case sql && f.query == "":
		return usage("--keys names a database, and nothing says what to ask it", `Add --keys-query "SELECT object_id || '/' AS prefix, encryption_key AS key FROM …".`)
	case !sql && f.query != "":
		return usage("--keys-query is for --keys postgres://…", "Leave it out, or name a database.")
	case f.from == "" && len(f.expect) > 0:
		return usage("--expect is for encrypted contents, and no keys are named", "Add --keys, or leave it out.")
	}
	return nil
}
