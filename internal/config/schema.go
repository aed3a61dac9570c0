package config

import _ "embed" // for the schema

// Schema is the JSON schema of the file (draft 2020-12), for editors.
//
//go:embed schema.json
var Schema []byte
