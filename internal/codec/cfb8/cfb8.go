// Package cfb8 encrypts and decrypts AES-256 in CFB mode with segments of eight
// bits (NIST SP 800-38A), stored as IV (16 bytes) and then ciphertext.
//
// It promises the same bytes on every path: crypto/aes everywhere, AES
// instructions on several blocks at once where the machine has them
// (docs/decisions/cfb8.md has what they bring). Decryption runs at hundreds of
// megabytes a second. One stream's encryption cannot: each byte waits for the
// one before. So an Encryptor, shared by all, encrypts streams side by side.
//
// The mode proves nothing: with a wrong key, or of bytes that were changed,
// decryption gives garbage and no error. Package sniff finds that out.
package cfb8

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"sync"

	"cooper"
)

// IVSize is how many bytes of IV stand before the ciphertext.
const IVSize = aes.BlockSize

// Key is a key of AES-256. However it is printed, it does not show.
type Key [32]byte

// ParseKey takes the 32 bytes of text as the key.
func ParseKey(text string) (*Key, error) {
	if len(text) != len(Key{}) {
		return nil, &cooper.Error{Kind: cooper.KindUsage,
			Message: fmt.Sprintf("an encryption key is %d characters long, not %d", len(Key{}), len(text)),
			Remedy:  "Look for a line end or quotes that came along with it."}
	}
	return (*Key)([]byte(text)), nil
}

// Format hides the key from fmt.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(secret)") }

// MarshalText hides the key from encoders.
func (k Key) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// path is how blocks are encrypted, as cfb8_cpu_has counts.
type path int

const (
	portable path = iota // crypto/aes, block by block
	aesni
	vaes
)

// best is settled once: the machine does not change.
var best = sync.OnceValue(available)

const (
	numLanes = 8
	stepSize = 2048
)

// roundKeys are those of AES-256, for the accelerated paths.
type roundKeys [15 * aes.BlockSize]byte

// lanes are streams encrypted side by side, in the layout of cfb8_lanes.
type lanes struct {
	keys      [numLanes]roundKeys
	registers [numLanes][aes.BlockSize]byte
	text      [numLanes][stepSize]byte
}

// schedule is a key made ready for one path.
type schedule struct {
	path  path
	keys  roundKeys    // unless portable
	block cipher.Block // if portable
}

func newSchedule(key *Key, p path) *schedule {
	s := &schedule{path: p}
	if p != portable {
		expandKey(key, &s.keys)
		return s
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has one length, and it is right
	}
	s.block = block
	return s
}

// decrypt sets dst to the plain bytes of window[16:]; window begins with the 16
// bytes of ciphertext before them, and does not overlap dst.
func (s *schedule) decrypt(dst, window []byte) {
	if len(dst) == 0 {
		return
	}
	if s.path != portable {
		decryptWindow(&s.keys, dst, window[:len(dst)+aes.BlockSize], s.path)
		return
	}
	// Each byte's block is 16 bytes of ciphertext as they lie: nothing need be shifted.
	var out [aes.BlockSize]byte
	for i := range dst {
		s.block.Encrypt(out[:], window[i:i+aes.BlockSize])
		dst[i] = window[i+aes.BlockSize] ^ out[0]
	}
}

// encrypt encrypts text in place, by the portable path.
func (s *schedule) encrypt(register *[aes.BlockSize]byte, text []byte) {
	// The register is a window that moves over what has been encrypted.
	var ring [aes.BlockSize + 256]byte
	var out [aes.BlockSize]byte
	copy(ring[:], register[:])
	at := 0
	for i, c := range text {
		if at == len(ring)-aes.BlockSize {
			copy(ring[:], ring[at:])
			at = 0
		}
		s.block.Encrypt(out[:], ring[at:at+aes.BlockSize])
		c ^= out[0]
		text[i] = c
		ring[at+aes.BlockSize] = c
		at++
	}
	copy(register[:], ring[at:])
}
