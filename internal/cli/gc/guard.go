package gc

import (
	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/serve"
	"cooper/internal/term"
)

func (a family) guardCmd() *cobra.Command {
	var g job.GCGuard
	cmd := &cobra.Command{
		Use:   "guard --listen ADDRESS",
		Short: "Say where files can be read, and raise an alarm for those that should not be",
		Long: `Answers over HTTP until it is stopped: GET /v1/resolve/ID (or KIND/ID, where there are
kinds of handles) gives a presigned address of the file, for GET alone and for a short
time; with ?redirect it leads there. It changes nothing. A file that nothing links to and
that is asked for all the same is an alarm: a fact in the ledger, which keeps the file from
being archived, and an event (gc events). What is in the archive is told with how to bring
it back. docs/gc-guard.md has the answers.

It answers this machine alone, unless there are a file of tokens and TLS, here (--tls-cert,
--tls-key) or in front of it (--proxied). Each request is a line of JSON on the standard
output. The file of tokens and the certificate are read again when they change.`,
		Example: "  cooper gc guard --listen 127.0.0.1:8380\n  cooper gc guard token portal --tokens tokens --prefix s3://example-data\n" +
			"  cooper gc guard --listen :8380 --tokens tokens --tls-cert cert.pem --tls-key key.pem",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := a.Env()
			if err != nil {
				return err
			}
			g.Serve.Log = a.Stdout
			g.Listening = func(url string) error { return a.Emit(map[string]string{"listening": url}) }
			return g.Run(cmd.Context(), e)
		},
	}
	configFlag(cmd, &g.Config)
	fl := cmd.Flags()
	fl.StringVar(&g.Serve.Listen, "listen", "127.0.0.1:8380", "where to listen, as HOST:PORT")
	fl.StringVar(&g.Serve.Tokens, "tokens", "", "the file with the clients' tokens")
	fl.StringVar(&g.Serve.Cert, "tls-cert", "", "the certificate for TLS, in PEM")
	fl.StringVar(&g.Serve.Key, "tls-key", "", "the key of the certificate, in PEM")
	fl.BoolVar(&g.Serve.Proxied, "proxied", false, "a proxy in front does TLS, and nobody else reaches the address")
	fl.Float64Var(&g.Serve.Limits.Rate, "rate", serve.Careful().Rate, "how many requests a second a client may make")
	fl.DurationVar(&g.For, "for", 0, "how long an address is good, 15m at most (default 15m)")
	cmd.AddCommand(a.tokenCmd())
	return cmd
}

func (a family) tokenCmd() *cobra.Command {
	var tokens string
	var prefixes []string
	cmd := &cobra.Command{
		Use:   "token NAME --tokens FILE --prefix s3://BUCKET/PREFIX",
		Short: "Make a token for a client of the guard",
		Long: `Makes a token, adds its hash to a file, which is made if it is not there, and prints the
token: it stands nowhere else. The client sends it as "Authorization: Bearer TOKEN", and
may ask for objects under the prefixes; s3:// is all of them. A guard that runs knows it
within a second. To take a token back, take its line out of the file.`,
		Example: "  cooper gc guard token portal --tokens tokens --prefix s3://example-data/public",
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE: func(_ *cobra.Command, args []string) error {
			if tokens == "" || len(prefixes) == 0 {
				return shell.Usage("a token needs a file to stand in, and prefixes", "Give --tokens and --prefix.")
			}
			token, err := serve.AddToken(tokens, args[0], prefixes)
			switch {
			case err != nil:
				return err
			case a.JSON:
				return a.Emit(map[string]string{"name": args[0], "token": token})
			}
			a.Say("%s", term.Clean(token))
			return nil
		},
	}
	cmd.Flags().StringVar(&tokens, "tokens", "", "the file with the clients' tokens")
	cmd.Flags().StringArrayVar(&prefixes, "prefix", nil, "what the client may ask for, as s3://BUCKET/PREFIX; may be given again")
	return cmd
}
