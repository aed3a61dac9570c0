package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"cooper/internal/codec"
	"cooper/internal/codec/cfb8"
)

// What the server's objects are, as the program tells itself.
const (
	plainKind     = "plain"
	encryptedKind = "encrypted"
)

// compressAtOnce is how many objects the floor compresses at once: as many as
// Cooper does.
const compressAtOnce = 64

// labName names the script that does it a lab's way.
const labName = "script"

// compressPrograms are measured one after the other.
var compressPrograms = []string{floorName, oursName, labName}

// compressOptions say what is compressed.
type compressOptions struct {
	objects  int
	programs string // of compressPrograms
	profile  string
}

// compressRun is one run of one program.
type compressRun struct {
	Part     string  `json:"part"`
	Program  string  `json:"program"`
	Round    int     `json:"round"` // from 1
	Objects  int     `json:"objects"`
	Done     int     `json:"done"` // compressed, and the original gone
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_seconds"`
	Server   float64 `json:"server_cpu_seconds"`
	Peak     int64   `json:"peak_bytes"`
	Growth   int64   `json:"growth_bytes"`
	Requests int64   `json:"requests"`
	Bytes    int64   `json:"stored_bytes"`
}

func (r compressRun) rate() float64 { return float64(r.Done) / r.Seconds }

// compressPart measures how long it takes to compress all objects of a bucket
// and to remove the originals, by several programs, in rounds.
func (s *setup) compressPart(ctx context.Context, part string, encrypted bool) (err error) {
	c := &compression{setup: s, part: part, what: sensors{s.compress.objects, encrypted}, dir: filepath.Join(s.dir, part)}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	if err := c.writeKeys(); err != nil {
		return err
	}
	if c.server, err = s.startSensors(c.what); err != nil {
		return err
	}
	defer c.server.stop()
	programs := strings.Split(s.compress.programs, ",")
	if at := slices.Index(programs, labName); at >= 0 {
		if _, err := os.Stat(s.labPython()); err != nil {
			fmt.Println("without the lab's script: scripts/lab installs what it needs")
			programs = slices.Delete(programs, at, at+1)
		}
	}
	for round := range s.rounds {
		at := round % len(programs)
		for _, p := range slices.Concat(programs[at:], programs[:at]) {
			if err := c.run(ctx, p, round); err != nil {
				c.print(os.Stdout)
				return err
			}
		}
	}
	c.print(os.Stdout)
	return c.writeJSON()
}

// compression is one part under way.
type compression struct {
	*setup
	part   string
	what   sensors
	dir    string
	server *server
	runs   []compressRun
}

// run measures one program, beginning with the bucket full.
func (c *compression) run(ctx context.Context, program string, round int) error {
	if program == labName && round > 0 && c.stopped(labName) {
		return nil // its rate is known, and a day has 24 hours
	}
	if err := c.server.refill(ctx); err != nil {
		return err
	}
	work := filepath.Join(c.dir, "work")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	defer removeAll(work)
	within := ctx
	if program == labName {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, c.peers.limit)
		defer cancel()
	}
	cmd, err := c.command(within, program, work)
	if err != nil {
		return err
	}
	settle()
	before := cpuOf(c.server.cmd.Process.Pid)
	u, err := measured(cmd)
	stopped := errors.Is(within.Err(), context.DeadlineExceeded)
	if err != nil && !stopped {
		return err
	}
	r := compressRun{
		Part: c.part, Program: program, Round: round + 1, Objects: c.what.objects,
		Seconds: u.wall, CPU: u.cpu, Server: cpuOf(c.server.cmd.Process.Pid) - before, Peak: u.rss, Growth: u.growth(),
	}
	l, err := c.server.left(ctx)
	if err != nil {
		return err
	}
	r.Done, r.Requests, r.Bytes = c.what.objects-l.Plain, l.Requests, l.Bytes
	if !stopped && (l.Plain != 0 || l.Compressed != c.what.objects) {
		return fmt.Errorf("%s left %d objects as they were and %d compressed, of %d\n%s", program, l.Plain, l.Compressed, c.what.objects, u.out)
	}
	if err := c.check(ctx, program, r.Done); err != nil {
		return err
	}
	c.runs = append(c.runs, r)
	fmt.Printf("round %d  %-7s %6.1f s, %5.0f objects/s\n", r.Round, program, r.Seconds, r.rate())
	return nil
}

func (c *compression) stopped(program string) bool {
	return slices.ContainsFunc(c.runs, func(r compressRun) bool { return r.Program == program && r.Done < r.Objects })
}

// command is what a program is told.
func (c *compression) command(ctx context.Context, program, work string) (*exec.Cmd, error) {
	kind := plainKind
	if c.what.encrypted {
		kind = encryptedKind
	}
	var cmd *exec.Cmd
	switch program {
	case floorName:
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd = exec.CommandContext(ctx, self, "-floor", c.server.url, "-objects", strconv.Itoa(c.what.objects), "-sensors", kind, "-profile", c.compress.profile)
	case oursName:
		cmd = exec.CommandContext(ctx, c.cooper, "compress", "run", "s3://"+bucketName, "--list", "--yes", "--quiet")
		if c.what.encrypted {
			cmd.Args = append(cmd.Args, "--cipher", string(codec.AES256CFB8), "--keys", c.keysFile())
		}
	case labName:
		args := []string{filepath.Join("bench", "compress_lab.py"), bucketName, filepath.Join(work, "statistics.sqlite")}
		if c.what.encrypted {
			args = append(args, c.labKeysFile())
		}
		cmd = exec.CommandContext(ctx, c.labPython(), args...)
	default:
		return nil, fmt.Errorf("unknown program %q: there are %s", program, strings.Join(compressPrograms, ", "))
	}
	cmd.Env = append(c.environment(c.server.url), "COOPER_WORKSPACE="+filepath.Join(work, "ws"))
	return cmd, nil
}

// checked is how many objects of each run are read again.
const checked = 50

// check decodes some of what a program has stored, and compares it with what
// was there. A run that was stopped is checked where it began.
func (c *compression) check(ctx context.Context, program string, done int) error {
	for n := range min(checked, done) {
		i := n * (done / min(checked, done))
		stored, err := c.server.fetch(ctx, c.what.key(i)+".zst")
		if err != nil {
			if done < c.what.objects {
				continue // it takes them in the order of their keys
			}
			return fmt.Errorf("%s: %w", program, err)
		}
		chain, o := codec.Chain{Compress: codec.Compression{Method: codec.Zstd}}, codec.DecodeOptions{}
		if c.what.encrypted {
			chain.Encrypt = codec.AES256CFB8
			if o.Key, err = cfb8.ParseKey(studyKey(i % distinct)); err != nil {
				return err
			}
		}
		s, err := chain.Decode(bytes.NewReader(stored), o)
		if err != nil {
			return err
		}
		plain, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(plain, content(i%distinct)) {
			return fmt.Errorf("%s: %s.zst is not what was there: %w", program, c.what.key(i), err)
		}
	}
	return nil
}

// labPython is the interpreter that has what the lab's script needs.
func (s *setup) labPython() string { return filepath.Join(s.peers.tools, "lab", "bin", "python") }

func (c *compression) labKeysFile() string { return filepath.Join(c.dir, "lab-keys.json") }
func (c *compression) keysFile() string    { return filepath.Join(c.dir, "keys.jsonl") }

// writeKeys writes the studies' keys as each program wants them.
func (c *compression) writeKeys() error {
	if !c.what.encrypted {
		return nil
	}
	lab := map[string]string{}
	var ours bytes.Buffer
	lines := json.NewEncoder(&ours)
	for i := range studies {
		name, key := study(i*len(streams)), studyKey(i*len(streams))
		lab[name] = key
		if err := lines.Encode(map[string]string{"prefix": name + "/", "key": key}); err != nil {
			return err
		}
	}
	declared := map[string]bool{}
	for _, st := range streams {
		if declared[st.name] {
			continue
		}
		declared[st.name] = true
		if err := lines.Encode(map[string]string{"pattern": "*/*/" + st.name + "/", "expect": "csv:" + st.firstLine()}); err != nil {
			return err
		}
	}
	b, err := json.Marshal(lab)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(c.labKeysFile(), b, 0o600), os.WriteFile(c.keysFile(), ours.Bytes(), 0o600))
}

// print writes a line for each program, medians of the rounds.
func (c *compression) print(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintln(w, "\n\t program\t wall\t objects/s\t CPU\t server's CPU\t peak memory\t growth\t requests\t stored\t of the floor's rate\t times the script's\t")
	fmt.Fprintln(w, "\t ---\t ---\t ---\t ---\t ---\t ---\t ---\t ---\t ---\t ---\t ---\t")
	for _, p := range compressPrograms {
		rs := c.of(p)
		if len(rs) == 0 {
			continue
		}
		middle := func(value func(compressRun) float64) float64 {
			var xs []float64
			for _, r := range rs {
				xs = append(xs, value(r))
			}
			return median(xs)
		}
		note := ""
		if c.stopped(p) {
			note = fmt.Sprintf(", stopped at %d objects", rs[0].Done)
		}
		fmt.Fprintf(w, "\t %s\t %.1f s%s\t %.0f\t %.1f s\t %.1f s\t %.0f MB\t %+.0f MB\t %.0f\t %.0f MB\t %s\t %s\t\n", p,
			middle(func(r compressRun) float64 { return r.Seconds }), note,
			middle(compressRun.rate),
			middle(func(r compressRun) float64 { return r.CPU }),
			middle(func(r compressRun) float64 { return r.Server }),
			middle(func(r compressRun) float64 { return float64(r.Peak) / 1e6 }),
			middle(func(r compressRun) float64 { return float64(r.Growth) / 1e6 }),
			middle(func(r compressRun) float64 { return float64(r.Requests) }),
			middle(func(r compressRun) float64 { return float64(r.Bytes) / 1e6 }),
			against(rs, c.of(floorName), "%.0f %%", 100), against(rs, c.of(labName), "%.1f", 1))
	}
	_ = w.Flush() // a broken terminal spoils no measurement
}

func (c *compression) of(program string) (rs []compressRun) {
	for _, r := range c.runs {
		if r.Program == program {
			rs = append(rs, r)
		}
	}
	return rs
}

// against compares rates of rounds that follow each other; a script that was
// stopped has but one.
func against(a, b []compressRun, format string, times float64) string {
	var xs []float64
	for i, r := range a {
		if len(b) > 0 {
			xs = append(xs, times*r.rate()/b[min(i, len(b)-1)].rate())
		}
	}
	if len(xs) == 0 {
		return ""
	}
	return fmt.Sprintf(format, median(xs))
}

// writeJSON appends every run to a file, one JSON object a line.
func (c *compression) writeJSON() (err error) {
	if c.peers.json == "" {
		return nil
	}
	f, err := os.OpenFile(c.peers.json, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer finally(&err, f.Close)
	for _, r := range c.runs {
		if err := json.NewEncoder(f).Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// profiled does f, and writes a CPU profile of it unless the name is empty.
func profiled(name string, f func() error) (err error) {
	if name == "" {
		return f()
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer finally(&err, out.Close)
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}
