// Package codec turns the plain content of objects into what is stored, and
// back: compression first, application encryption around it.
//
// It promises streams of any length in bounded memory; that what it stores is
// decoded by code of another origin than that which encoded it, where there is
// a choice; sizes and hashes of the plain content beside, taken from the very
// bytes that passed; and that an end is an end: what is cut short, continued
// by something else or damaged where a format can tell is an error, never less
// content. With sniff.Expectations, a wrong key is an error before the first byte.
//
// Which contents are worth it, where keys come from, and requests to a store
// are left to others. zstd, cfb8 and sniff, below, do one part each.
package codec

import (
	"fmt"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/codec/sniff"
	"cooper/internal/codec/zstd"
)

// Method is a way to compress.
type Method string

// The methods. Gzip is read, for the sake of old objects, and not written.
const (
	Uncompressed Method = ""
	Zstd         Method = "zstd"
	Gzip         Method = "gzip"
)

// Compression is a method and its level; a level of 0 means none is known, as
// when reading. The zero value compresses nothing.
type Compression struct {
	Method Method
	Level  int
}

// ParseCompression reads "none", "gzip", "zstd" (with the default level) or
// "zstd:LEVEL". Its errors are of kind usage.
func ParseCompression(s string) (Compression, error) {
	name, level, given := strings.Cut(s, ":")
	switch {
	case name == "none" && !given:
		return Compression{}, nil
	case name == "gzip" && !given:
		return Compression{Method: Gzip}, nil
	case name == "zstd" && !given:
		return Compression{Zstd, zstd.DefaultLevel}, nil
	case name == "zstd":
		n, err := strconv.Atoi(level)
		if err == nil {
			err = zstd.CheckLevel(n)
		}
		if err != nil {
			return Compression{}, unknown(s)
		}
		return Compression{Zstd, n}, nil
	}
	return Compression{}, unknown(s)
}

// Levels names what zstd can be asked for.
func Levels() string {
	return fmt.Sprintf("zstd:%d to zstd:%d", zstd.MinLevel, zstd.MaxLevel)
}

func unknown(s string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: s, Message: "not a codec",
		Remedy: fmt.Sprintf("Give none, zstd, or zstd:LEVEL with a level from %d to %d.", zstd.MinLevel, zstd.MaxLevel)}
}

// String is what ParseCompression reads.
func (c Compression) String() string {
	switch {
	case c.Method == Uncompressed:
		return "none"
	case c.Level == 0:
		return string(c.Method)
	}
	return fmt.Sprintf("%s:%d", c.Method, c.Level)
}

// Suffix is what names of objects so compressed end in: ".zst", ".gz" or
// nothing.
func (c Compression) Suffix() string {
	return map[Method]string{Zstd: ".zst", Gzip: ".gz"}[c.Method]
}

// Cipher is an application's encryption.
type Cipher string

// The ciphers. AES256CFB8 is IV and ciphertext, as package cfb8 has it.
const (
	Clear      Cipher = ""
	AES256CFB8 Cipher = "aes256-cfb8"
)

// Chain is what is done to a content before it is stored: compression, then
// encryption. The zero value does nothing.
type Chain struct {
	Compress Compression
	Encrypt  Cipher
}

// ParseChain reads what String writes.
func ParseChain(s string) (Chain, error) {
	first, second, both := strings.Cut(s, "+")
	if !both && first == string(AES256CFB8) {
		return Chain{Encrypt: AES256CFB8}, nil
	}
	compress, err := ParseCompression(first)
	if err != nil {
		return Chain{}, err
	}
	if both && (second != string(AES256CFB8) || compress.Method == Uncompressed) {
		return Chain{}, unknown(s)
	}
	return Chain{Compress: compress, Encrypt: Cipher(second)}, nil
}

// String names the parts in the order in which they are applied, such as
// "zstd:3+aes256-cfb8"; "none" if there is none.
func (c Chain) String() string {
	switch {
	case c.Encrypt == Clear:
		return c.Compress.String()
	case c.Compress.Method == Uncompressed:
		return string(c.Encrypt)
	}
	return c.Compress.String() + "+" + string(c.Encrypt)
}

// MarshalText writes String.
func (c Chain) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what ParseChain does.
func (c *Chain) UnmarshalText(b []byte) (err error) {
	*c, err = ParseChain(string(b))
	return err
}

// Secret is how an application encrypts its objects below some prefix.
type Secret struct {
	Cipher Cipher
	Key    *Key
	// Expect is what plain contents look like; without it a wrong key would go
	// unseen.
	Expect *sniff.Expectations
}

// Keys tell the Secret of an object. Where it comes from is left to others.
type Keys interface {
	// For gives the secret of the object named key: KindMissing if there is none,
	// and KindInvalid if nothing is declared that its content must look like.
	For(key string) (Secret, error)
}

// Secret asks keys for the secret of the object named key, if c is a cipher at
// all. What keys do not know, or know otherwise, is KindInvalid or what they
// say: nothing is guessed.
func (c Cipher) Secret(keys Keys, key string) (Secret, error) {
	if c == Clear {
		return Secret{}, nil
	}
	s, err := keys.For(key)
	if err != nil {
		return Secret{}, err
	}
	if s.Cipher != c || s.Key == nil || s.Expect == nil {
		return Secret{}, &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(key), Message: "no key of " + string(c) + " is declared for it, or nothing that its content must look like",
			Remedy: "Declare both for its prefix."}
	}
	return s, nil
}
