package gcop

import (
	"encoding/json"

	"cooper"
	"cooper/internal/plan"
)

// Scanning is what all tasks of a scan have in common. A plan's policy has it under
// "scanning".
type Scanning struct {
	// Config is the absolute path of the configuration.
	Config string `json:"config"`
	// Configuration is the digest of what it declares. Names in tasks mean what they mean
	// there: a scan is not carried out with another.
	Configuration string `json:"configuration"`
	// Schema is the digest of the tables upon which that is declared.
	Schema string `json:"schema"`
	// Server is the database's own identity, Engine what it is.
	Server string `json:"server"`
	Engine string `json:"engine"`
	// Time is the scan's, by the database's clock: :now in conditions.
	Time cooper.Instant `json:"time"`
}

// ScanningOf reads it from a plan's policy.
func ScanningOf(policy json.RawMessage) (Scanning, error) {
	var p struct {
		Scanning *Scanning `json:"scanning"`
	}
	err := json.Unmarshal(policy, &p)
	if s := p.Scanning; err == nil && s != nil && s.Config != "" && s.Configuration != "" && s.Server != "" && s.Time != 0 {
		return *s, nil
	}
	return Scanning{}, &cooper.Error{Kind: cooper.KindInvalid, Message: "the policy of the plan does not say what is scanned", Err: err,
		Remedy: "Make a new plan with this version of cooper."}
}

// CheckTarget refuses a plan that was made for another database, or for another
// configuration, than those at hand; path is what the configuration calls the database.
func CheckTarget(h plan.Header, path, server, configuration string) error {
	if h.Target.Kind != TargetKind {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "is for a " + cooper.Quote(h.Target.Kind) + ", not for a database"}
	}
	s, err := ScanningOf(h.Policy)
	if err != nil {
		return err
	}
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: message, Remedy: remedy}
	}
	switch {
	case s.Configuration != configuration:
		return refused(s.Config+" declares other things than when the scan was planned: ranges of both are no scan of either", "Scan anew: cooper gc scan")
	case h.Target.Path != path:
		return refused("was made for the database "+cooper.Quote(h.Target.Path)+", not for "+cooper.Quote(path), "Scan anew: cooper gc scan")
	case s.Server != server:
		return refused("was made for another server: "+cooper.Quote(s.Server)+"; the one that answers now is "+cooper.Quote(server),
			"A copy of the database must not mix with it. See which one "+cooper.Quote(path)+" leads to; if the server is meant to be another, scan anew: cooper gc scan")
	}
	return nil
}
