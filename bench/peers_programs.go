package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// job is one run of a program: bring the tree up to what the bucket holds. The
// report lists the bucket as it is, for programs that read one.
type job struct {
	url    string // of the server
	report string // s3://…/, where the report is
	tree   string
	work   string // a directory for what the program keeps besides the tree
	day    int    // counts the runs into this tree
}

// program is a program that backs a bucket up.
type program struct {
	name    string
	path    string
	version []string // arguments
	args    func(job) []string
	env     func(job) []string
	// what tells a file of the tree, by its path there: one of the latest
	// versions, an older one, or the program's own.
	what func(path string) kind
	// byHand makes a tree as the program's first run leaves it, out of hard
	// links to Cooper's; nil for Cooper.
	byHand func(ctx context.Context, from *cooperTree, tree string) error
}

type kind int

const (
	own kind = iota
	latest
	older
)

// How many objects the others are told to work on at once: the fastest of 8, 16,
// 32 and 64 with 5,000 objects of 4 KiB on two CPUs. Cooper keeps its default.
const (
	invsyncJobs     = 32
	rcloneTransfers = 8
	rcloneCheckers  = 32
)

// quietSDK keeps the SDKs of AWS from a warning for each object that has no
// checksum but its ETag, which cost rclone half its time.
const quietSDK = "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"

const oursName = "Cooper"

func cooperProgram(path string) *program {
	return &program{
		name: oursName, path: path, version: []string{"--version"},
		args: func(j job) []string {
			return []string{"backup", "run", "s3://" + bucketName, j.tree, "--inventory", j.report, "--quiet"}
		},
		env: func(j job) []string { return []string{"COOPER_WORKSPACE=" + j.work} },
		what: func(path string) kind {
			switch {
			case strings.HasPrefix(path, "mirror/"):
				return latest
			case strings.HasPrefix(path, "history/"):
				return older
			}
			return own
		},
	}
}

// invsyncProgram reaches the server by path and not by host because its address
// is a number. Its log has several lines for an object unless it is told less.
func invsyncProgram(path string) *program {
	return &program{
		name: "s3invsync", path: path, version: []string{"--version"},
		args: func(j job) []string {
			return []string{"--jobs", strconv.Itoa(invsyncJobs), "--log-level", "ERROR", j.report, j.tree}
		},
		env:    func(j job) []string { return []string{"AWS_ENDPOINT_URL=" + j.url, quietSDK} },
		what:   invsyncKind,
		byHand: invsyncByHand,
	}
}

func invsyncKind(path string) kind {
	name := filepath.Base(path)
	switch {
	case strings.HasPrefix(name, invsyncPrefix):
		return own
	case strings.Contains(name, ".old."):
		return older
	}
	return latest
}

// rcloneProgram gives rclone what its documentation advises for large buckets:
// one listing of all, times from the listing (else it asks for the metadata of
// every object), and a directory for what a run replaces, for it knows no
// versions.
func rcloneProgram(path string) *program {
	return &program{
		name: "rclone", path: path, version: []string{"version"},
		args: func(j job) []string {
			return []string{
				"sync", ":s3:" + bucketName, filepath.Join(j.tree, "latest"), "--backup-dir", filepath.Join(j.tree, "older", strconv.Itoa(j.day)),
				"--fast-list", "--use-server-modtime", "--transfers", strconv.Itoa(rcloneTransfers), "--checkers", strconv.Itoa(rcloneCheckers), "--quiet",
				"--s3-provider", "AWS", "--s3-env-auth", "--s3-region", "us-east-1", "--s3-force-path-style", "--s3-endpoint", j.url,
			}
		},
		env: func(job) []string { return []string{"RCLONE_CONFIG=" + os.DevNull, quietSDK} },
		what: func(path string) kind {
			if strings.HasPrefix(path, "latest/") {
				return latest
			}
			return older
		},
		byHand: func(ctx context.Context, from *cooperTree, tree string) error {
			return from.link(ctx, filepath.Join(tree, "latest"))
		},
	}
}

// installed gives the other programs that are there, and the names of those
// that are not.
func (o peerOptions) installed() (there []*program, missing []string) {
	for _, p := range []*program{
		invsyncProgram(filepath.Join(o.tools, "bin", "s3invsync")),
		rcloneProgram(filepath.Join(o.tools, "rclone")),
	} {
		if path, err := exec.LookPath(p.path); err == nil {
			p.path = path
			there = append(there, p)
		} else {
			missing = append(missing, p.name)
		}
	}
	return there, missing
}

// files counts what a program has put into its tree. A tree that is not there
// has none.
func (p *program) files(tree string) (n [older + 1]int, err error) {
	err = filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) && path == tree {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		n[p.what(filepath.ToSlash(rel))]++
		return nil
	})
	return n, err
}
