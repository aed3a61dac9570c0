package shell

import "testing"

func TestPrice(t *testing.T) {
	for usd, want := range map[float64]string{
		0: "$0", 0.0049: "<$0.01", 0.005: "$0.01", 12.345: "$12.35", 999.99: "$999.99", 1000: "$1,000", 27_600.4: "$27,600", -3: "-$3.00",
	} {
		if got := Price(usd); got != want {
			t.Errorf("%v is %s, want %s", usd, got, want)
		}
	}
}
