package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("cooper_"+name, help, labels, nil)
}

var (
	info    = desc("run_info", "The run: its command, the program's version, its id in the background, and its plan.", "command", "version", "run", "plan")
	began   = desc("run_start_time_seconds", "When the run began, in seconds since 1970.")
	phase   = desc("phase_info", "What is going on.", "phase")
	waiting = desc("waiting", "1 while the run waits for an hour of the day.")

	actions  = desc("actions_total", "Actions that have ended, whatever came of them.")
	planned  = desc("actions_planned", "Actions of the plan.")
	bytes    = desc("action_bytes_total", "Bytes of the plan whose actions have ended.")
	planB    = desc("action_bytes_planned", "Bytes of the plan.")
	moved    = desc("moved_bytes_total", "Bytes of objects that were transferred, repeats included.")
	inFlight = desc("actions_in_flight", "Actions that are being worked on.")
	failed   = desc("actions_failed_total", "Actions that have failed, by kind.", "kind")
	deferred = desc("actions_deferred_total", "Actions that cannot be done yet.")
	ignored  = desc("actions_ignored_total", "Actions that have failed in a way that was to be passed over.")
	eta      = desc("eta_seconds", "What remains, in seconds; absent while nobody knows.")

	requests  = desc("requests_total", "Requests that have reached a store, repeats included, by the class they are charged as.", "class")
	retries   = desc("request_retries_total", "Requests that were repeated.")
	throttled = desc("requests_throttled_total", "Requests that a store has refused because there were too many.")
	network   = desc("network_bytes_total", "Bytes of bodies.", "direction")
)

// collector reads a run whenever it is asked.
type collector struct{ run Run }

// Describe names all figures.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{info, began, phase, waiting, actions, planned, bytes, planB, moved, inFlight, failed, deferred, ignored, eta, requests, retries, throttled, network} {
		out <- d
	}
}

// Collect reads all figures.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		for i, l := range labels { // from plans and command lines
			labels[i] = strings.ToValidUTF8(l, "�")
		}
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		set(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { set(d, prometheus.GaugeValue, v, labels...) }

	gauge(info, 1, c.run.Command, c.run.Version, c.run.ID, c.run.Plan())
	gauge(began, float64(c.run.Began.UnixMilli())/1000)
	u := c.run.Usage()
	for class, n := range map[string]int64{"get": u.Get, "head": u.Head, "put": u.Put, "list": u.List, "restore": u.Restore, "delete": u.Delete} {
		count(requests, n, class)
	}
	count(retries, u.Retries)
	count(throttled, u.Throttled)
	count(network, u.BytesIn, "in")
	count(network, u.BytesOut, "out")
	s, ok := c.run.Progress()
	if !ok {
		return
	}
	gauge(phase, 1, s.Phase)
	wait := 0.0
	if !s.Until.IsZero() {
		wait = 1
	}
	gauge(waiting, wait)
	count(actions, s.Objects)
	gauge(planned, float64(s.TotalObjects))
	count(bytes, s.Bytes)
	gauge(planB, float64(s.TotalBytes))
	count(moved, s.Moved)
	gauge(inFlight, float64(s.InFlight))
	for kind, n := range s.Failed {
		count(failed, n, string(kind))
	}
	count(deferred, s.Deferred)
	count(ignored, s.Ignored)
	if s.ETA >= 0 {
		gauge(eta, s.ETA.Seconds())
	}
}
