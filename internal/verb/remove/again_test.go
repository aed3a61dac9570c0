package remove

import (
	"context"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/store/mem"
)

// TestWhatIsWrittenWhileAskingAgain: a removal of a null version came to nothing,
// or its answer was lost, and before it is sent again somebody uploads the key
// anew. That upload must stay, whether its bytes are others or the same.
func TestWhatIsWrittenWhileAskingAgain(t *testing.T) {
	for _, versioning := range []string{"", "Suspended"} {
		for _, guard := range []bucketop.Guard{bucketop.ByETag, bucketop.ByLook} {
			for _, harm := range []string{"lost", "busy"} {
				for _, body := range []string{"1", "other"} {
					for _, key := range []string{"p/k", "p/k\t"} { // the latter goes by a request of its own
						t.Run(strings.Join([]string{versioning, string(guard), harm, body, key}, " "), func(t *testing.T) {
							againOnce(t, versioning, guard, harm, body, key)
						})
					}
				}
			}
		}
	}
}

func againOnce(t *testing.T, versioning string, guard bucketop.Guard, harm, body, key string) {
	w := newWorld(t, versioning, mem.Options{})
	w.put(key, "1")
	w.put("p/l", "2")
	actions := w.actions("p/", versioning)
	for i := range actions {
		actions[i].Args = bucketop.Args{Last: true, Guard: guard, Reason: "test"}.Encode()
	}
	harmed, written := false, false
	w.Before = func(string) {
		if harmed && !written {
			written = true
			w.put(key, body)
		}
	}
	w.Harm = func(request string) string {
		if harmed || !strings.HasPrefix(request, "DeleteObject") || !strings.Contains(request, key+"@") {
			return ""
		}
		harmed = true
		return harm
	}
	outs, err := w.commit(context.Background(), w.target(t.TempDir(), versioning), actions)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := w.Server.Body("lab", key, ""); !ok || string(got) != body {
		t.Errorf("the upload is gone: %q, %v\n%s", got, ok, strings.Join(w.Trace, "\n"))
	}
	if _, there := w.Server.Body("lab", "p/l", ""); there {
		t.Errorf("the other one is still there: %+v", outs)
	}
	for _, o := range outs {
		// The same bytes under the same id: nobody can tell that it is another version.
		if same := o.Key == key && body == "1"; !same && o.Status != cooper.Done || same && (o.Status != cooper.Failed || o.Kind != cooper.KindChanged) {
			t.Errorf("an upload of %q came between, and: %+v", body, o)
		}
	}
}

// TestAskingAgainAndAgain: a store that fails for long, and then not, or never.
func TestAskingAgainAndAgain(t *testing.T) {
	for failures, want := range map[int]string{3: "done", 1000: "store"} {
		w := newWorld(t, "", mem.Options{})
		w.put("p/k", "1")
		actions := w.actions("p/", "")
		actions[0].Args = bucketop.Args{Last: true, Guard: bucketop.ByLook, Reason: "test"}.Encode()
		n := 0
		w.Harm = func(request string) string {
			if !strings.HasPrefix(request, "DeleteObjects") || n == failures {
				return ""
			}
			n++
			return "failing"
		}
		outs, err := w.commit(context.Background(), w.target(t.TempDir(), ""), actions)
		if err != nil || bucketoptest.Statuses(outs) != want {
			t.Errorf("%d failures: %q, %v", failures, bucketoptest.Statuses(outs), err)
		}
		if want == "done" && w.left() != "" {
			t.Errorf("left: %s", w.left())
		}
		if looks, removals := strings.Count(strings.Join(w.Trace, "\n"), "ListObjectVersions"), strings.Count(strings.Join(w.Trace, "\n"), "DeleteObjects"); looks < removals {
			t.Errorf("%d removals after %d looks", removals, looks)
		}
	}
}
