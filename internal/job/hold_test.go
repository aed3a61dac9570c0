package job

import "testing"

func TestShellWord(t *testing.T) {
	for s, want := range map[string]string{"images/": "images/", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := ShellWord(s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}
