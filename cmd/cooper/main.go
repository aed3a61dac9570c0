// Command cooper takes stock of S3 buckets and backs them up. It holds the
// commands, the wiring of packages to technologies, and the one map from errors to
// exit codes; everything else is in internal packages.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"cooper/internal/background"
)

// version is set by the linker.
var version = "unknown"

func main() {
	if command, ok := os.LookupEnv(monitorEnv); ok {
		os.Exit(monitor(os.Stdin, command))
	}
	// The first signal begins a clean stop; after it the default comes back, so
	// that a second one ends the process at once. Either is safe: whatever a
	// kill interrupts is taken up again by the next run.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	if path, ok := os.LookupEnv(background.Env); ok {
		os.Exit(a.runBehind(ctx, path, os.Args[1:]))
	}
	os.Exit(a.run(ctx, os.Args[1:]))
}
