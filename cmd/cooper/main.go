// Command cooper takes stock of S3 buckets, backs them up, compresses and purges what
// they hold. Here are the process's signals, version and exit code alone; the commands
// are in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"cooper/internal/cli"
)

// version is set by the linker.
var version = "unknown"

func main() {
	if code, is := cli.Monitor(os.Stdin, version); is {
		os.Exit(code)
	}
	// The first signal begins a clean stop; after it the default comes back, so
	// that a second one ends the process at once. Either is safe: whatever a
	// kill interrupts is taken up again by the next run.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	os.Exit(cli.Main(ctx, os.Stdin, os.Stdout, os.Stderr, version, os.Args[1:]))
}
