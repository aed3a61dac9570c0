// Package codectest makes content that looks like what sensors write, for tests
// and benchmarks of compression: the same for the same seed. Nothing but tests
// imports it.
package codectest

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Header is the first line of every CSV.
const Header = "timestamp,UTC time,accuracy,x,y,z\n"

// CSV gives size bytes of an accelerometer's readings, ten a second: a text of
// which zstd makes a quarter to a third. The last line may be cut.
func CSV(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	b := append(make([]byte, 0, size+128), Header...)
	t := int64(1_700_000_000_000) + r.Int64N(1e10)
	x, y, z := r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
	for len(b) < size {
		t += 90 + r.Int64N(20)
		x = x*0.9 + r.NormFloat64()*0.1
		y = y*0.9 + r.NormFloat64()*0.1
		z = math.Mod(z*0.9+0.981+r.NormFloat64()*0.05, 10)
		b = strconv.AppendInt(b, t, 10)
		b = append(b, ',')
		b = time.UnixMilli(t).UTC().AppendFormat(b, "2006-01-02T15:04:05.000")
		b = append(b, ",unknown"...)
		for _, v := range []float64{x, y, z} {
			b = append(b, ',')
			b = strconv.AppendFloat(b, v, 'g', -1, 32)
		}
		b = append(b, '\n')
	}
	return b[:size]
}

// Noise gives size bytes that nothing can compress.
func Noise(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 0xbad))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint64() >> 32)
	}
	return b
}
