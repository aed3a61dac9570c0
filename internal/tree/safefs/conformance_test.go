package safefs_test

import (
	"testing"

	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/safefstest"
)

func TestConformance(t *testing.T) {
	for name, open := range map[string]func(string) (safefs.FS, error){"openat2": safefs.Open, "walk": safefs.OpenWalking} {
		t.Run(name, func(t *testing.T) {
			d, err := open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			safefstest.Test(t, d)
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
