package job

import (
	"errors"
	"io/fs"
	"os"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
)

// registryTable is what the table of a registry is called where nothing else is said.
const registryTable = "file_links"

// GCRegistryDDL writes the SQL of a registry: with the names of a configuration's, or those that
// are meant unless others are said. Nothing is asked of a database.
func GCRegistryDDL(path, engine string) (r gc.RegistrySQL, err error) {
	g := config.NewRegistry()
	g.Table = config.Table{Text: registryTable, Name: registryTable}
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return gc.RegistryFor(engine, g)
	case err != nil:
		return r, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "cannot be read", Err: err}
	}
	c, err := config.Load(path)
	if err != nil {
		return r, err
	}
	if c.Registry != nil {
		g = c.Registry
	}
	return gc.RegistryFor(engine, g)
}
