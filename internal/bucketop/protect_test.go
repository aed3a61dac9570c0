package bucketop

import (
	"strings"
	"testing"
)

func TestProtection(t *testing.T) {
	for pattern, keys := range map[string][2]string{
		"keys/":    {"keys/a", "keysx/a keys a/keys/b"},
		"keys":     {"keys keys/a", "keysx"},
		"*/keys/":  {"s/keys/a s/keys/b/c", "keys/a s/t/keys/a s/keys"},
		"a/*/b":    {"a/x/b a/x/b/c", "a/b a/x/y/b a/x/bc"},
		"*/*/k/":   {"x/y/k/z", "x/k/z"},
		"*/":       {"a/b a/", "a"},
		"a/*/*/k/": {"a/1/2/k/x", "a/1/k/x"},
	} {
		for i, list := range keys {
			for key := range strings.FieldsSeq(list) {
				if (Protection{"other/", pattern}).Covers(key) != (i == 0) {
					t.Errorf("%s, %s: protected is not %v", pattern, key, i == 0)
				}
			}
		}
	}
}
