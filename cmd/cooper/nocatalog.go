package main

import (
	"context"
	"io"

	"cooper/internal/tree/catalog"
)

// noCatalog stands for the catalog of a tree that does not exist yet, so that
// a backup to it can be planned without making it.
type noCatalog struct{}

func (noCatalog) State() catalog.State { return catalog.State{Generation: catalog.FirstGeneration} }

func (noCatalog) Rows(context.Context, string) catalog.Iterator { return noRows{} }

type noRows struct{}

func (noRows) Next() (*catalog.Row, error) { return nil, io.EOF }

func (noRows) Close() error { return nil }
