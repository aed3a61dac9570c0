package cooper

import "testing"

func TestStoresThatContradictEachOther(t *testing.T) {
	at := func(endpoint, owner string) *Store { return &Store{Endpoint: endpoint, Owner: owner} }
	for _, c := range []struct {
		a, b  *Store
		other bool
	}{
		{nil, nil, false},
		{nil, at("http://a:1", "x"), false},
		{at("http://a:1", ""), at("http://a:1/", "x"), false},
		{at("http://A:1", "x"), at("http://a:1", "x"), false},
		{at("https://a", ""), at("https://a:443", ""), false},
		{at("", "x"), at("https://s3.eu-west-1.amazonaws.com", "x"), false},
		{at("", ""), at("http://a:1", ""), true},
		{at("http://a:1", "x"), at("http://a:1", "y"), true},
		{at("http://a:1", "x"), at("http://a:2", "x"), true},
		{at("http://a:1", ""), at("http://b:1", ""), true},
		{at("http://a", ""), at("https://a", ""), true},
		{at("http://a/one", ""), at("http://a/two", ""), true},
		{at("", ""), at("https://s3.amazonaws.com.example", ""), true},
	} {
		if got := c.a.Contradicts(c.b); got != c.other {
			t.Errorf("%v and %v: %v", c.a, c.b, got)
		}
		if got := c.b.Contradicts(c.a); got != c.other {
			t.Errorf("%v and %v: %v", c.b, c.a, got)
		}
	}
}

func TestStoresTogether(t *testing.T) {
	endpoint, whole := &Store{Endpoint: "http://a"}, &Store{Endpoint: "http://a", Owner: "x"}
	for _, c := range []struct{ a, b, want *Store }{
		{nil, nil, nil}, {nil, endpoint, endpoint}, {endpoint, nil, endpoint}, {endpoint, whole, whole}, {whole, endpoint, whole},
	} {
		got := c.a.With(c.b)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%v with %v: %v", c.a, c.b, got)
		}
	}
	for _, c := range []struct {
		now  Store
		want string
	}{
		{Store{}, "/tree: the tree follows lab at http://a, and this is the one at Amazon S3"},
		{Store{Endpoint: "http://a", Owner: "y"}, "/tree: the tree follows lab at http://a that x owns, and this is the one at http://a that y owns"},
	} {
		if err := AnotherStore("/tree", "the tree follows lab", whole, &c.now, ""); err.Error() != c.want || err.Kind != KindRefused {
			t.Errorf("%q", err.Error())
		}
	}
}

func TestQuoteURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://store.example:9000":      "https://store.example:9000",
		"https://me:secret@store.example": "https://…@store.example",
		"https://me:se/c@r?e#t@store/x":   "https://…@store/x",
		"https://me@store.example":        "https://…@store.example",
		"https://store/?token=secret":     "https://store/?…",
		"https://store/#secret":           "https://store/#…",
		"https:me:secret@store":           "…@store",
		"me:secret@store":                 "…@store",
		"bucket/a@b":                      "bucket/a@b",
		"bucket/what?":                    "bucket/what?",
		"a b\n":                           `"a b\n"`,
		"":                                `""`,
	} {
		if got := QuoteURL(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string][2]string{
		"s3://b":         {"b", ""},
		"s3://b/":        {"b", ""},
		"s3://b/k":       {"b", "k"},
		"s3://b//k/":     {"b", "/k/"},
		"s3://b/a%20b?c": {"b", "a%20b?c"},
		"s3://arn:aws:s3:us-west-2:123456789012:accesspoint/name":     {"arn:aws:s3:us-west-2:123456789012:accesspoint/name", ""},
		"s3://arn:aws:s3:us-west-2:123456789012:accesspoint/name/k/l": {"arn:aws:s3:us-west-2:123456789012:accesspoint/name", "k/l"},
	} {
		b, k, err := ParseURL(in)
		if err != nil || b != want[0] || k != want[1] {
			t.Errorf("%s: %q %q %v", in, b, k, err)
		}
	}
	for _, in := range []string{"", "b/k", "s3:/b", "s3://", "s3:///k", "http://b/k", "S3://b"} {
		if _, _, err := ParseURL(in); KindOf(err) != KindUsage {
			t.Errorf("%q: %v", in, err)
		}
	}
}
