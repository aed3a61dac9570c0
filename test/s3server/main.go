// Command s3server is a real S3 server that keeps versions, versitygw, on a
// directory of its own: for tests, the demonstration and benchmarks.
//
// It is a module by itself, so that nobody who builds Cooper builds it too. It
// says on standard output where it listens, once it answers, and ends cleanly
// on SIGTERM and SIGINT. What is known to be unlike S3: "d" and "d/x" cannot
// both be there, "//" in keys is merged, storage classes are dropped, and a page
// that ends inside a key repeats one version.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("s3server", flag.ContinueOnError)
	dir := flags.String("dir", "", "directory to keep everything in; made if it is missing")
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on; port 0 chooses a free one")
	access := flags.String("access-key", "", "access key id of the only account")
	secret := flags.String("secret-key", "", "its secret key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || *access == "" || *secret == "" || flags.NArg() > 0 {
		return errors.New("--dir, --access-key and --secret-key are needed, and nothing else but --addr is taken")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	// The libraries print what they do; standard output is for one line only.
	out := os.Stdout
	os.Stdout = os.Stderr
	backend, err := open(*dir)
	if err != nil {
		return err
	}
	listen, err := free(*addr)
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: *access, RootUserSecret: *secret, Ports: []string{listen},
		Quiet: true, KeepAlive: true, MaxConnections: 10000, MaxRequests: 10000, MultipartMaxParts: 10000,
		S3Options: []s3api.Option{s3api.WithOnListen(func() { announce(out, listen) })},
	})
}

// announce tells who waits for it where the server answers. If nobody reads
// it, nobody minds.
func announce(out io.Writer, listen string) { fmt.Fprintf(out, "listening on http://%s\n", listen) }

// open makes the backend in dir: objects under their own paths, older versions
// beside them, and metadata in extended attributes where the file system has them.
func open(dir string) (*posix.Posix, error) {
	dir, err := filepath.Abs(dir) // posix.New changes the working directory
	if err != nil {
		return nil, err
	}
	data, versions, sidecar := filepath.Join(dir, "data"), filepath.Join(dir, "versions"), filepath.Join(dir, "sidecar")
	for _, d := range []string{data, versions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	// Without the threshold every copy is refused.
	opts := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: 5 << 30}
	if attributes(data) {
		return posix.New(data, meta.XattrMeta{}, opts)
	}
	if err := os.MkdirAll(sidecar, 0o755); err != nil {
		return nil, err
	}
	opts.SideCarDir = sidecar
	store, err := meta.NewSideCar(sidecar)
	if err != nil {
		return nil, err
	}
	return posix.New(data, store, opts)
}

// attributes tells whether files in dir can have extended attributes, by
// trying: some file systems answer questions about them and refuse to keep any.
func attributes(dir string) bool {
	f, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return meta.XattrMeta{}.StoreAttribute(f, "", "", "probe", []byte("x")) == nil
}

// free replaces port 0 by one that is free now: the server cannot say which it
// was given.
func free(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
