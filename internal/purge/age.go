package purge

import (
	"sort"
	"strings"
	"time"

	"cooper"
)

// age is for how long a version has been what it is: not current, for
// Noncurrent, else there. It was superseded when the next newer one was written;
// and never before it was written itself, which matters because a multipart
// upload is dated by its beginning.
func (d *decider) age(i int) time.Duration {
	since := d.rows[i].LastModified
	if d.in.Policy.Versions == Noncurrent {
		since = max(since, d.superseded(i))
	}
	return d.now.Sub(since.Time())
}

// longestUpload is how long an upload in parts is reckoned to take at most. S3
// sets no limit; rules that abort unfinished ones commonly give them this much.
const longestUpload = 7 * 24 * time.Hour

// superseded is when the row i was, as far as the rows tell. An upload in parts
// may have ended, and the version have become the current one, after others that
// are dated later: only what was written when it must have ended counts, or
// what is the latest.
func (d *decider) superseded(i int) cooper.Instant {
	v := &d.rows[i]
	ended := v.LastModified + cooper.Instant(longestUpload.Milliseconds())
	if i == 0 || !strings.Contains(v.ETag, "-") || d.newer > ended {
		return d.newer
	}
	// Behind the latest, rows are sorted by time.
	between := d.rows[1:i]
	later := sort.Search(len(between), func(n int) bool { return between[n].LastModified <= ended })
	return max(d.newer, d.rows[later].LastModified)
}
