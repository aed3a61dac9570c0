package journal

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"cooper/internal/tree/safefs"
)

// Upload is a multipart upload that a run has begun.
type Upload struct {
	Key      string `json:"key"`
	UploadID string `json:"upload_id"`
}

// openUploads are those noted by this process and not over, keys by upload id.
type openUploads struct {
	mu   sync.Mutex
	keys map[string]string
}

// NoteUpload remembers an upload, durably, before it has any part.
func (p *Plan) NoteUpload(u Upload) error {
	line, err := json.Marshal(u)
	if err != nil {
		return p.local(err)
	}
	p.uploads.mu.Lock()
	defer p.uploads.mu.Unlock()
	p.uploads.keys[u.UploadID] = u.Key
	return p.with(func(fsys safefs.FS) error {
		if err := appendLine(fsys, p.id, uploadsName, string(line)+"\n"); err != nil {
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
	before := len(p.uploads.keys)
	maps.DeleteFunc(p.uploads.keys, func(_, key string) bool { return over(key) })
	if len(p.uploads.keys) == before {
		return nil
	}
	return p.with(func(fsys safefs.FS) error {
		err := replaceFile(fsys, p.id, uploadsName, func(w io.Writer) error {
			enc := json.NewEncoder(w)
			for _, id := range slices.Sorted(maps.Keys(p.uploads.keys)) {
				if err := enc.Encode(Upload{Key: p.uploads.keys[id], UploadID: id}); err != nil {
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

// LeftUploads gives the uploads that runs have left, of all plans, to discard,
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
			for line := range strings.Lines(string(b)) {
				var u Upload
				// A line that a crash has cut off or garbled is of an upload that
				// got no part.
				if json.Unmarshal([]byte(line), &u) != nil || u.Key == "" || u.UploadID == "" {
					continue
				}
				if err := discard(u); err != nil {
					return err
				}
			}
			if err := fsys.Remove(name); err != nil {
				return d.local(err)
			}
			return nil
		})
	})
}
