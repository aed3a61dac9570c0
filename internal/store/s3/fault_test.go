package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/fault"
)

// Through a proxy that harms a third of all requests, everything is written,
// listed and read whole. Only bodies are the caller's to repeat, as a verb does.
func TestThroughFaults(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		target, err := url.Parse(serve(t, srv))
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := fault.New(target, fault.Plan{Seed: 7, Burst: 5, Rates: map[fault.Kind]float64{
			fault.Error: 0.08, fault.SlowDown: 0.02, fault.TooMany: 0.02, fault.Drop: 0.06, fault.Cut: 0.04,
			fault.Flip: 0.02, fault.Twice: 0.04, fault.Lost: 0.06,
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		b := openTest(t, serve(t, proxy), change...)
		b.partSize = 64 << 10
		const n = 60
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				key, body := fmt.Sprintf("k %03d", i), bytes.Repeat([]byte{byte(i)}, i*4<<10)
				o, err := b.Put(t.Context(), store.Put{Key: key, Size: int64(len(body)), Body: bytes.NewReader(body), IfNoneMatch: true})
				if err != nil {
					t.Errorf("put %s: %v", key, err)
					return
				}
				readWhole(t, b, store.Ref{Key: key, VersionID: o.VersionID, IfMatch: o.ETag}, body)
			})
		}
		wg.Wait()
		got := 0
		err = b.List(t.Context(), store.ListQuery{}, func(vs []cooper.Version, _ []string) error {
			for _, v := range vs {
				if v.Key != fmt.Sprintf("k %03d", got) {
					return fmt.Errorf("row %d is %s", got, v.Key)
				}
				got++
			}
			return nil
		})
		// A request that was delivered twice may have made two versions of a
		// key, but never under If-None-Match.
		if err != nil || got != n {
			t.Errorf("%d rows, %v", got, err)
		}
		t.Logf("%d faults, %+v", len(proxy.Log()), b.Usage())
		if len(proxy.Log()) < 50 {
			t.Errorf("only %d faults: the test is worth little", len(proxy.Log()))
		}
	})
}

// readWhole reads a version as a verb would: again, while the body is cut or
// its bytes are not what the store vouches for.
func readWhole(t *testing.T, b *Bucket, ref store.Ref, want []byte) {
	t.Helper()
	for range 20 {
		_, rc, err := b.Get(t.Context(), ref, store.Range{})
		if err != nil {
			t.Errorf("get %s: %v", ref.Key, err)
			return
		}
		got, err := io.ReadAll(rc)
		_ = rc.Close()
		switch {
		case err != nil && cooper.KindOf(err) != cooper.KindStore:
			t.Errorf("get %s: %v", ref.Key, err)
			return
		case err == nil && bytes.Equal(got, want):
			return
		case err == nil && hex.EncodeToString(sum(got)) == ref.IfMatch:
			t.Errorf("get %s: other bytes, and nobody would have noticed", ref.Key)
			return
		}
	}
	t.Errorf("get %s: never whole", ref.Key)
}

func sum(b []byte) []byte {
	s := md5.Sum(b)
	return s[:]
}
