package bucketop

import (
	"fmt"
	"strconv"
	"time"

	"cooper"
)

// QuietUpload is for how long no part may have come of an upload that is aborted:
// whoever still sends some may complete it.
const QuietUpload = 24 * time.Hour

// argParts is how many parts of an upload there were.
const argParts = "parts"

// AbortArgs are the arguments of Abort.
type AbortArgs struct {
	Parts int // that had come when the plan was made
}

// Encode writes the arguments as an action has them.
func (a AbortArgs) Encode() map[string]string {
	return map[string]string{argParts: strconv.Itoa(a.Parts)}
}

// DecodeAbort reads what Encode wrote. Anything else is KindInvalid.
func DecodeAbort(m map[string]string) (a AbortArgs, err error) {
	for name, value := range m {
		if name != argParts {
			return a, unknownArgument(name, value)
		}
	}
	if a.Parts, err = strconv.Atoi(m[argParts]); err != nil || a.Parts < 0 {
		return a, unknownArgument(argParts, m[argParts])
	}
	return a, nil
}

// absurd: neither of two clocks that differ by so much can be believed.
const absurd = 24 * time.Hour

// UploadClock gives the time by which the ages of uploads are told: that of the store,
// which has dated them, as one of its last answers said. ahead is by how much this
// machine's clock was ahead of it. It refuses a clock that is not told, and two that
// contradict each other.
func UploadClock(where string, at time.Time, ahead time.Duration, told bool) (cooper.Instant, error) {
	e := &cooper.Error{Kind: cooper.KindRefused, Where: where}
	switch {
	case !told:
		e.Message, e.Remedy = "the store does not tell its time (Date), so how old an upload is cannot be told", "Look at what stands between here and the store: something drops the header."
	case ahead.Abs() > absurd:
		e.Message = fmt.Sprintf("the store's clock says %s and ours %s: how old an upload is cannot be told by either", cooper.InstantOf(at), cooper.InstantOf(at.Add(ahead)))
		e.Remedy = "Set the clock that is wrong."
	default:
		return cooper.InstantOf(at), nil
	}
	return 0, e
}
