// Package sniff looks at the first bytes of contents: what are they, are they
// compressed already, and are they what a prefix is declared to hold?
//
// A Format is a good guess by magic, never by name; to leave something alone
// because of it costs a saving and no data. Expectations are proofs: they are
// how a wrong key is found before anything is written, accept garbage with a
// probability below 2^-64, and refuse to be declared where that cannot be
// shown (docs/decisions/cfb8.md derives it).
//
// Reading and decrypting are left to others.
package sniff

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// HeadSize is how many first bytes Sniff looks at, at most.
const HeadSize = 512

// Shrinks tells whether compressing is worth a try.
type Shrinks string

// The values of Shrinks.
const (
	Likely   Shrinks = "likely"   // text, or a format that compresses nothing itself
	Maybe    Shrinks = "maybe"    // the format may compress inside: take a sample
	Unlikely Shrinks = "unlikely" // compressed already, or encrypted
)

// Format is what a content looks like.
type Format struct {
	Name    string  `json:"name"`
	Shrinks Shrinks `json:"shrinks"`
}

// Formats that are not told by a magic.
var (
	Empty   = Format{"empty", Unlikely}
	Text    = Format{"text", Likely}
	Noise   = Format{"noise", Unlikely} // encrypted, or compressed by something unknown
	Unknown = Format{"unknown", Maybe}
)

// Compressed tells whether the whole of the content is a compressed stream, which
// a codec could unwrap: compressing it again would nest.
func (f Format) Compressed() bool {
	return slices.Contains([]string{"gzip", "zstd", "bzip2", "xz", "lz4", "lzma", "compress", "snappy"}, f.Name)
}

// Ranged tells whether a format is read by ranges: what it holds is found by an
// index at a place of the file, so that of a compressed one nothing is.
func (f Format) Ranged() bool { return ranged[f.Name] }

var ranged = map[string]bool{
	"parquet": true, "orc": true, "avro": true, "arrow": true, "hdf5": true, "netcdf": true, "tiff": true, "sqlite": true, "duckdb": true,
	"zip": true, "tar": true, "pmtiles": true, "flatgeobuf": true, "mcap": true,
}

// magic is bytes at a place.
type magic struct {
	format Format
	at     int
	bytes  string
}

func (m magic) matches(head []byte) bool {
	return len(head) >= m.at+len(m.bytes) && string(head[m.at:m.at+len(m.bytes)]) == m.bytes
}

// magics come in order: the first that matches counts. Those of two or three
// bytes are last, for chance makes them.
var magics = []magic{
	{Format{"zstd", Unlikely}, 0, "\x28\xb5\x2f\xfd"},
	{Format{"gzip", Unlikely}, 0, "\x1f\x8b\x08"},
	{Format{"bzip2", Unlikely}, 4, "1AY&SY"},
	{Format{"xz", Unlikely}, 0, "\xfd7zXZ\x00"},
	{Format{"lz4", Unlikely}, 0, "\x04\x22\x4d\x18"},
	{Format{"lzma", Unlikely}, 0, "\x5d\x00\x00\x80\x00"},
	{Format{"snappy", Unlikely}, 0, "\xff\x06\x00\x00sNaPpY"},
	{Format{"7z", Unlikely}, 0, "7z\xbc\xaf\x27\x1c"},
	{Format{"rar", Unlikely}, 0, "Rar!\x1a\x07"},
	{Format{"zip", Unlikely}, 0, "PK\x03\x04"},
	{Format{"zip", Unlikely}, 0, "PK\x05\x06"},
	{Format{"openssl", Unlikely}, 0, "Salted__"},
	{Format{"age", Unlikely}, 0, "age-encryption.org/v1\n"},
	{Format{"png", Unlikely}, 0, "\x89PNG\r\n\x1a\n"},
	{Format{"gif", Unlikely}, 0, "GIF8"},
	{Format{"webp", Unlikely}, 8, "WEBP"},
	{Format{"mp4", Unlikely}, 4, "ftyp"}, // and MOV, HEIC, AVIF, M4A
	{Format{"matroska", Unlikely}, 0, "\x1a\x45\xdf\xa3"},
	{Format{"ogg", Unlikely}, 0, "OggS"},
	{Format{"flac", Unlikely}, 0, "fLaC"},
	{Format{"mp3", Unlikely}, 0, "ID3"},
	{Format{"pdf", Unlikely}, 0, "%PDF-"},
	{Format{"wav", Likely}, 8, "WAVE"},
	{Format{"hdf5", Maybe}, 0, "\x89HDF\r\n\x1a\n"},
	{Format{"hdf5", Maybe}, 0, "MATLAB 7.3 MAT-file"}, // of which the first 512 bytes are text
	{Format{"netcdf", Maybe}, 0, "CDF\x01"},
	{Format{"netcdf", Maybe}, 0, "CDF\x02"},
	{Format{"netcdf", Maybe}, 0, "CDF\x05"},
	{Format{"parquet", Maybe}, 0, "PAR1"},
	{Format{"parquet", Maybe}, 0, "PARE"}, // with an encrypted footer
	{Format{"orc", Maybe}, 0, "ORC"},
	{Format{"avro", Maybe}, 0, "Obj\x01"},
	{Format{"arrow", Maybe}, 0, "ARROW1"},
	{Format{"arrow", Maybe}, 0, "FEA1"}, // Feather, version 1
	{Format{"mcap", Maybe}, 0, "\x89MCAP0\r\n"},
	{Format{"tiff", Maybe}, 0, "II*\x00"},
	{Format{"tiff", Maybe}, 0, "MM\x00*"},
	{Format{"tiff", Maybe}, 0, "II+\x00"}, // BigTIFF
	{Format{"tiff", Maybe}, 0, "MM\x00+"},
	{Format{"pmtiles", Maybe}, 0, "PMTiles"},
	{Format{"flatgeobuf", Maybe}, 0, "fgb\x03fgb"},
	{Format{"dicom", Maybe}, 128, "DICM"},
	{Format{"sqlite", Likely}, 0, "SQLite format 3\x00"},
	{Format{"duckdb", Likely}, 8, "DUCK"},
	{Format{"numpy", Likely}, 0, "\x93NUMPY"},
	{Format{"tar", Likely}, 257, "ustar"},
	{Format{"nifti", Likely}, 344, "n+1\x00"},
	{Format{"nifti", Likely}, 4, "n+2\x00\r\n\x1a\n"},
	{Format{"jpeg", Unlikely}, 0, "\xff\xd8\xff"},
	{Format{"compress", Unlikely}, 0, "\x1f\x9d"},
}

// Sniff tells what a content looks like whose first bytes are head. HeadSize of
// them are enough; fewer will do if the content is no longer.
func Sniff(head []byte) Format {
	head = head[:min(len(head), HeadSize)]
	if len(head) == 0 {
		return Empty
	}
	for _, m := range magics {
		if m.matches(head) && plausible(m.format.Name, head) {
			return m.format
		}
	}
	switch {
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18")):
		return Format{"zstd", Unlikely} // begins with a skippable frame
	case isText(head):
		return Text
	case isNoise(head):
		return Noise
	}
	return Unknown
}

// plausible asks for more where a magic stands at a place that others fill with
// text, or is short.
func plausible(name string, head []byte) bool {
	switch name {
	case "bzip2":
		return bytes.HasPrefix(head, []byte("BZh"))
	case "webp", "wav":
		return bytes.HasPrefix(head, []byte("RIFF"))
	case "mp4":
		return head[0] == 0 && head[1] == 0 // the length of the first box
	case "orc", "mp3", "parquet", "gif", "arrow", "pmtiles", "duckdb":
		return !isText(head)
	}
	return true
}

// isText tells whether b could be the beginning of a text: UTF-8, perhaps cut
// within a character, without control characters but tab, CR, LF.
func isText(b []byte) bool {
	for len(b) > 0 {
		c := b[0]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
				return false
			}
			b = b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n <= 1 {
			return !utf8.FullRune(b) // the last one is cut
		}
		b = b[n:]
	}
	return true
}

// isNoise tells whether the bytes are distributed as by chance: Pearson's
// statistic, of mean 255 and deviation 22.6 for noise, many thousands for
// anything else.
func isNoise(b []byte) bool {
	if len(b) < HeadSize {
		return false
	}
	var count [256]float64
	for _, c := range b {
		count[c]++
	}
	want, chi := float64(len(b))/256, 0.0
	for _, n := range count {
		chi += (n - want) * (n - want) / want
	}
	return chi < 255+6*22.6
}
