package journal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cooper/internal/tree/safefs"
)

// Upload is a multipart upload that a run has begun, or what it tries the store out
// on.
type Upload struct {
	Key string `json:"key"`
	// UploadID is empty for a probe: it is noted before it begins.
	UploadID string `json:"upload_id,omitempty"`
	Probe    bool   `json:"probe,omitempty"`
}

// openUploads are those noted by this process and not over.
type openUploads struct {
	mu  sync.Mutex
	all map[Upload]bool
}

// inUploads is the place of a line, for its checksum.
func inUploads(id string) string { return id + " " + uploadsName + " " }

func uploadText(id string, u Upload) (string, error) {
	b, err := json.Marshal(u)
	return string(lineText(inUploads(id), b)), err
}

// uploadOf reads a line; not ok if it is none, as those that a crash has cut off or
// garbled: they are of uploads that got no part. In format 2 lines had no checksums.
func uploadOf(id string, line []byte) (u Upload, ok bool) {
	text, ok := lineOf(inUploads(id), line)
	if !ok {
		text = line
	}
	ok = (ok || line[0] == '{') && strictly(text, &u) == nil && u.Key != "" && (u.UploadID != "") != u.Probe
	return u, ok
}

// notedUpload tells whether a line has the form of one of uploads.
var notedUpload = regexp.MustCompile(`^[0-9a-f]{8} \{.*\}\n$`)

// NoteProbe remembers the object of a probe, durably, before it is written.
func (p *Plan) NoteProbe(key string) error { return p.NoteUpload(Upload{Key: key, Probe: true}) }

// ProbeOver forgets it: nothing of it is left.
func (p *Plan) ProbeOver(key string) error {
	return p.UploadsOver(func(k string) bool { return k == key })
}

// NoteUpload remembers an upload, durably, before it has any part.
func (p *Plan) NoteUpload(u Upload) error {
	line, err := uploadText(p.id, u)
	if err != nil {
		return p.local(err)
	}
	p.uploads.mu.Lock()
	defer p.uploads.mu.Unlock()
	p.uploads.all[u] = true
	return p.with(func(fsys safefs.FS) error {
		if err := appendLine(fsys, p.id, uploadsName, line); err != nil {
			return p.local(err)
		}
		return nil
	})
}

// UploadsOver forgets the uploads of keys for which over holds: they were
// completed or aborted.
func (p *Plan) UploadsOver(over func(key string) bool) error {
	p.uploads.mu.Lock()
	defer p.uploads.mu.Unlock()
	before := len(p.uploads.all)
	maps.DeleteFunc(p.uploads.all, func(u Upload, _ bool) bool { return over(u.Key) })
	if len(p.uploads.all) == before {
		return nil
	}
	return p.with(func(fsys safefs.FS) error {
		if len(p.uploads.all) == 0 { // what comes back after a crash finds nothing to discard
			if err := forget(fsys, p.id, uploadsName); err != nil {
				return p.local(err)
			}
			return nil
		}
		err := replaceFile(fsys, p.id, uploadsName, func(w io.Writer) error {
			for _, u := range slices.SortedFunc(maps.Keys(p.uploads.all), func(a, b Upload) int {
				return cmp.Or(strings.Compare(a.UploadID, b.UploadID), strings.Compare(a.Key, b.Key))
			}) {
				line, err := uploadText(p.id, u)
				if err == nil {
					_, err = io.WriteString(w, line)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return p.local(err)
		}
		return nil
	})
}

// Noted gives the uploads and probes that runs have noted and not forgotten, of all
// plans. Nothing is forgotten by it.
func (d Dir) Noted(f func(Upload)) error {
	return d.with(func(fsys safefs.FS) error {
		return d.plans(fsys, func(id string) error {
			b, err := readFile(fsys, id+"/"+uploadsName)
			if err != nil {
				return d.local(err)
			}
			for line := range bytes.Lines(b) {
				if u, ok := uploadOf(id, line); ok {
					f(u)
				}
			}
			return nil
		})
	})
}

// LeftUploads gives the uploads and probes that runs have left, of all plans, to discard,
// and forgets those of a plan once discard took all of them. No run may be
// under way.
func (d Dir) LeftUploads(discard func(Upload) error) error {
	return d.with(func(fsys safefs.FS) error {
		return d.plans(fsys, func(id string) error {
			name := id + "/" + uploadsName
			b, err := readFile(fsys, name)
			if err != nil {
				return d.local(err)
			}
			if len(b) == 0 {
				return nil
			}
			valid := func(line []byte) bool { _, ok := uploadOf(id, line); return ok }
			if err := undamaged(b, valid, notedUpload.Match); err != nil {
				return d.damaged(name, err)
			}
			for line := range bytes.Lines(b) {
				if u, ok := uploadOf(id, line); ok {
					if err := discard(u); err != nil {
						return err
					}
				}
			}
			if err := fsys.Remove(name); err != nil {
				return d.local(err)
			}
			return nil
		})
	})
}
