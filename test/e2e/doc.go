// Package e2e tests the built binary as a person or a cron job uses it: typed
// commands against an S3 server, real SIGKILLs at any instant, a store that misbehaves.
package e2e
