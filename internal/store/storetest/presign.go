package storetest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store"
)

func presigned(t *testing.T, e Env) {
	if e.Presigner == nil {
		t.Skip("no presigner")
	}
	const key = "dir/an object + 100% é?&=.txt"
	old, current := bodyOf(100, 1), bodyOf(200, 2)
	ref := store.Ref{Key: key}
	if !e.lacks(VersionIDs) {
		e.enable(t)
	}
	first := e.Seed.Put(t, key, old)
	e.Seed.Put(t, key, current)
	want := current
	if !e.lacks(VersionIDs) {
		ref.VersionID, want = first, old
	}
	url, until, err := e.Presigner.Presign(within(t), ref, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Until(until); d <= 0 || d > time.Minute {
		t.Errorf("it is good for %s", d)
	}
	if status, body := unsigned(t, http.MethodGet, url); status != http.StatusOK || !bytes.Equal(body, want) {
		t.Errorf("GET of a presigned address: %d, %d bytes", status, len(body))
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPost} {
		if status, _ := unsigned(t, method, url); status < 400 {
			t.Errorf("%s of an address that is signed for GET: %d", method, status)
		}
	}
	for what, other := range map[string]string{
		"another key":      strings.Replace(url, "dir/", "dir2/", 1),
		"a longer time":    strings.Replace(url, "X-Amz-Expires=60", "X-Amz-Expires=600", 1),
		"another version":  strings.Replace(url, "versionId="+first, "versionId=null", 1),
		"no signature":     url[:strings.LastIndexByte(url, '&')],
		"something behind": url + "&acl",
	} {
		if status, _ := unsigned(t, http.MethodGet, other); other != url && status < 400 {
			t.Errorf("%s than was signed: %d", what, status)
		}
	}
	for _, d := range []time.Duration{0, -time.Minute, store.MostPresigned + time.Second} {
		_, _, err := e.Presigner.Presign(within(t), ref, d)
		wantKind(t, "an address that is good for "+d.String(), err, cooper.KindUsage)
	}
	_, _, err = e.Presigner.Presign(within(t), store.Ref{Key: key, IfMatch: "x"}, time.Minute)
	wantKind(t, "an address with a condition", err, cooper.KindUsage)
}

// unsigned sends a request as somebody does who has the address alone.
func unsigned(t *testing.T, method, url string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return res.StatusCode, b
}
