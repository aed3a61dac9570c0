package job

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/store/mem"
)

// The machine's own AWS configuration must not decide what tests see.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// world is what a job gets from outside, without any command line: a store in memory, a
// workspace, and somebody who listens.
type world struct {
	*Env
	store *mem.Server
	*ears
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: mem.New(mem.Options{MinPartSize: 1}), ears: &ears{}}
	server := httptest.NewServer(w.store)
	t.Cleanup(server.Close)
	w.Env = &Env{
		Workspace: filepath.Join(t.TempDir(), "ws"), Clock: time.Now, Memory: 256 << 20,
		Stores: &S3{Endpoint: server.URL}, Engine: DuckDB, Listener: w.ears,
	}
	return w
}

// ears hear what a job tells, and answer yes or no.
type ears struct {
	mu     sync.Mutex
	told   []string
	asked  []string
	yes    bool
	doubts int
}

func (e *ears) Tell(level Level, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, fmt.Sprint(level, " ", text))
}

func (e *ears) Follow(*progress.Counters) (stop func()) { return func() {} }

func (e *ears) Begun(id string) { e.Tell(Aside, "begun "+id) }

func (e *ears) ShowPlan(h *plan.Header, _ bool) error {
	e.Tell(Aside, "plan "+h.ID)
	return nil
}

func (e *ears) Ask(_ context.Context, question string) (yes, there bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, question)
	return e.yes, true, nil
}

func (e *ears) Doubt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubts++
}
