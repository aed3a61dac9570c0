package shell

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/background"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// Completions gives every command its shell completion, by the words in its
// usage: DIR is a directory, SNAPSHOT and ID what the workspace holds.
func (s *Shell) Completions(cmd *cobra.Command) {
	names := strings.Fields(cmd.Use)[1:]
	if cmd.Runnable() && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return s.complete(cmd, names, len(args))
		}
	}
	for flag, what := range map[string]string{"snapshot": "SNAPSHOT", "compare": "SNAPSHOT", "inventory": "DIR", "workspace": "DIR"} {
		if cmd.LocalFlags().Lookup(flag) == nil {
			continue
		}
		err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return s.complete(cmd, []string{what}, 0)
		})
		if err != nil {
			panic(err) // the flag was just there
		}
	}
	for _, sub := range cmd.Commands() {
		s.Completions(sub)
	}
}

// Values offers the values of a flag that takes no others.
func Values(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was just there
	}
}

// complete offers what may stand at place i of the words in a command's usage.
func (s *Shell) complete(cmd *cobra.Command, names []string, i int) ([]string, cobra.ShellCompDirective) {
	if n := len(names); n > 0 && strings.HasSuffix(names[n-1], "…") {
		i = min(i, n-1)
	}
	if i >= len(names) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	switch word := strings.Trim(names[i], "[]…"); {
	case word == "DIR":
		return nil, cobra.ShellCompDirectiveFilterDirs
	case word == "SNAPSHOT", word == "ID" && cmd.HasParent() && cmd.Parent().Name() == "snapshot":
		return s.completeIDs(workspace.Snapshot)
	case word == "ID":
		return s.completeIDs(workspace.Plan)
	case word == "RUN":
		return s.completeIDs(workspace.Background)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeIDs offers ids, the newest first, with what a person knows them by.
// What cannot be read is not offered: completing is no place for errors.
func (s *Shell) completeIDs(kind string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	dir, err := s.WorkspaceDir()
	if err != nil {
		return nil, directive
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, directive // looking makes no workspace
	}
	ws, err := s.OpenWorkspace()
	if err != nil {
		return nil, directive
	}
	defer func() { _ = ws.Close() }() // nothing was written
	ids, describe := ws.Snapshots, describeSnapshot
	switch kind {
	case workspace.Plan:
		ids, describe = ws.Plans, describePlan
	case workspace.Background:
		ids, describe = ws.Backgrounds, describeRun
	}
	known, err := ids()
	if err != nil {
		return nil, directive
	}
	slices.Reverse(known)
	out := []string{workspace.Latest}
	for _, id := range known[:min(len(known), 50)] {
		if what := describe(ws, id); what != "" {
			out = append(out, id+"\t"+what)
		}
	}
	return out, directive
}

func describeSnapshot(ws *workspace.Workspace, id string) string {
	s, err := inventory.Open(ws.SnapshotDir(id))
	if err != nil {
		return ""
	}
	m := s.Meta()
	return fmt.Sprintf("s3://%s of %s, %s", term.Clean(m.Bucket), m.TakenAt, words.Plural(m.Versions, "version"))
}

func describePlan(ws *workspace.Workspace, id string) string {
	p, err := plan.Open(ws.PlanDir(id))
	if err != nil {
		return ""
	}
	h := p.Header()
	var n int64
	for _, t := range h.Totals {
		n += t.Count
	}
	return fmt.Sprintf("%s of %s, %s", h.Mission, term.Clean(h.Target.Path), words.Plural(n, "action"))
}

func describeRun(ws *workspace.Workspace, id string) string {
	r, err := background.Open(ws.BackgroundDir(id))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s: cooper %s", r.Status, term.Clean(strings.Join(background.Hidden(r.Args), " ")))
}
