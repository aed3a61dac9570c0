package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/store/fault"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// TestFaults rewrites through a proxy that harms a third of all requests, many
// objects at once, while somebody uploads. Every content stays readable, every
// newer upload is there, and what is called rewritten is.
func TestFaults(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			t.Run(fmt.Sprint(mode, versioning), func(t *testing.T) { faults(t, mode, versioning) })
		}
	}
}

func faults(t *testing.T, mode bucketop.Mode, versioning string) {
	w := &world{World: verbtest.New(t, versioning, mem.Options{Clock: time.Now})}
	server := w.Server
	bodies := map[string][]byte{}
	for i := range 40 {
		key := fmt.Sprintf("k%02d", i)
		bodies[key] = codectest.CSV(uint64(i), 500+i*3000)
		server.Put(lab, key, bodies[key], mem.PutOptions{})
	}
	all := server.Versions(lab)
	at, err := url.Parse(verbtest.Serve(t, server))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := fault.New(at, fault.Plan{Seed: 7, MaxRepeat: 2, Rates: map[fault.Kind]float64{
		fault.Error: 0.05, fault.SlowDown: 0.02, fault.Drop: 0.05, fault.Cut: 0.08, fault.Flip: 0.08, fault.Lost: 0.1, fault.Twice: 0.08,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	w.bucket = verbtest.Open(t, verbtest.Serve(t, proxy))
	r := rewriting(versioning)
	r.Mode = mode
	verb := w.verb(r, func(o *Options) { o.Secure = false })

	outs := make([]cooper.Outcome, len(all))
	newer := map[string][]byte{}
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { outs[i] = w.do(verb, all[i]) })
		if i%8 == 3 { // somebody uploads, to the same key or that of the replacement
			key := all[i].Key
			if i%16 == 3 {
				key += ".zst"
			}
			body := []byte("newer " + key)
			newer[key] = body
			wg.Go(func() { server.Put(lab, key, body, mem.PutOptions{}) })
		}
	}
	wg.Wait()
	for i := range all {
		w.sound(t, &all[i], &outs[i], bodies[all[i].Key])
	}
	for key, body := range newer {
		kept := false
		for _, v := range server.Versions(lab) {
			kept = kept || v.Key == key && bytes.Equal(w.Body(key, v.VersionID), body)
		}
		if !kept {
			t.Errorf("a newer upload of %s is lost", key)
		}
	}
	if proxy.Count(fault.Lost) == 0 || proxy.Count(fault.Flip) == 0 || proxy.Count(fault.Cut) == 0 {
		t.Errorf("the proxy did no harm: %v", proxy.Log())
	}
}

// sound checks that the content of a version is where its outcome says, and is
// there at all unless somebody overwrote it.
func (w *world) sound(t *testing.T, v *cooper.Version, o *cooper.Outcome, plain []byte) {
	t.Helper()
	switch {
	case o.Status == cooper.Done && o.Content.State == cooper.Rewritten:
		// An upload that came later may have overwritten it, where no versions are kept.
		b := w.Body(o.Content.Stored.Key, o.Content.Stored.VersionID)
		if !decodes(zstd3, b, plain) && !bytes.HasPrefix(b, []byte("newer ")) {
			t.Errorf("%s: what was rewritten is not there", v.Key)
		}
	case o.Status == cooper.Failed && (o.Kind == cooper.KindChanged || o.Kind == cooper.KindConflict || o.Kind == cooper.KindMissing):
	default:
		t.Errorf("%s: %+v", v.Key, o)
	}
	if b := w.Body(v.Key, v.VersionID); !bytes.Equal(b, plain) && !bytes.HasPrefix(b, []byte("newer ")) && !decodes(zstd3, b, plain) {
		t.Errorf("%s: the original is not there", v.Key)
	}
}

// BenchmarkRewrite is the work on objects of 50 KB, all of it, with a server and
// a client in this process.
func BenchmarkRewrite(b *testing.B) {
	for _, to := range []codec.Chain{zstd3, both} {
		b.Run(to.String(), func(b *testing.B) {
			const objects = 2000
			w := &world{World: verbtest.New(b, "Enabled", mem.Options{Clock: time.Now})}
			server := w.Server
			w.bucket = verbtest.Open(b, verbtest.Serve(b, server))
			for i := range objects {
				server.Put(lab, fmt.Sprint("k", i), encode(b, codec.Chain{Encrypt: to.Encrypt}, codectest.CSV(uint64(i%50), 50_000), 1), mem.PutOptions{})
			}
			versions := server.Versions(lab)
			r := rewriting("Enabled")
			r.Codec = to
			verb := w.verb(r, func(o *Options) { o.Random = nil })
			b.SetBytes(50_000)
			b.ReportAllocs()
			b.ResetTimer()
			b.SetParallelism(32)
			var mu sync.Mutex
			next := 0
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					v := versions[next%objects]
					next++
					mu.Unlock()
					args := bucketop.RewriteArgs{Reason: "test"}
					if o := verb.Do(context.Background(), &cooper.Action{Version: v, Args: args.Encode()}); o.Status != cooper.Done {
						b.Errorf("%+v", o)
					}
				}
			})
		})
	}
}
