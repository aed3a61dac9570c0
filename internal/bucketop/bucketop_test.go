package bucketop

import (
	"testing"

	"cooper"
)

func TestArgs(t *testing.T) {
	for _, last := range []bool{false, true} {
		for _, guard := range []Guard{ByID, ByETag, ByLook} {
			want := Args{Last: last, Guard: guard, Reason: "latest"}
			if got, err := Decode(want.Encode()); err != nil || got != want {
				t.Errorf("%+v became %+v, %v", want, got, err)
			}
		}
	}
	for _, m := range []map[string]string{{"last": "no"}, {"guard": ""}, {"guard": "none"}, {"more": "x"}} {
		if _, err := Decode(m); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%v: %v", m, err)
		}
	}
}
