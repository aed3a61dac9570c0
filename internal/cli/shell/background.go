package shell

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// What commands say of themselves to who runs them in the background. One that says
// nothing can run there, and is begun anew when it is taken up again.
const (
	notAlone     = "cooper_not_alone"
	endsWithPlan = "cooper_ends_with_plan"
)

// NotAlone says of a command that it is of use only to a person who is there.
func NotAlone(cmd *cobra.Command) { annotate(cmd, notAlone, "") }

// RunsAlone tells whether a command is of use where no person is.
func RunsAlone(cmd *cobra.Command) bool {
	_, not := cmd.Annotations[notAlone]
	return !not
}

// EndsWithPlan says of a command that it has done all it does once its plan is carried
// out: a run of it in the background is taken up again with that plan. Others, such as a
// verification, do more with what came of theirs; so does this one with the flags unless.
func EndsWithPlan(cmd *cobra.Command, unless ...string) {
	annotate(cmd, endsWithPlan, strings.Join(unless, " "))
}

// GoesOnWithPlan tells whether a command, with the flags it was given, is taken up again
// with its plan.
func GoesOnWithPlan(cmd *cobra.Command) bool {
	unless, ends := cmd.Annotations[endsWithPlan]
	return ends && !slices.ContainsFunc(strings.Fields(unless), cmd.Flags().Changed)
}

func annotate(cmd *cobra.Command, name, value string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[name] = value
}
