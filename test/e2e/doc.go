// Package e2e tests the built binary as a person or a cron job uses it: typed
// commands against an S3 server, what they show and ask, runs in the background, disks
// that are full or cannot be written. What is killed or meets a broken store in the middle
// of its work is tested in test/kill.
package e2e
