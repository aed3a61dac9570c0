package s3

import (
	"maps"
	"strings"
	"testing"
)

func TestParsingTags(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`
	set := func(tags string) string { return head + "<TagSet>" + tags + "</TagSet></Tagging>" }
	for name, c := range map[string]struct {
		text string
		want map[string]string
	}{
		"none":       {set(""), nil},
		"no set":     {head + "<TagSet/></Tagging>", nil},
		"two":        {set("<Tag><Key>a</Key><Value>1</Value></Tag>\n <Tag><Value>2</Value><Key>b</Key></Tag>"), map[string]string{"a": "1", "b": "2"}},
		"no value":   {set("<Tag><Key>a</Key><Value/></Tag><Tag><Key>b</Key></Tag>"), map[string]string{"a": "", "b": ""}},
		"references": {set("<Tag><Key>&lt;&amp;&#x41;</Key><Value>&quot;<!-- no -->x</Value></Tag>"), map[string]string{"<&A": `"x`}},
		"prefixes":   {`<s:Tagging xmlns:s="x"><s:TagSet><s:Tag><s:Key>a</s:Key><s:Value>b</s:Value></s:Tag></s:TagSet></s:Tagging>`, map[string]string{"a": "b"}},
	} {
		if got, err := parseTags([]byte(c.text)); err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, text := range map[string]string{
		"twice":      set("<Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>1</Value></Tag>"),
		"no key":     set("<Tag><Value>1</Value></Tag>"),
		"cut":        head + "<TagSet><Tag><Key>a</Key>",
		"no entity":  set("<Tag><Key>&nbsp;</Key></Tag>"),
		"other rows": set("<Owner><ID>1</ID></Owner>"),
	} {
		if got, err := parseTags([]byte(text)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func FuzzTags(f *testing.F) {
	f.Add("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")
	f.Add("<a><b><c><d>x</d></c></b></a>")
	f.Fuzz(func(t *testing.T, text string) {
		tags, err := parseTags([]byte(text))
		if _, empty := tags[""]; err == nil && (empty || len(tags) > strings.Count(text, "<")) {
			t.Errorf("%q has %q", text, tags)
		}
	})
}
