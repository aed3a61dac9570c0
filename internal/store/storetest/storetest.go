// Package storetest is the conformance suite of the interfaces in package
// store: what every implementation must do, over every server it meets.
//
// It promises that an implementation which passes can be trusted with versions:
// bytes come from the version that was asked for, conditions refuse, listings
// are whole, kinds of errors are the ones missions and verbs rely on. What a
// server cannot do is named by the caller, with the reason, and skipped. Faults
// of the network are left to package fault, timing and retries to the
// implementation's own tests.
package storetest

import (
	"context"
	"testing"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// Feature is something that not every server can do.
type Feature string

// The features.
const (
	Classes     Feature = "storage classes"
	OddKeys     Feature = "keys that are neither paths nor XML"
	NestedKeys  Feature = "a key that others lie under"
	Checksums   Feature = "checksums in answers"
	Conditional Feature = "conditions on writes"
	// MarkerConditions is an If-Match that fails where a delete marker is current.
	MarkerConditions Feature = "conditions on writes over delete markers"
	// ConditionalRemoval is an If-Match on removals that is heeded.
	ConditionalRemoval Feature = "If-Match on removals"

	// Matching is an If-Match on PUT that is heeded, and no other refused.
	Matching Feature = "If-Match on writes"
	// PartConditions are conditions at the end of uploads in parts.
	PartConditions Feature = "conditions on uploads in parts"

	VersionIDs  Feature = "version ids"
	Versions    Feature = "listings of versions"
	State       Feature = "an answer to what versioning is"
	Paging      Feature = "pages that go on after a marker"
	ListedETags Feature = "ETags in listings"
	ListedTimes Feature = "times in listings that are those of reads"
	// ReadConditions are ETags in reads: heeded by the server, or told by it.
	ReadConditions Feature = "conditions on reads"
	ReadETags      Feature = "ETags in answers to reads"
	MD5ETags       Feature = "ETags that are MD5s"
	TagCounts      Feature = "counts of tags"
	NullHeads      Feature = "HEAD of null versions"
	Removals       Feature = "removal of one version alone"
	NullRemovals   Feature = "removal of null versions"
	// Large are objects of several MiB: it is time that is lacking.
	Large Feature = "large objects"

	// Copies are made by the server itself, CopiedParts those of parts.
	Copies         Feature = "copies"
	CopiedParts    Feature = "copies of parts"
	CopiedVersions Feature = "copies of the version that is named"
	// CopiesBeside leave a version as it was that was copied onto itself.
	CopiesBeside Feature = "copies onto themselves as further versions"
	CopiedTags   Feature = "tags of copies"
	// CopySources are conditions on the source of a copy, CopyConditions those on what
	// it takes the place of.
	CopySources    Feature = "conditions on sources of copies"
	CopyConditions Feature = "conditions on copies"
	Restores       Feature = "restores"
	Lifecycles     Feature = "lifecycle rules"
	Tierings       Feature = "configurations of Intelligent-Tiering"

	Redirects  Feature = "redirects of websites"
	Encryption Feature = "a choice of encryption"
	Locks      Feature = "object lock"
	Tags       Feature = "tags"
	ACLs       Feature = "ACLs"
)

// Env is one store under test, bound to an empty bucket that never had
// versioning.
type Env struct {
	Reader   store.Reader
	Writer   store.Writer
	Lister   store.Lister
	Archiver store.Archiver
	Uploads  store.Uploads
	Streamer store.Streamer
	// Describer tells what Head does not.
	Describer store.Describer
	Remover   store.Remover
	Copier    store.Copier
	TagWriter store.TagWriter
	Locks     store.Locks
	Rules     store.Rules
	// Source is the same bucket for who copies from it.
	Source store.Source
	// Elsewhere makes another bucket of the server.
	Elsewhere func(t *testing.T) (store.Source, *Client)
	// Archive moves a version of Intelligent-Tiering to an archive tier; nil if nobody
	// can.
	Archive func(key, version, tier string)
	// LeastPart is the least size of parts of an upload, in bytes; 5 MiB if 0.
	LeastPart int
	// Presigner may be nil: then nobody can sign addresses.
	Presigner store.Presigner
	// Permit is one that was issued.
	Permit permit.Permit
	// Seed reaches the same bucket another way.
	Seed *Client
	// PageSize is how many rows the server gives in a page; the suite fills
	// more than two. 1000 if 0.
	PageSize int
	// CompleteRestore finishes a restore that was requested; nil if nobody can.
	CompleteRestore func(key, version string)
	// EnableLock enables object lock; nil where Locks are lacking.
	EnableLock func()
	// EnableACLs makes ACLs count; nil where they are lacking.
	EnableACLs func()
	// Lacks says what the server cannot do, and why.
	Lacks map[Feature]string
}

// need skips the test if the server lacks a feature.
func (e Env) need(t *testing.T, f Feature) {
	t.Helper()
	if why, lacks := e.Lacks[f]; lacks {
		t.Skipf("no %s here: %s", f, why)
	}
}

// lacks tells whether the server lacks a feature.
func (e Env) lacks(f Feature) bool {
	_, lacks := e.Lacks[f]
	return lacks
}

// enable switches versioning on.
func (e Env) enable(t *testing.T) {
	t.Helper()
	e.need(t, VersionIDs)
	e.Seed.SetVersioning(t, "Enabled")
}

// Run tests the store that env makes; it is called once for each test.
func Run(t *testing.T, env func(t *testing.T) Env) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, e Env)
	}{
		{"get by version", getByVersion},
		{"get says what it is", getDescribes},
		{"get an empty object", getEmpty},
		{"get ranges", getRanges},
		{"get what is encoded", getEncoded},
		{"get many at once", getManyAtOnce},
		{"get after a body was left", getAfterLeftBody},
		{"cancelled get", getCancelled},
		{"null version, never versioned", nullNeverVersioned},
		{"null version, suspended", nullSuspended},
		{"If-Match refuses", ifMatchRefuses},
		{"missing", missing},
		{"delete marker", deleteMarker},
		{"head", head},
		{"head a part", headPart},
		{"put", put},
		{"put if nothing is there", putIfNoneMatch},
		{"put if it matches", putIfMatch},
		{"put on both conditions", putOnBothConditions},
		{"put in parts", putInParts},
		{"put with headers", putDescribed},
		{"put a redirect", putRedirect},
		{"put into a storage class", putClass},
		{"put encrypted", putEncrypted},
		{"put under a lock", putLocked},
		{"stream in parts", streamParts},
		{"stream little", streamLittle},
		{"stream under conditions", streamConditions},
		{"stream given up", streamGivenUp},
		{"tags", tags},
		{"tags of a store without tags", noTags},
		{"grants", grants},
		{"settings", settings},
		{"odd keys", oddKeys},
		{"keys that are neither paths nor XML", impossiblePaths},
		{"nested keys", nestedKeys},
		{"versioning", versioning},
		{"list", listPages},
		{"list nothing", listNothing},
		{"list many versions of one key", listOneKey},
		{"list with a delimiter", listDelimiter},
		{"list agrees with head", listAgrees},
		{"list without versions", listVersionless},
		{"list in circles", listInCircles},
		{"unfinished uploads", unfinishedUploads},
		{"unfinished uploads in pages", uploadsInPages},
		{"parts of an upload in pages", partsInPages},
		{"an upload that has ended", endedUpload},
		{"aborted uploads", abortedUploads},
		{"archived", archived},
		{"restore", restore},
		{"restore for good", restoreForGood},
		{"restore at a store that does not", restoreUnknown},
		{"copy", copyVersion},
		{"copy at a store that does not", copyUnknown},
		{"copy under conditions", copyConditions},
		{"copy onto itself", copyOntoItself},
		{"copy odd keys", copyOddKeys},
		{"copy what is encrypted", copyEncrypted},
		{"copy what is archived", copyArchived},
		{"copy in parts", copyInParts},
		{"copy what must not be", copyRefused},
		{"write tags", writeTags},
		{"write tags that no store takes", writeOddTags},
		{"read locks", readLocks},
		{"lifecycle", lifecycleRules},
		{"tiering", tieringRules},
		{"presigned addresses", presigned},
		{"remove versions", removeVersions},
		{"remove many versions", removeManyVersions},
		{"remove null versions", removeNull},
		{"remove odd keys", removeOddKeys},
		{"remove what must not be", removeRefused},
		{"remove if it matches", removeIfMatch},
		{"remove probes", removeProbes},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, env(t)) })
	}
}

// patience bounds every request of the suite, so that a hang is a failure and
// not the end of the test binary.
const patience = 2 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// wantKind fails the test unless err is of the kind.
func wantKind(t *testing.T, what string, err error, kind cooper.Kind) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error, want kind %q", what, kind)
	case cooper.KindOf(err) != kind:
		t.Errorf("%s: kind %q, want %q: %v", what, cooper.KindOf(err), kind, err)
	}
}
