package bucketop

import (
	"encoding/json"
	"strings"

	"cooper"
	"cooper/internal/codec"
)

// Mode is where the new form of an object goes.
type Mode string

// The modes.
const (
	// Suffix: beside the original, under its key and the codec's suffix.
	Suffix Mode = "suffix"
	// InPlace: under the same key, with a Content-Encoding. The write is the
	// removal of what was current.
	InPlace Mode = "in-place"
)

// Originals is what becomes of originals once their replacement is proven.
type Originals string

// What becomes of originals.
const (
	RemoveOriginals Originals = "remove"
	// KeepOriginals: they stay, beside a new key or as noncurrent versions.
	KeepOriginals Originals = "keep"
)

// Proof is how a replacement is proven.
type Proof string

// The proofs.
const (
	// AsSent: what is sent is decoded, and the store's checksum vouches for it.
	AsSent Proof = "sent"
	// ReadBack: it is read again from the store, too, and decoded.
	ReadBack Proof = "readback"
)

// Encryption at rest of replacements, as Rewriting.SSE has it; beside these,
// "kms:" and a key.
const (
	SSEDefault = "bucket-default"
	SSEKeep    = "keep"
	SSEAES     = "AES256"
	SSEKMS     = "kms:"
)

// Rewriting is what all actions of a plan that compresses have in common. A
// plan's policy has it under "rewriting".
type Rewriting struct {
	// Codec is how replacements are stored. Its encryption is that of the
	// originals, too: the application's, with keys of its own.
	Codec     codec.Chain `json:"codec"`
	Mode      Mode        `json:"mode"`
	Originals Originals   `json:"originals"`
	SSE       string      `json:"sse"`
	Proof     Proof       `json:"proof"`
	// MinSaving is the share of a stored object that must be saved, 0 to 1;
	// otherwise it is left.
	MinSaving float64 `json:"min_saving"`
	// Ranged: also files of formats that are read by ranges, which nothing opens
	// until they are decompressed.
	Ranged bool `json:"ranged,omitempty"`
	// Unguarded removes originals also where the store cannot keep them apart
	// from an upload in the instant of their removal.
	Unguarded bool `json:"unguarded,omitempty"`
	// Versioning is the bucket's when the plan was made: Enabled, Suspended, or
	// empty for never.
	Versioning string `json:"versioning,omitempty"`
}

// RewritingOf reads it from a plan's policy.
func RewritingOf(policy json.RawMessage) (Rewriting, error) {
	var p struct {
		Rewriting *Rewriting `json:"rewriting"`
	}
	if err := json.Unmarshal(policy, &p); err != nil || p.Rewriting == nil {
		return Rewriting{}, &cooper.Error{Kind: cooper.KindInvalid, Message: "the policy of the plan does not say how to rewrite", Err: err,
			Remedy: "Make a new plan with this version of cooper."}
	}
	return *p.Rewriting, nil
}

// Replacement is the key under which the new form of key is stored.
func (r *Rewriting) Replacement(key string) string {
	if r.Mode == InPlace {
		return key
	}
	return key + r.Codec.Compress.Suffix()
}

// argTry is what a Measure tries.
const argTry = "try"

// MeasureArgs are the arguments of Measure.
type MeasureArgs struct {
	// Try are the compressions to try. Without any, the object is said to be
	// compressed, by its name, and is decoded for what it holds.
	Try    []codec.Compression
	Reason string
}

// Encode writes the arguments as an action has them.
func (a MeasureArgs) Encode() map[string]string {
	m := map[string]string{argReason: a.Reason}
	if len(a.Try) > 0 {
		names := make([]string, len(a.Try))
		for i, c := range a.Try {
			names[i] = c.String()
		}
		m[argTry] = strings.Join(names, ",")
	}
	return m
}

// DecodeMeasure reads what Encode wrote. Anything else is KindInvalid.
func DecodeMeasure(m map[string]string) (MeasureArgs, error) {
	var a MeasureArgs
	for name, value := range m {
		switch name {
		case argReason:
			a.Reason = value
		case argTry:
			for s := range strings.SplitSeq(value, ",") {
				c, err := codec.ParseCompression(s)
				if err != nil {
					return a, unknownArgument(name, value)
				}
				a.Try = append(a.Try, c)
			}
		default:
			return a, unknownArgument(name, value)
		}
	}
	return a, nil
}

// RewriteArgs are the arguments of Rewrite.
type RewriteArgs struct {
	// Guard is of the removal of the original. In place of a null version it is
	// ByETag: the write itself compares.
	Guard  Guard
	Reason string // why the version was chosen
}

// Encode writes the arguments as an action has them.
func (a RewriteArgs) Encode() map[string]string {
	m := map[string]string{argReason: a.Reason}
	if a.Guard != ByID {
		m[argGuard] = string(a.Guard)
	}
	return m
}

// DecodeRewrite reads what Encode wrote. Anything else is KindInvalid.
func DecodeRewrite(m map[string]string) (RewriteArgs, error) {
	var a RewriteArgs
	for name, value := range m {
		switch {
		case name == argReason:
			a.Reason = value
		case name == argGuard && (value == string(ByETag) || value == string(ByLook)):
			a.Guard = Guard(value)
		default:
			return a, unknownArgument(name, value)
		}
	}
	return a, nil
}
