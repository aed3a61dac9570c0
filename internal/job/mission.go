package job

import (
	"context"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/compress"
	"cooper/internal/gc"
	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/purge"
	"cooper/internal/uploads"
)

// missions are all there are, by the name that their plans bear. This is the one place
// that knows them by name: a mission is added with a line here, and a file that says how
// it is wired.
var missions = map[string]mission{
	backup.Mission:         trees{makeTree, fetchedStays},
	backup.MissionRestore:  restores{},
	backup.MissionRollback: rollbacks{trees{changeTree, fetchedStays}},
	backup.MissionPrune:    trees{changeTree, "one that had begun is completed by the next run"},
	backup.MissionVerify:   trees{changeTree, "what was read is read again"},
	backup.MissionRepair:   trees{changeTree, fetchedStays},

	compress.Mission:         compressions{},
	compress.MissionEstimate: estimates{},

	purge.Mission:   purges{},
	uploads.Mission: uploadPurges{},

	gc.Mission:       scans{},
	gc.MissionDetect: marks{},

	gc.MissionArchive: archives{},
	gc.MissionRecall:  recalls{},
	gc.MissionForget:  deletions{},
}

// A mission is what whoever carries plans out has to know of one kind of them.
type mission interface {
	// check refuses options that make no sense with a plan, before anything is opened.
	check(h *plan.Header, opt *Options) error
	// place says what has to be held while a plan is carried out.
	place(h *plan.Header, opt *Options) (place, error)
	// equip opens what a plan needs, and puts together what carries it out. What it
	// has opened before an error it closes.
	equip(ctx context.Context, h *held, p *plan.Plan, opt *Options) (*kit, error)
	// conclude adds to a result what this mission alone has to tell; err is how the
	// run ended. Its own error is ErrSomeFailed where the plan was carried out, and
	// the goal is not reached all the same.
	conclude(ctx context.Context, h *held, r *Result, err error) error
	// traits are what its plans have in common.
	traits() Traits
}

// Traits are what plans of one mission have in common.
type Traits struct {
	Words
	// Removes: its runs remove versions of a bucket for good, and those can be listed.
	Removes bool
	// readsOnly: its runs change nothing that others could mind, and so need not keep
	// others away from the bucket.
	readsOnly bool
	// anyAge: a plan of any age may be gone on with, as it reads what is there when it does.
	anyAge bool
	// knowsFailures: what failed in earlier runs of a plan is part of what it tells.
	knowsFailures bool
}

// kit is what carries a plan out.
type kit struct {
	verbs  map[string]apply.Verb
	target apply.Target
	count  *progress.Counters
	// workers and shards are those of apply.Job.
	workers, shards int
	// again: failures may be those of earlier runs on the same objects.
	again bool
	// told passes on, right after the run, what was noticed on the way; nil: nothing.
	told func()
	// warn passes on what apply finds fit to be known; nil: as a caution.
	warn  func(message string)
	close func() error
}

// missionOf finds the mission of a plan.
func missionOf(h *plan.Header) (mission, error) {
	if m, ok := missions[h.Mission]; ok {
		return m, nil
	}
	return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "is one of the mission " + cooper.Quote(h.Mission) + ", which is not known here",
		Remedy: "Carry it out with the version of cooper that made it, or make a new plan."}
}

// TraitsOf are those of the mission of a plan; none where it is not known.
func TraitsOf(h *plan.Header) Traits {
	if m, ok := missions[h.Mission]; ok {
		return m.traits()
	}
	return Traits{}
}
