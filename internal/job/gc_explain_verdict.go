package job

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gc/detect"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/words"
)

// verdict is what the last detection says.
func (x *explaining) verdict(ctx context.Context) error {
	v := &x.r.Verdict
	switch newest := x.r.Scans[0]; {
	case !x.r.There:
		v.Is, v.Why = "not there", "the newest scan has no such handle"
	case newest.Links > 0:
		v.Is, v.Why = "linked", fmt.Sprintf("the newest scan has found links to it: %d", newest.Links)
		v.ToChange = []string{"It stays while anything links to it, and until " + words.Plural(int64(x.config.Detect.Scans), "complete scan") + " after that saw no link."}
	case slices.Contains(away, gcstate.Status(x.r.Status)):
		v.Is, v.Why = strings.ToLower(x.r.Status), "it is "+x.r.Status+": see docs/gc-states.md"
		v.ToChange = []string{"Have it back: cooper gc restore " + ShellWord(x.r.Handle)}
	case x.r.Status == string(gcstate.Unlinked):
		v.Is, v.Why = "unlinked", "it is UNLINKED, and no link leads to it in the newest scan"
		v.ToChange = []string{"Link to it: the next scan sees that, and cooper gc detect brings it back."}
	default:
		v.Is, v.Why = "without a link", "no link leads to it in the newest scan"
	}
	d, err := x.lastDetection(ctx, x.last.Server)
	if cooper.KindOf(err) == cooper.KindMissing {
		x.r.Unknown = append(x.r.Unknown, "whether it is a candidate: nothing was detected yet (cooper gc detect)")
		return nil
	} else if err != nil {
		return err
	}
	v.Detection = d.ID
	behind := len(d.Scans) > 0 && d.Scans[0] != x.last.ID
	if behind {
		x.r.Unknown = append(x.r.Unknown, "what follows from the newest scan: the last detection was before it")
	}
	listed, err := x.facts.FindListed(ctx, d.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for i := range listed {
		if !behind || !x.overtaken(&listed[i]) {
			x.says(d, &listed[i])
		}
	}
	for _, u := range d.Unknown {
		if u.Bucket == x.r.Bucket && u.List == gcfacts.Missings {
			x.r.Unknown = append(x.r.Unknown, "whether its object is there: "+u.Why)
		}
	}
	return nil
}

// away are the statuses of handles whose object is in the archive, or on its way.
var away = []gcstate.Status{gcstate.Archiving, gcstate.Archived, gcstate.Restoring}

// overtaken tells whether the newest scan, which a detection did not know, or the status by now says something else than a
// list of the detection's.
func (x *explaining) overtaken(l *gcfacts.Listed) bool {
	switch l.List {
	case gcfacts.Candidates, gcfacts.Kepts:
		return !x.r.There || slices.Contains(away, gcstate.Status(x.r.Status)) || x.r.Scans[0].Links > 0
	case gcfacts.Relinkeds:
		return !x.r.There
	}
	return false
}

// says puts what a list says into words.
func (x *explaining) says(d *gcfacts.Detection, l *gcfacts.Listed) {
	v := &x.r.Verdict
	switch l.List {
	case gcfacts.Candidates:
		v.Is, v.Why = "candidate", fmt.Sprintf("no link in %d complete scans, and nothing keeps it", len(d.Scans))
		v.ToChange = []string{"Link to it, or keep it: cooper gc keep " + ShellWord(x.r.Handle)}
		if d.Waits != "" {
			v.Why = "no link in the scans that count; it waits for " + d.Waits
		}
	case gcfacts.Kepts:
		v.Is, v.Why = "kept: "+l.Reason, keptWords[l.Reason][0]
		v.ToChange = []string{keptWords[l.Reason][1]}
	case gcfacts.Relinkeds:
		if x.r.Status == string(gcstate.Available) {
			v.Is, v.Why = "linked", "it was "+l.Status+", and is AVAILABLE again, as a link leads to it"
			return
		}
		v.Is, v.Why = "linked again", "it is "+l.Status+", and a link leads to it"
		v.ToChange = []string{"cooper gc detect marks it as AVAILABLE, if it is UNLINKED by Cooper's own mark."}
	case gcfacts.Missings:
		x.r.Unknown = append(x.r.Unknown, "where its object is: it was not in the bucket")
	case gcfacts.NearMisses:
		x.r.Unknown = append(x.r.Unknown, "why its key is in the bucket "+l.Other+", and not in its own")
	}
}

// keptWords say why a handle without a link is no candidate, and what would change that.
var keptWords = map[string][2]string{
	detect.NotAnObject:     {"it is no object in a bucket, or `where` of its kind leaves it out", "Change `handles` in the configuration."},
	detect.OtherBucket:     {"its bucket is none of `buckets`", "Declare the bucket, if it is owned."},
	detect.Held:            {"a row of a table of `protect` or `in_flight` holds it", "Remove the row, and scan anew."},
	detect.ProtectedPrefix: {"its key lies below a prefix of `protect`", "Change `protect` in the configuration."},
	detect.DerivedLives:    {"what it is made from lives", "It lives as long as one of its sources does."},
	detect.DerivedGoes:     {"what it is made from has no link either", "It goes with the last of its sources."},
	detect.TimeUnknown:     {"it is not known when it was modified", "Declare `modified`, or write the time into the row."},
	detect.Young:           {"it, or its object, was written lately, or it came back lately", "Wait: detect.unmodified says how long."},
	detect.KeptByHand:      {"a person keeps it", "cooper gc release takes that back."},
	detect.RegistryLacks:   {"it is older than the registry of links: that there is no row proves nothing", "Fill the registry, and declare complete_since."},
	detect.NotInAllScans:   {"one of the scans that count has not seen it, or has seen a link", "Wait for more complete scans."},
}
