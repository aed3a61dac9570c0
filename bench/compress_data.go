package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"cooper/internal/codec/cfb8"
)

// sensors is a bucket of CSV files as phones record them: so many objects of 2
// to 200 KB, their sizes spread evenly over the logarithm, under
// STUDY/PATIENT/STREAM/TIME.csv. Everything follows from the number of an object.
type sensors struct {
	objects   int
	encrypted bool // AES-256-CFB8, each study with a key of its own
}

// distinct is how many contents there are; objects beyond have those of others
// under names of their own, so that the server need not hold gigabytes. It is a
// multiple of streams times studies.
const distinct = 10_240

const (
	leastSize  = 2_000
	sizesRange = 100 // the largest is so many times the least
	studies    = 4
	patients   = 60
)

// A stream is what one sensor tells: a header, and lines.
type stream struct {
	name, header string
	// lines gives what appends the next line, after its time.
	lines func(r *rand.Rand) func(b []byte) []byte
	// pause is how many milliseconds pass between lines, about.
	pause int64
}

func (s stream) firstLine() string { return "timestamp,UTC time," + s.header }

// streams has the accelerometer three times: it is most of what there is.
var streams = [8]stream{
	{"accel", "accuracy,x,y,z", motion(0.0023956, 9.81), 100},
	{"gps", "latitude,longitude,altitude,accuracy", places, 1000},
	{"accel", "accuracy,x,y,z", motion(0.0023956, 9.81), 100},
	{"gyro", "accuracy,x,y,z", motion(0.0010652, 0), 100},
	{"powerState", "event", events, 90_000},
	{"accel", "accuracy,x,y,z", motion(0.0023956, 9.81), 100},
	{"wifiLog", "hashed MAC,frequency,RSSI", radios(true), 40},
	{"bluetoothLog", "hashed MAC,RSSI", radios(false), 700},
}

// motion is of three axes that a sensor resolves in steps: at rest mostly, and
// moved now and then.
func motion(step, gravity float64) func(*rand.Rand) func([]byte) []byte {
	return func(r *rand.Rand) func([]byte) []byte {
		at := [3]float64{0, 0, gravity}
		swing := 0.05
		return func(b []byte) []byte {
			if r.IntN(300) == 0 {
				swing = 0.05 * math.Exp(4*r.Float64())
			}
			b = append(b, "unknown"...)
			for i := range at {
				rest := 0.0
				if i == 2 {
					rest = gravity
				}
				at[i] += (rest-at[i])*0.1 + r.NormFloat64()*swing
				b = strconv.AppendFloat(append(b, ','), math.Round(at[i]/step)*step, 'g', -1, 32)
			}
			return b
		}
	}
}

// places is somebody's walk.
func places(r *rand.Rand) func([]byte) []byte {
	lat, lon, alt := 42+r.Float64(), -71-r.Float64(), 20+30*r.Float64()
	return func(b []byte) []byte {
		lat += r.NormFloat64() * 1e-5
		lon += r.NormFloat64() * 1e-5
		if r.IntN(5) == 0 {
			alt += r.NormFloat64()
		}
		b = strconv.AppendFloat(b, lat, 'g', -1, 64)
		b = strconv.AppendFloat(append(b, ','), lon, 'g', -1, 64)
		b = strconv.AppendFloat(append(b, ','), alt, 'f', 1, 64)
		return strconv.AppendFloat(append(b, ','), []float64{4.288, 5.36, 8.576, 17.152, 65}[r.IntN(5)], 'g', -1, 64)
	}
}

func events(r *rand.Rand) func([]byte) []byte {
	return func(b []byte) []byte {
		return append(b, []string{"Screen turned on", "Screen turned off", "Power connected", "Power disconnected",
			"Device Idle (Doze) state change signal received; device in idle state.", "Power Save Mode state change signal received; device in power save state."}[r.IntN(6)]...)
	}
}

// radios are around, some of them often, and change.
func radios(wifi bool) func(*rand.Rand) func([]byte) []byte {
	return func(r *rand.Rand) func([]byte) []byte {
		around := make([]string, 40)
		for i := range around {
			around[i] = hashed(r)
		}
		return func(b []byte) []byte {
			if r.IntN(12) == 0 {
				around[r.IntN(len(around))] = hashed(r)
			}
			b = append(append(b, around[min(r.IntN(len(around)), r.IntN(len(around)))]...), ',')
			if wifi {
				b = append(strconv.AppendInt(b, int64(2412+5*r.IntN(11)), 10), ',')
			}
			return strconv.AppendInt(b, int64(-40-r.IntN(55)), 10)
		}
	}
}

// hashed is what stands for an address.
func hashed(r *rand.Rand) string {
	var h [32]byte
	fill(r, h[:])
	return base64.URLEncoding.EncodeToString(h[:])
}

func fill(r *rand.Rand, b []byte) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, r.Uint64())
		b = b[8:]
	}
}

// began is when the recording of object i began, in milliseconds.
func began(i int) int64 { return 1_524_857_988_384 + int64(i)*3_717_511 }

func (s sensors) key(i int) string {
	c := i % distinct
	return fmt.Sprintf("%s/p%07x/%s/%d.csv", study(c), i/(len(streams)*studies)%patients*0x1f35b, streams[c%len(streams)].name, began(i))
}

// study names that of content c by the 24 characters that such names have.
func study(c int) string {
	return fmt.Sprintf("5d1%021x", c/len(streams)%studies+0xbe1)
}

// studyKey is the 32 characters that the study of content c encrypts with.
func studyKey(c int) string {
	return fmt.Sprintf("%-32s", "key of study "+study(c)[10:])
}

// content gives the plain content c, 0 to distinct-1.
func content(c int) []byte {
	r := rand.New(rand.NewPCG(uint64(c), 0xc0ffee))
	size := int(leastSize * math.Pow(sizesRange, r.Float64()))
	s := streams[c%len(streams)]
	b := make([]byte, 0, size+256)
	b = append(append(b, s.firstLine()...), '\n')
	line := s.lines(r)
	for t := began(c); len(b) < size; t += s.pause*9/10 + r.Int64N(s.pause/5+1) {
		b = append(strconv.AppendInt(b, t, 10), ',')
		b = append(time.UnixMilli(t).UTC().AppendFormat(b, "2006-01-02T15:04:05.000"), ',')
		b = append(line(b), '\n')
	}
	return b
}

// stored gives content c as the bucket holds it. Streams that are asked for at
// the same time are encrypted side by side.
func (s sensors) stored(c int, side *cfb8.Encryptor) ([]byte, error) {
	plain := content(c)
	if !s.encrypted {
		return plain, nil
	}
	key, err := cfb8.ParseKey(studyKey(c))
	if err != nil {
		return nil, err
	}
	var iv [cfb8.IVSize]byte
	fill(rand.New(rand.NewPCG(uint64(c), 0x1f)), iv[:])
	out := bytes.NewBuffer(make([]byte, 0, len(plain)+2*bytes.MinRead))
	_, err = io.Copy(struct{ io.Writer }{out}, side.Reader(bytes.NewReader(plain), key, iv))
	return out.Bytes(), err
}
