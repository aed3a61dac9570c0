package remove

import (
	"context"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

// world is one with the bucket opened.
type world struct {
	*verbtest.World
	bucket *s3.Bucket
}

func newWorld(t testing.TB, versioning string, o mem.Options) *world {
	t.Helper()
	w := &world{World: verbtest.New(t, versioning, o)}
	w.Line = verbtest.LineOfETags
	b, done := w.Begin()
	t.Cleanup(done)
	w.bucket = b
	return w
}

// put writes a version and gives its id.
func (w *world) put(key, content string) string {
	return w.Server.Put("lab", key, []byte(content), mem.PutOptions{})
}

// actions plans to remove every version below prefix, as the mission would.
func (w *world) actions(prefix, versioning string) []cooper.Action {
	byKey := map[string][]cooper.Version{}
	var keys []string
	for _, v := range w.Server.Versions("lab") {
		if !strings.HasPrefix(v.Key, prefix) {
			continue
		}
		if byKey[v.Key] == nil {
			keys = append(keys, v.Key)
		}
		byKey[v.Key] = append(byKey[v.Key], v)
	}
	slices.Sort(keys)
	var all []cooper.Action
	for _, key := range keys {
		var going []cooper.Action
		sound := true
		for _, v := range byKey[key] {
			args := bucketop.Args{Last: v.Latest, Reason: "test"}
			if v.VersionID == cooper.NullVersion {
				args.Guard = bucketop.ByETag
				if versioning == "Enabled" {
					args.Guard = bucketop.ByLook
				} else if !v.Latest || v.DeleteMarker {
					sound = false
				}
			}
			a := cooper.Action{Verb: bucketop.Remove, Version: v, Args: args.Encode()}
			if v.Latest {
				going = append(going, a)
			} else {
				going = slices.Insert(going, 0, a)
			}
		}
		if sound {
			all = append(all, going...)
		}
	}
	for i := range all {
		all[i].ID = int64(i)
	}
	return all
}

const target = "s3://lab/p/"

func header() plan.Header {
	return plan.Header{ID: "p-1", Target: plan.Target{Kind: bucketop.TargetKind, Path: target}, Phases: []plan.Phase{{Name: "remove", Shards: 1}}}
}

func (w *world) target(dir, versioning string) *Target {
	return New(w.bucket, Options{
		Journal: journal.At(dir), Path: target, Prefix: "p/", Versioning: versioning, Planned: versioning, Jobs: 1,
		Clock: verbtest.Clock,
	})
}

// commit carries out actions as one shard.
func (w *world) commit(ctx context.Context, tg *Target, actions []cooper.Action) ([]cooper.Outcome, error) {
	p := permit.Issue("r-1")
	h := header()
	for i := range actions {
		if actions[i].Args["guard"] == string(bucketop.ByETag) {
			h.Estimate.Requests = map[string]int64{bucketop.ClassProbe: 1}
		}
	}
	if err := tg.Begin(ctx, p, h); err != nil {
		return nil, err
	}
	outs := make([]cooper.Outcome, len(actions))
	for i := range outs {
		outs[i] = cooper.Outcome{Action: actions[i].ID, Verb: bucketop.Remove, Identity: actions[i].Version.Identity, Status: cooper.Done}
	}
	return tg.Commit(ctx, p, apply.Shard{Plan: h.ID, N: 0, Phase: "remove"}, slices.Clone(actions), outs)
}

// left lists what the bucket has, one version a line.
func (w *world) left() string { return w.Left(nil) }
