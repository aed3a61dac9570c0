package layout

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Limits of the files that this program writes itself.
const (
	// ownFooter is their longest footer, in bytes.
	ownFooter = 64 << 20
	// ownPage is the most that one of their pages expands to, in bytes, and ownValues
	// the most values that one has. What is written is some hundredths of these.
	ownPage   = 128 << 20
	ownValues = 1 << 24
	// shortFrame is how long a compressed page is at most, in bytes, that does not say what it
	// expands to, as few bytes need not: to some megabytes at most.
	shortFrame = 1 << 10
)

// ownCodecs are what this program writes.
var ownCodecs = []int32{Uncompressed, Zstd}

// CheckOwn reads the footer of a file of size bytes that this program wrote, and the header of every
// page, and tells what the library that reads it afterwards would believe to its
// cost: a codec without bound, a page of gigabytes, a count of billions.
func CheckOwn(r io.ReaderAt, size int64) error {
	f, err := ReadFooter(r, size, ownFooter)
	if err != nil {
		return err
	}
	var leaves []*Element
	for i := range f.Schema {
		if f.Schema[i].Type != Group {
			leaves = append(leaves, &f.Schema[i])
		}
	}
	window := make([]byte, 512)
	for g := range f.Groups() {
		if _, err := f.Group(g, func(i int, c *Chunk) error {
			if i >= len(leaves) {
				return errors.New("it has more columns than the file")
			}
			if err := c.Check(f, leaves[i], ownCodecs...); err != nil {
				return fmt.Errorf("column %s: %w", leaves[i].Name, err)
			}
			if err := checkPages(r, c, window); err != nil {
				return fmt.Errorf("column %s: %w", leaves[i].Name, err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// checkPages walks over the pages of a chunk.
func checkPages(r io.ReaderAt, c *Chunk, window []byte) error {
	at, left := c.Range()
	for left > 0 {
		p, used, err := headerAt(r, at, left, window)
		if err != nil {
			return err
		}
		at, left = at+int64(used), left-int64(used)
		switch {
		case int64(p.Compressed) > left:
			return errors.New("a page is longer than its column")
		case p.Uncompressed > ownPage:
			return &TooLargeError{What: "a page", Bytes: int64(p.Uncompressed), Most: ownPage}
		case p.Values > ownValues || int64(p.Values) > c.Values && p.Kind != DictionaryPage || p.Kind == DictionaryPage && p.Values > p.Uncompressed:
			return fmt.Errorf("a page says that it has %d values", p.Values)
		}
		if err := checkFrame(r, c.Codec, &p, at); err != nil {
			return err
		}
		at, left = at+int64(p.Compressed), left-int64(p.Compressed)
	}
	return nil
}

// headerAt reads a page's header.
func headerAt(r io.ReaderAt, at, left int64, window []byte) (p Page, used int, err error) {
	for {
		n := min(left, int64(len(window)))
		if _, err := r.ReadAt(window[:n], at); err != nil {
			return p, 0, ended(err)
		}
		p, used, err = ParsePage(window[:n])
		if !errors.Is(err, ErrMore) || n == left || len(window) >= MaxHeader {
			return p, used, err
		}
		window = make([]byte, 8*len(window))
	}
}

// checkFrame wants compressed bytes to say how many they expand to, and to say the same
// as the page, which begins at a place: the decoder holds them to it.
func checkFrame(r io.ReaderAt, codec int32, p *Page, at int64) error {
	levels := int64(p.Definition) + int64(p.Repetition)
	packed, plain := int64(p.Compressed)-levels, int64(p.Uncompressed)-levels
	if codec == Uncompressed || !p.Packed {
		if packed != plain {
			return errors.New("a page that is not compressed is of two sizes")
		}
		return nil
	}
	if packed == 0 {
		return nil
	}
	var first [zstd.HeaderMaxSize]byte
	b := first[:min(packed, int64(len(first)))]
	if _, err := r.ReadAt(b, at+levels); err != nil {
		return ended(err)
	}
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return fmt.Errorf("a page is no zstd: %w", err)
	}
	if h.Skippable || h.HasFCS && h.FrameContentSize != uint64(plain) || !h.HasFCS && packed > shortFrame {
		return errors.New("a page expands to another size than it says")
	}
	return nil
}
