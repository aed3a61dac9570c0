// Package telemetry tells Sentry of runs that went wrong.
//
// It tells that a run has failed and with which kind of error, how many actions have
// failed by kind, and where in the program a crash was. It never tells keys of
// objects, which may name patients, nor messages, which may quote keys, nor
// arguments, which may hold secrets: those stay in logs and ledger. Nothing about
// Sentry fails a run: what could not be told is the caller's to note.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"

	"cooper"
)

// patience is how long telling one thing may take.
const patience = 5 * time.Second

// Options are what all reports say, and how they are sent.
type Options struct {
	DSN     string
	Version string // of the program
	Command string // such as "purge run", without arguments
	// Run is the id of a run in the background; may be empty.
	Run string
	// Transport sends; nil is the usual one.
	Transport http.RoundTripper
}

// Reporter tells Sentry. Its methods may be called one after the other.
type Reporter struct {
	client *sentry.Client
	wire   *wire
	tags   map[string]string
}

// New prepares a reporter and sends nothing. A DSN that makes no sense is
// KindUsage.
func New(o Options) (*Reporter, error) {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	w := &wire{next: o.Transport}
	transport := sentry.NewHTTPSyncTransport()
	transport.Timeout = patience
	_, err := sentry.NewDsn(o.DSN)
	if err == nil {
		var client *sentry.Client
		client, err = sentry.NewClient(sentry.ClientOptions{
			Dsn: o.DSN, Release: "cooper@" + o.Version, Transport: transport, HTTPTransport: w,
			// Nothing is gathered that was not put into the report here.
			Integrations: func([]sentry.Integration) []sentry.Integration { return nil },
			// One thing after the other: no goroutine is left when a report is sent.
			DisableTelemetryBuffer: true, DisableMetrics: true, DisableClientReports: true,
		})
		if err == nil {
			tags := map[string]string{"command": o.Command}
			if o.Run != "" {
				tags["run"] = o.Run
			}
			return &Reporter{client: client, wire: w, tags: tags}, nil
		}
	}
	// Sentry's own message quotes the DSN.
	return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "the DSN of Sentry makes no sense", Remedy: "Set SENTRY_DSN or --sentry-dsn as Sentry shows it: https://KEY@HOST/PROJECT."}
}

// Close ends the use of the reporter.
func (r *Reporter) Close() { r.client.Close() }

// Failed tells that a run has ended with an error of a kind and an exit code. An error
// is about the telling.
func (r *Reporter) Failed(ctx context.Context, kind cooper.Kind, exit int) error {
	e := r.event(sentry.LevelError, "run-failed", string(kind))
	if kind == cooper.KindRefused || kind == cooper.KindLocked {
		e.Level = sentry.LevelWarning
	}
	e.Message = fmt.Sprintf("%s failed: %s", r.tags["command"], kind)
	e.Tags["kind"], e.Tags["exit_code"] = string(kind), fmt.Sprint(exit)
	return r.send(ctx, e)
}

// Actions tells how many actions of a run have failed, by kind.
func (r *Reporter) Actions(ctx context.Context, failed map[cooper.Kind]int64) error {
	var total int64
	var parts []string
	counts := sentry.Context{}
	for _, k := range slices.Sorted(maps.Keys(failed)) {
		total += failed[k]
		parts = append(parts, fmt.Sprintf("%d %s", failed[k], k))
		counts[string(k)] = failed[k]
	}
	// Grouped by kinds and not by numbers, which differ from day to day.
	e := r.event(sentry.LevelWarning, "actions-failed", strings.Join(kinds(failed), "+"))
	e.Message = fmt.Sprintf("%s: %d actions failed (%s)", r.tags["command"], total, strings.Join(parts, ", "))
	e.Contexts["failed"] = counts
	return r.send(ctx, e)
}

func kinds(failed map[cooper.Kind]int64) (names []string) {
	for _, k := range slices.Sorted(maps.Keys(failed)) {
		names = append(names, string(k))
	}
	return names
}

// event begins a report; those that agree in what and which are one issue.
func (r *Reporter) event(level sentry.Level, what, which string) *sentry.Event {
	e := sentry.NewEvent()
	e.Level, e.Timestamp = level, time.Now()
	e.Fingerprint = []string{what, r.tags["command"], which}
	e.Tags = maps.Clone(r.tags)
	return e
}

// send sends a report and waits until it has arrived, but not for long.
func (r *Reporter) send(ctx context.Context, e *sentry.Event) error {
	r.wire.last = errors.New("it was not sent")
	r.wire.ctx = ctx
	r.client.CaptureEvent(e, nil, nil)
	if err := r.wire.last; err != nil {
		return &cooper.Error{Kind: cooper.KindStore, Message: "Sentry was not told", Err: err}
	}
	return nil
}

// wire remembers what came of the last request, which Sentry's client keeps to
// itself.
type wire struct {
	next http.RoundTripper
	ctx  context.Context // of the report under way
	last error
}

// RoundTrip sends one request.
func (w *wire) RoundTrip(q *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	res, err := w.next.RoundTrip(q.WithContext(ctx))
	if w.last = err; err == nil && res.StatusCode >= 300 {
		w.last = errors.New(res.Status)
	}
	return res, err
}
