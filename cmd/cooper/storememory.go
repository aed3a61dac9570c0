package main

import (
	"cooper/internal/store/s3"
	"cooper/internal/term"
	"cooper/internal/workspace"
)

// storeMemory tells what a store was found to lack within the last day, and keeps and
// says what turns up.
func (a *app) storeMemory(endpoint, bucket string) (known []s3.Lack, learnt func(s3.Lack)) {
	dir, err := a.workspaceDir()
	if err != nil {
		dir = "" // whoever needs a workspace will say so
	} else {
		for _, name := range workspace.Lacks(dir, endpoint, bucket, a.clock()) {
			known = append(known, s3.Lack(name))
		}
	}
	return known, func(l s3.Lack) {
		a.note("%s", a.stderr.Style(term.Faint, "s3://"+bucket+": "+l.Without()))
		if dir != "" {
			// If it cannot be kept, it is found out again.
			_ = workspace.NoteLack(dir, endpoint, bucket, string(l), a.clock())
		}
	}
}
