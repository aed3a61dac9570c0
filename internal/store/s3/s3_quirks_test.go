package s3

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"cooper/internal/store/mem"
	"cooper/internal/store/storetest"
)

// without says what a store with a quirk cannot do, whatever a client does.
// Everything else of the suite must hold under it.
var without = map[mem.Quirk][]storetest.Feature{
	mem.MarkerIgnored:     {storetest.Paging},
	mem.ListNotEncoded:    {storetest.OddKeys},
	mem.ListNoETag:        {storetest.ListedETags},
	mem.ListOtherTime:     {storetest.ListedTimes},
	mem.RemovesAll:        {storetest.Removals},
	mem.NullStays:         {storetest.NullRemovals},
	mem.NoVersionsAPI:     {storetest.VersionIDs, storetest.Versions, storetest.State},
	mem.VersioningUnknown: {storetest.State},
	mem.VersionsUnknown:   {storetest.Versions},
	mem.VersionsOtherRoot: {storetest.Versions},

	mem.ReadNoETag:      {storetest.ReadETags},
	mem.ETagNoMD5:       {storetest.MD5ETags},
	mem.HeadNullMissing: {storetest.NullHeads},
	mem.HeadNullRefused: {storetest.NullHeads},
	mem.TagCountNever:   {storetest.TagCounts},
	mem.TagsAreContent:  {storetest.Tags},
	mem.TagsUnknown:     {storetest.Tags},

	mem.ChecksumsRefused:    {storetest.Checksums},
	mem.ChecksumsIgnored:    {storetest.Checksums},
	mem.PutMatchFails:       {storetest.Matching},
	mem.PutMatchIgnored:     {storetest.Matching},
	mem.PutMatchUnknown:     {storetest.Matching, storetest.PartConditions},
	mem.PutNoneIgnored:      {storetest.Conditional},
	mem.CompleteUnguarded:   {storetest.PartConditions},
	mem.CompleteNoneIgnored: {storetest.PartConditions},

	mem.CopyUnknown:      {storetest.Copies},
	mem.PartCopyUnknown:  {storetest.CopiedParts},
	mem.CopyOfCurrent:    {storetest.CopiedVersions},
	mem.CopyMatchIgnored: {storetest.CopySources},
	mem.CopyNoneIgnored:  {storetest.CopyConditions},
	mem.CopyLosesTags:    {storetest.CopiedTags},
	mem.RestoreUnknown:   {storetest.Restores},

	mem.NoDeleteObjects:      {storetest.ConditionalRemoval},
	mem.DeleteObjectsInvalid: {storetest.ConditionalRemoval},
	mem.NullRowsFail:         {storetest.NullRemovals, storetest.ConditionalRemoval},
	mem.RowETagIgnored:       {storetest.ConditionalRemoval},

	mem.GrantWithoutID:  {storetest.ACLs},
	mem.SettingsUnknown: {storetest.ACLs, storetest.Locks, storetest.Lifecycles, storetest.Tierings},
}

// amazonAlone are quirks that the client over the SDK does not bear: it serves
// buckets of Amazon's that want another signature, and those have none of them.
var amazonAlone = []mem.Quirk{mem.VersionsOtherRoot, mem.Gunzips, mem.ChecksumsRefused, mem.ChecksumsUnknown}

// borne are the quirks that the lean client bears: all.
func borne() []mem.Quirk {
	var all []mem.Quirk
	for _, q := range mem.Quirks {
		all = append(all, q.Name)
	}
	return all
}

// blind are pairs of quirks under which nobody can know whether what is read is
// what was meant: conditions are of no use, and the answer does not tell either.
var blind = [][2]mem.Quirk{
	{mem.ReadMatchIgnored, mem.ReadNoETag}, {mem.ReadMatchFails, mem.ReadNoETag},
	{mem.ReadMatchFails, mem.HeadNullMissing}, {mem.ReadMatchFails, mem.HeadNullRefused},
}

// quirked is an empty bucket of a server that has the quirks.
func quirked(t *testing.T, change []func(*Config), quirks ...mem.Quirk) storetest.Env {
	const leastPart = 64
	srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", PageSize: 7, MinPartSize: leastPart})
	srv.CreateBucket(testBucket, "")
	srv.SetQuirks(quirks...)
	plain := httptest.NewServer(srv.Plain())
	t.Cleanup(plain.Close)
	url := serve(t, srv)
	b := openTest(t, url, change...)
	b.partSize, b.streamPart = 5<<20, 5<<20
	lacks := map[storetest.Feature]string{storetest.Large: "many quirks, little time"}
	for _, q := range quirks {
		for _, f := range without[q] {
			lacks[f] = fmt.Sprintf("the quirk %q", q)
		}
	}
	for _, both := range blind {
		if slices.Contains(quirks, both[0]) && slices.Contains(quirks, both[1]) {
			lacks[storetest.ReadConditions] = fmt.Sprintf("the quirks %q", both)
		}
	}
	env := envOf(srv, b, url, plain.URL, change)
	env.Lacks, env.LeastPart = lacks, leastPart
	return env
}

func TestConformanceUnderEachQuirk(t *testing.T) {
	for _, q := range borne() {
		t.Run(string(q), func(t *testing.T) {
			for name, change := range clients {
				if name == "SDK" && slices.Contains(amazonAlone, q) {
					continue
				}
				t.Run(name, func(t *testing.T) {
					storetest.Run(t, func(t *testing.T) storetest.Env { return quirked(t, change, q) })
				})
			}
		})
	}
}

// somePairs is how many pairs of quirks a run tries that is no soak.
const somePairs = 24

func TestConformanceUnderPairsOfQuirks(t *testing.T) {
	var pairs [][2]mem.Quirk
	for i, a := range borne() {
		for _, b := range borne()[:i] {
			pairs = append(pairs, [2]mem.Quirk{b, a})
		}
	}
	if os.Getenv("COOPER_SOAK") == "" {
		seed := rand.Uint64()
		t.Logf("%d of %d pairs, drawn with %d", somePairs, len(pairs), seed)
		dice := rand.New(rand.NewPCG(seed, 0))
		dice.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		pairs = pairs[:somePairs]
	}
	for _, p := range pairs {
		t.Run(fmt.Sprintf("%s and %s", p[0], p[1]), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Env { return quirked(t, nil, p[0], p[1]) })
		})
	}
}
