package bucket

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/cli/shell"
	"cooper/internal/codec"
	"cooper/internal/compress"
	"cooper/internal/job"
)

// compressFlags say what to compress in a bucket, and how.
type compressFlags struct {
	source                      job.Source
	prefixFlag, match, minSize  string
	codec, mode, originals, sse string
	verify, cipher, prices      string
	protect                     []string
	unguarded, again            bool
	withoutTags, ranged         bool
	planOnly, yes               bool
	sample                      int
	sampleBytes                 string
	apply                       shell.Apply
}

func (a family) compressCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "compress", Short: "Compress the objects of a bucket, each proven before its original goes",
		Example: "  cooper compress estimate s3://bucket --list\n  cooper compress run s3://bucket/logs/ --list"}
	cmd.AddCommand(a.compressEstimateCmd(), a.compressPlanCmd(), a.compressRunCmd())
	return shell.Group(cmd)
}

const compressLong = `Each object is read, compressed while its content is hashed, and decoded again from
the very bytes that are sent; the store vouches for having received these. Only then
goes the original, exactly the version that was read. An upload that is newer wins
and is left alone. What does not shrink, or is compressed already, is left as it is,
and remembered.

--mode suffix writes KEY.zst beside KEY, if nothing is there or what is there has the
same content. --mode in-place replaces KEY, with Content-Encoding: zstd; it demands
versioning, or a store that a probe has seen refuse to overwrite anything newer.

With --cipher the contents are encrypted by the application that stores them. Keys
come by prefix from --keys; what contents look like is declared by --expect or with
the keys, so that a wrong key is found before anything is written. Nothing below
*/keys/ is touched then.

Content type, metadata, tags, storage class, ACL and lock are kept; --sse says what
becomes of the encryption at rest.`

func (a family) compressPlanCmd() *cobra.Command {
	f := compressFlags{planOnly: true}
	cmd := &cobra.Command{
		Use:   "plan s3://BUCKET[/PREFIX/]",
		Short: "Plan what to compress; touch nothing",
		Long:  "Takes a snapshot, chooses objects, and writes a plan to the workspace.\n\n" + compressLong,
		Example: `  cooper compress plan s3://bucket --inventory s3://reports/daily/ --match '\.csv$'
  cooper plan show latest --actions
  cooper apply latest`,
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.compress(cmd.Context(), args[0], &f) },
	}
	f.register(cmd)
	return cmd
}

func (a family) compressRunCmd() *cobra.Command {
	var f compressFlags
	cmd := &cobra.Command{
		Use:   "run s3://BUCKET[/PREFIX/]",
		Short: "Plan what to compress, ask, and do it",
		Long: compressLong + `

It shows the plan and asks. It can be killed at any instant: cooper apply ID goes
on. Exit codes: 0 done; 1 wrong use; 2 the run failed; 3 done, but some objects
could not be compressed; 4 refused for safety; 130 interrupted.`,
		Example: `  cooper compress run s3://bucket/logs/ --list
  cooper compress run s3://bucket --snapshot latest --match '\.(csv|json)$' --sse AES256 --yes
  cooper compress run s3://bucket --list --mode in-place --originals keep
  cooper compress run s3://bucket --list --cipher aes256-cfb8 --keys keys.jsonl \
    --expect '*/*/gps/=csv:timestamp,UTC time,latitude,longitude,altitude,accuracy'
  cooper start --nice -- compress run s3://bucket --snapshot latest --yes`,
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.compress(cmd.Context(), args[0], &f) },
	}
	f.register(cmd)
	a.RunFlags(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	fl.BoolVar(&f.yes, "yes", false, "do not ask, as in a script")
	f.registerApply(cmd)
	cmd.MarkFlagsMutuallyExclusive("plan-only", "yes")
	shell.EndsWithPlan(cmd)
	return cmd
}

func (a family) compressEstimateCmd() *cobra.Command {
	var f compressFlags
	cmd := &cobra.Command{
		Use:   "estimate s3://BUCKET[/PREFIX/]",
		Short: "Try a sample out: what would compressing save, cost and take?",
		Long: `Takes a snapshot, reads a sample of what compress run would compress with the same
flags, tries several levels out, and tells what the whole would come to: bytes with an
interval in which the truth lies with a probability of 95 %, requests and what they
cost, how long it takes, what it saves a month, and when that is worth it. It changes
nothing. The sample takes from each kind of object (by suffix, size and storage
class), and most from where most bytes are.`,
		Example: `  cooper compress estimate s3://bucket --list
  cooper compress estimate s3://bucket --snapshot latest --sample 5000 --json | jq .estimate.codecs
  cooper compress estimate s3://bucket --list --sse AES256 --prices ours.json`,
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.estimate(cmd.Context(), args[0], &f) },
	}
	f.register(cmd)
	a.RunFlags(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.sample, "sample", 1000, "objects to try out, at most")
	fl.StringVar(&f.sampleBytes, "sample-bytes", "1GiB", "bytes to read for it, at most; of large objects only the beginning is read")
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan of the sample and stop")
	f.registerApply(cmd)
	return cmd
}

func (f *compressFlags) registerApply(cmd *cobra.Command) {
	f.apply.RegisterJobs(cmd, "missing, denied, changed, corrupt, conflict, invalid, timeout, store", "objects worked on", compressJobs)
}

// compressJobs is how many objects are worked on at once.
const compressJobs = 64

// The values that flags of compress take.
var (
	compressModes     = []string{string(bucketop.Suffix), string(bucketop.InPlace)}
	compressOriginals = []string{string(bucketop.RemoveOriginals), string(bucketop.KeepOriginals)}
	compressProofs    = []string{string(bucketop.AsSent), string(bucketop.ReadBack)}
	compressSSE       = []string{bucketop.SSEKeep, bucketop.SSEDefault, bucketop.SSEAES, bucketop.SSEKMS}
	compressCiphers   = []string{string(codec.AES256CFB8)}
)

func (f *compressFlags) register(cmd *cobra.Command) {
	f.apply.Jobs = compressJobs
	shell.RegisterSource(cmd, &f.source, shell.UseSnapshot)
	fl := cmd.Flags()
	fl.StringVar(&f.prefixFlag, "prefix", "", "only what lies below this prefix, which ends in a slash")
	fl.StringVar(&f.match, "match", "", "only keys that this regular expression (RE2) matches somewhere")
	fl.StringVar(&f.minSize, "min-size", "512", "leave smaller objects alone: 512, 4KiB")
	fl.StringVar(&f.codec, "codec", "zstd:3", "how to compress: "+codec.Levels()+", the fastest to the smallest")
	fl.StringVar(&f.mode, "mode", string(bucketop.Suffix), "where compressed objects go: suffix (KEY.zst) or in-place")
	fl.StringVar(&f.originals, "originals", string(bucketop.RemoveOriginals), "what becomes of originals: remove or keep")
	fl.StringVar(&f.sse, "sse", bucketop.SSEKeep, "encryption at rest: keep (as each original has it), bucket-default, AES256, or kms:KEY")
	fl.StringVar(&f.verify, "verify", string(bucketop.AsSent), "prove what is sent, or also read it back from the store: sent or readback")
	fl.StringArrayVar(&f.protect, "protect", nil, "never anything below this prefix, where * stands for any one folder (may be repeated; with --cipher also */keys/)")
	fl.BoolVar(&f.unguarded, "unguarded", false, "also remove originals that the store cannot keep apart from an upload in the instant of their removal")
	fl.BoolVar(&f.again, "again", false, "also what an earlier run has left as not worth it")
	fl.BoolVar(&f.withoutTags, "without-tags", false, "go on without the right to read tags: what has some loses them")
	fl.BoolVar(&f.ranged, "ranged", false, "also files that programs read by ranges (Parquet, ORC, HDF5, TIFF, zip, tar, …): these open again only once decompressed")
	fl.StringVar(&f.cipher, "cipher", "", "the encryption that the application puts around its contents: aes256-cfb8")
	fl.StringVar(&f.prices, "prices", "", "table of prices (JSON; see docs/formats/prices.md)")
	f.apply.RegisterMoved(cmd)
	shell.RegisterKeys(cmd, &f.apply.Keys, "")
	for name, values := range map[string][]string{"mode": compressModes, "originals": compressOriginals, "verify": compressProofs, "sse": compressSSE, "cipher": compressCiphers, "codec": {"zstd:1", "zstd:3", "zstd:9", "zstd:19"}} {
		shell.Values(cmd, name, values...)
	}
}

// minSaving is the share of an object that compressing must save.
const minSaving = 0.05

// checked looks at arguments and flags before anything is opened, and makes a job of
// them.
func (f *compressFlags) checked(arg string) (*job.Compress, error) {
	bucket, prefix, err := cooper.ParseURL(arg)
	if err != nil {
		return nil, err
	}
	if prefix != "" && f.prefixFlag != "" {
		return nil, shell.Usage("a prefix stands in the URL and in --prefix", "Give one of them.")
	}
	prefix += f.prefixFlag
	for _, check := range []func() error{f.source.Check, f.apply.Check, f.apply.Keys.Check} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	size, ok := shell.ParseBytes(f.minSize)
	if !ok {
		return nil, shell.Usage("--min-size "+cooper.Quote(f.minSize)+" is not a size", "Give it like 512 or 4KiB.")
	}
	chain, err := f.chain()
	if err != nil {
		return nil, err
	}
	protect := bucketop.Protection(f.protect)
	if chain.Encrypt != codec.Clear && !slices.Contains(protect, compress.KeyFolders) {
		protect = append(protect, compress.KeyFolders)
	}
	p := compress.Policy{
		Prefix: prefix, Match: f.match, MinSize: size, Protect: protect, Expect: f.apply.Keys.Expect, Again: f.again, WithoutTags: f.withoutTags,
		Rewriting: bucketop.Rewriting{
			Codec: chain, Mode: bucketop.Mode(f.mode), Originals: bucketop.Originals(f.originals), SSE: f.sse, Proof: bucketop.Proof(f.verify),
			MinSaving: minSaving, Unguarded: f.unguarded, Ranged: f.ranged,
		},
	}
	// What the bucket is like shows later, and must not matter yet.
	early := p
	early.Rewriting.Versioning = "Enabled"
	return &job.Compress{
		Bucket: bucket, Prefix: prefix, Source: f.source, Policy: p, Prices: f.prices, PlanOnly: f.planOnly, Yes: f.yes, Options: f.apply.Options,
	}, early.Check()
}

// chain is how objects are to be stored.
func (f *compressFlags) chain() (c codec.Chain, err error) {
	if c.Compress, err = codec.ParseCompression(f.codec); err != nil {
		return c, shell.Usage("--codec "+cooper.Quote(f.codec)+" is not known", "Give one of "+codec.Levels()+"; the higher, the smaller and the slower.")
	}
	switch {
	case f.cipher == "" && f.apply.Keys.From != "":
		return c, shell.Usage("--keys is given, but not --cipher", fmt.Sprintf("Add --cipher %s, or leave the keys out.", codec.AES256CFB8))
	case f.cipher == "":
		return c, nil
	case !slices.Contains(compressCiphers, f.cipher):
		return c, shell.Usage("--cipher "+cooper.Quote(f.cipher)+" is not known", fmt.Sprintf("It is %s.", codec.AES256CFB8))
	case f.apply.Keys.From == "":
		return c, job.NoKeys("--cipher " + f.cipher)
	}
	c.Encrypt = codec.Cipher(f.cipher)
	return c, nil
}

// compress carries out compress run and compress plan.
func (a family) compress(ctx context.Context, arg string, f *compressFlags) error {
	c, err := f.checked(arg)
	if err != nil {
		return err
	}
	return a.run(ctx, c)
}

// alsoTried are levels that an estimate compares with the one that is asked for.
var alsoTried = []string{"zstd:1", "zstd:3", "zstd:9"}

// estimate tries a sample out.
func (a family) estimate(ctx context.Context, arg string, f *compressFlags) error {
	c, err := f.checked(arg)
	if err != nil {
		return err
	}
	bytes, ok := shell.ParseBytes(f.sampleBytes)
	if !ok {
		return shell.Usage("--sample-bytes is not a size", "Give it like 1GiB.")
	}
	sampling := compress.Sampling{Objects: f.sample, Bytes: bytes, Try: []string{c.Policy.Rewriting.Codec.Compress.String()}}
	for _, x := range alsoTried {
		if !slices.Contains(sampling.Try, x) {
			sampling.Try = append(sampling.Try, x)
		}
	}
	c.Policy.Sampling = &sampling
	return a.run(ctx, c)
}
