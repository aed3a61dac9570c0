package job

import (
	"net/http"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/store"
)

// TestLifecycle: our rules stand beside those that the bucket has, in the place of what we have written before, and never over
// manifests.
func TestLifecycle(t *testing.T) {
	w := longArchived(t, deleteYAML)
	put(t, w, "depot", `<LifecycleConfiguration><Rule><ID>theirs</ID><Status>Enabled</Status><Filter><And><Prefix>x/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter><Expiration><Days>3</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>4</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule><Rule><ID>cooper-archive-lab</ID><Status>Enabled</Status><Filter><Prefix>lab/</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`)
	l := &GCLifecycle{Config: w.path("cooper.yaml"), Moves: []GCMove{{90, "DEEP_ARCHIVE"}}, Expire: true}
	rules, differs, err := l.Run(t.Context(), w.Env)
	w.ok(err)
	b, err := rules.JSON()
	w.ok(err)
	const want = `{"Rules":[{"ID":"theirs","Status":"Enabled","Filter":{"And":{"Prefix":"x/","Tags":[{"Key":"k","Value":"v"}],"ObjectSizeGreaterThan":5}},"Expiration":{"Days":3},"NoncurrentVersionExpiration":{"NoncurrentDays":4,"NewerNoncurrentVersions":2},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}},` +
		`{"ID":"cooper-archive-lab","Status":"Enabled","Filter":{"Prefix":"lab/"},"Transitions":[{"Days":90,"StorageClass":"DEEP_ARCHIVE"}],"Expiration":{"Days":30},"NoncurrentVersionTransitions":[{"NoncurrentDays":90,"StorageClass":"DEEP_ARCHIVE"}],"NoncurrentVersionExpiration":{"NoncurrentDays":30}}]}`
	if got := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(string(b)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if !strings.Contains(differs[0], "not been applied") || !strings.Contains(strings.Join(differs, "\n"), "asks nobody") || !strings.Contains(strings.Join(differs, "\n"), "earlier than archive.keep") {
		t.Errorf("%q", differs)
	}
	l.Moves, l.Expire = nil, false
	_, _, err = l.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindUsage)
}

// put gives a bucket a lifecycle.
func put(t *testing.T, w *world, bucket, doc string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.Stores.(*S3).Endpoint+"/"+bucket+"?lifecycle", strings.NewReader(doc))
	w.ok(err)
	answer, err := http.DefaultClient.Do(r)
	w.ok(err)
	if w.ok(answer.Body.Close()); answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestLifecycleNotes: what deletes earlier than the term, or at all where there is none; what ends files that are looked after; and
// what is for manifests, too.
func TestLifecycleNotes(t *testing.T) {
	days := func(n int) *store.Expiry { return &store.Expiry{Days: n} }
	for _, c := range []struct {
		keep, bucket string
		rule         store.LifecycleRule
		want         string
	}{
		{", keep: 30d", "depot", store.LifecycleRule{Expire: days(29), Filter: store.Filter{Prefix: "lab/"}}, "after 29 days: earlier"},
		{", keep: 30d", "depot", store.LifecycleRule{Expire: days(30), Filter: store.Filter{Prefix: "lab/"}}, ""},
		{", keep: 30d", "depot", store.LifecycleRule{NoncurrentExpire: days(1), Filter: store.Filter{Prefix: "lab/x"}}, "older versions"},
		{", keep: 30d", "depot", store.LifecycleRule{Expire: &store.Expiry{Date: 1e12}, Filter: store.Filter{Prefix: "la"}}, "on 2001-09-09: earlier"},
		{"", "depot", store.LifecycleRule{Expire: days(9999), Filter: store.Filter{Prefix: "lab/"}}, "does not say"},
		{", keep: 30d", "depot", store.LifecycleRule{Expire: days(1), Filter: store.Filter{Prefix: "other/"}}, ""},
		{", keep: 30d", "depot", store.LifecycleRule{Expire: days(99)}, "manifests"},
		{", keep: 30d", "depot", store.LifecycleRule{Transitions: []store.Transition{{Expiry: *days(1), Class: "GLACIER"}}}, "manifests"},
		{", keep: 30d", "depot", store.LifecycleRule{Transitions: []store.Transition{{Expiry: *days(1), Class: "GLACIER_IR"}}}, ""},
		{"", "lab", store.LifecycleRule{Expire: days(1)}, "whatever links"},
		{"", "lab", store.LifecycleRule{Expire: days(1), Filter: store.Filter{Tags: map[string]string{"a": "b"}}}, ""},
		{"", "lab", store.LifecycleRule{NoncurrentExpire: days(1)}, ""},
	} {
		w := newWorld(t)
		w.declare(strings.Replace(deleteYAML, ", keep: 30d", c.keep, 1))
		declared, err := config.Load(w.path("cooper.yaml"))
		w.ok(err)
		c.rule.ID = "r"
		if got := lifecycleNotes(declared, c.bucket, []store.LifecycleRule{c.rule}); len(got) != 0 {
			t.Errorf("a rule that is off: %v", got)
		}
		c.rule.Enabled = true
		got := lifecycleNotes(declared, c.bucket, []store.LifecycleRule{c.rule})
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0].Text, c.want)) {
			t.Errorf("%+v: %v, want %q", c.rule, got, c.want)
		}
	}
	w := longArchived(t, deleteYAML)
	put(t, w, "lab", `<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>tmp/</Prefix></Filter><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>`)
	r, err := (&GCCheck{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
	w.ok(err)
	said := false
	for _, n := range r.Notes {
		said = said || n.Table == "s3://lab" && strings.Contains(n.Text, "old deletes objects below tmp/ after 3 days")
	}
	if !said {
		t.Errorf("%+v", r.Notes)
	}
}
