package kill

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"cooper/internal/store/mem"
)

// purges: nothing goes but what was planned, and what is said to be gone is.
func (o *oddStore) purges() {
	keys := []string{"junk/a b", "junk/c", "junk/\x01", "keep/c", "junkyard"}
	for round := range 2 {
		if round == 1 {
			o.suspend()
		}
		for i, key := range keys {
			o.Put("lab", key, csv(10*round+i, 5), mem.PutOptions{})
		}
	}
	o.Delete("lab", "junk/c")
	before, kept, stays := o.there(), o.current()["keep/c"], o.unsure()
	may := refusals{
		mem.MarkerIgnored: always, mem.RemovesAll: always, mem.NoVersionsAPI: always, mem.VersionsUnknown: always, mem.VersionsOtherRoot: always, mem.NullStays: nulls,
		mem.DeleteMatchIgnored: nulls, mem.DeleteMatchUnknown: nulls,
		mem.ListNotEncoded: always, mem.RowETagIgnored: nulls, mem.NoDeleteObjects: nulls, mem.DeleteObjectsInvalid: nulls, mem.NullRowsFail: nulls, mem.VersioningUnknown: always,
	}
	gone := filepath.Join(o.dir, "deleted")
	r := o.cooper(may, "purge", "run", "s3://lab/junk/", "--list", "--yes", "--share-stop", "100%", "--deleted", gone)
	after := o.there()
	for v := range before {
		planned := strings.HasPrefix(v[0], "junk/")
		if !planned && !after[v] {
			o.Errorf("%q is gone, which nobody planned", v)
		}
		planned = planned && !stays[v] && !(o.is(mem.ListNoETag) && v[1] == "null") // left, with a reason
		if planned && after[v] && r.Code == 0 {
			o.Errorf("exit code 0, and %q is there: %s", v, brief(r))
		}
	}
	if !bytes.Equal(o.current()["keep/c"], kept) {
		o.Error("what is kept shows other bytes")
	}
	told, err := os.Open(gone)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		o.Fatal(err)
	}
	defer told.Close()
	for lines := bufio.NewScanner(told); lines.Scan(); {
		var row struct {
			Key string `json:"key"`
			ID  string `json:"version_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			o.Fatal(err)
		}
		if v := [2]string{row.Key, row.ID}; after[v] || !before[v] {
			o.Errorf("%q is said to be removed; it is there, or never was", v)
		}
	}
}

// unsure are the versions that a purge leaves, with a reason: null delete markers,
// as no condition tells them from what came since, and where a key has no latest
// version, those that it has.
func (o *oddStore) unsure() map[[2]string]bool {
	out, current := map[[2]string]bool{}, o.current()
	for _, v := range o.Versions("lab") {
		if v.DeleteMarker && v.VersionID == "null" || o.is(mem.NoneLatest) && o.versioning == suspended && current[v.Key] == nil {
			out[[2]string{v.Key, v.VersionID}] = true
		}
	}
	return out
}
