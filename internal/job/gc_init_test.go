package job

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"cooper"
)

// TestInit: a file is written once, without the password; it is added to, and not changed.
func TestInit(t *testing.T) {
	w := newPlatform(t)
	w.ok(os.Remove(w.path("cooper.yaml")))
	w.sql(`CREATE TABLE "odd name" (id bigint PRIMARY KEY, "of it" bigint REFERENCES files)`)
	u, err := url.Parse(os.Getenv("COOPER_TEST_PLATFORM"))
	w.ok(err)
	secret, ok := u.User.Password()
	if !ok {
		t.Fatal("the test's server has no password")
	}
	init := func(g GCInit) (*GCInitialised, error) {
		g.Config = w.path("cooper.yaml")
		return g.Run(t.Context(), w.Env)
	}
	_, err = init(GCInit{})
	w.refused(err, cooper.KindUsage)
	_, err = init(GCInit{Database: u.String()}) // whose buckets?
	w.refused(err, cooper.KindUsage)
	_, err = init(GCInit{Database: u.String(), Buckets: []string{"app"}, Handles: []string{"posts"}})
	w.refused(err, cooper.KindUsage)
	for _, address := range []string{"host=db user=app password=" + secret + " dbname=shop", "app:" + secret + "@tcp(db)/shop"} {
		_, err = init(GCInit{Database: address, Buckets: []string{"app"}})
		w.refused(err, cooper.KindUsage)
		g := GCInit{Database: address}
		if said := err.Error() + cooper.RemedyOf(err); !strings.Contains(said, "://app:PASSWORD@db/shop") || strings.Contains(said, secret) || !g.HasPassword() {
			t.Errorf("%s: %s", address, said)
		}
	}
	r, err := init(GCInit{Database: u.String(), Buckets: []string{"app"}})
	w.ok(err)
	text, err := os.ReadFile(w.path("cooper.yaml"))
	w.ok(err)
	if !r.Written || string(text) != r.Text || strings.Contains(r.Text, secret) || !strings.Contains(r.Text, "database: postgres:env:COOPER_DATABASE\n") || len(r.Added) != 2 || len(r.Refusals) > 0 {
		t.Errorf("%+v", r)
	}
	t.Setenv("COOPER_DATABASE", u.String())
	_, err = (&GCCheck{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
	w.ok(err)
	_, err = init(GCInit{Buckets: []string{"app"}})
	w.refused(err, cooper.KindUsage)
	if r, err = init(GCInit{}); err != nil || r.Written || len(r.Added) > 0 {
		t.Errorf("once more: %+v, %v", r, err)
	}
	w.sql("CREATE TABLE more (id bigint PRIMARY KEY, file_id bigint REFERENCES files)")
	if r, err = init(GCInit{PlanOnly: true}); err != nil || r.Written || len(r.Added) != 1 {
		t.Errorf("planned: %+v, %v", r, err)
	}
	if r, err = init(GCInit{}); err != nil || !r.Written || !strings.HasPrefix(r.Text, string(text)) {
		t.Errorf("with a table more: %+v, %v", r, err)
	}
	// Nothing that came in the meantime is replaced.
	w.refused(save(w.path("cooper.yaml"), text, []byte("x"), false), cooper.KindRefused)
	if err := save(w.path("cooper.yaml"), nil, []byte("x"), true); err == nil {
		t.Error("a file was replaced by a new one")
	}
}
