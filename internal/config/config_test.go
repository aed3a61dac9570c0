package config

import (
	"os"
	"path/filepath"
	"testing"
)

// given are the files of the made-up platforms.
func given(t *testing.T, set string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "gc", set, "cooper.yaml"))
	if os.IsNotExist(err) {
		t.Skip("the made-up platforms are not here: ../shared/gc")
	}
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestX(t *testing.T) {
	for _, s := range []string{"platform", "rails"} {
		c, err := Parse("cooper.yaml", given(t, s))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range c.Associations {
			t.Logf("%s %+v", a.PlaceOf(""), a)
		}
	}
}
