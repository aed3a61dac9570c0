package shell

import (
	"github.com/spf13/cobra"

	"cooper/internal/job"
)

// RegisterKeys adds the flags that say where the keys of an application's encryption come
// from; of says of which commands' plans, empty for this command's own.
func RegisterKeys(cmd *cobra.Command, k *job.Keys, of string) {
	fl := cmd.Flags()
	fl.StringVar(&k.From, "keys", "", "keys of the application's encryption by prefix: a file, exec:COMMAND, or postgres://USER@HOST/DATABASE"+of)
	fl.StringVar(&k.Query, "keys-query", "", "with --keys postgres://…: SQL that answers with the columns prefix and key, and perhaps expect"+of)
	fl.StringArrayVar(&k.Expect, "expect", nil, "what contents look like, as PATTERN=CONTENT, so that a wrong key is found: */gps/=csv:HEADER, */identifiers/=text, … (may be repeated)"+of)
}
