package shell

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cooper"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What cobra and pflag say about a command line; they have no types for it.
var (
	fewArguments = regexp.MustCompile(`^(?:accepts|requires) .*arg\(s\), (?:only )?received (\d+)$`)
	manyFlags    = regexp.MustCompile(`^if any flags in the group \[.*\] are set none of the others can be; \[(.*)\] were all set$`)
	someFlag     = regexp.MustCompile(`^at least one of the flags in the group \[(.*)\] is required$`)
	togetherOnly = regexp.MustCompile(`^if any flags in the group \[.*\] are set they must all be set; missing \[(.*)\]$`)
	dashed       = regexp.MustCompile(`^unknown shorthand flag: '\d' in (-\d.*)$`)
	notValue     = regexp.MustCompile(`^invalid argument ("(?:[^"\\]|\\.)*") for "(?:-\w, )?(--[^"]+)" flag: `)
)

// Mistake says what cobra said about the command line of cmd, as a sentence.
func Mistake(cmd *cobra.Command, text string) error {
	help := "See " + cmd.CommandPath() + " --help."
	if m := fewArguments.FindStringSubmatch(text); m != nil {
		words := strings.Fields(cmd.Use)[1:]
		switch {
		case len(words) == 0:
			return Usage(cmd.CommandPath()+" takes no arguments, only flags", help)
		case m[1] == "0":
			return Usage(cmd.CommandPath()+" needs more: "+strings.Join(words, " "), fmt.Sprintf("Write %s %s. %s", cmd.CommandPath(), strings.Join(words, " "), help))
		}
		return Usage(fmt.Sprintf("%s takes %s, and %s given", cmd.CommandPath(), strings.Join(words, " "), arguments(m[1])), help)
	}
	if m := manyFlags.FindStringSubmatch(text); m != nil {
		return Usage(flagNames(m[1], "and")+" exclude each other", "Give one of them.")
	}
	if m := someFlag.FindStringSubmatch(text); m != nil {
		return Usage("one of "+flagNames(m[1], "or")+" is needed", help)
	}
	if m := togetherOnly.FindStringSubmatch(text); m != nil {
		return Usage(flagNames(m[1], "and")+" must be given, too", help)
	}
	if m := notValue.FindStringSubmatch(text); m != nil {
		return Usage(fmt.Sprintf("%s %s: such a value it does not take", m[2], m[1]), help)
	}
	if m := dashed.FindStringSubmatch(text); m != nil && len(strings.Fields(cmd.Use)) > 1 {
		return Usage(text, fmt.Sprintf("What begins with a dash, and is no flag, stands behind two: %s -- %s. %s", cmd.CommandPath(), m[1], help))
	}
	return Usage(text, help)
}

func arguments(n string) string {
	if n == "1" {
		return "1 argument was"
	}
	return n + " arguments were"
}

// flagNames lists flags as one writes them.
func flagNames(names, last string) string {
	list := strings.Fields(names)
	for i := range list {
		list[i] = "--" + list[i]
	}
	if n := len(list); n > 1 {
		return strings.Join(list[:n-1], ", ") + " " + last + " " + list[n-1]
	}
	return strings.Join(list, "")
}

// IsUsage recognises what cobra and pflag say about a command line; they have
// no types for it.
func IsUsage(err error) bool {
	for _, p := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs", "invalid argument", "accepts ", "requires ", "required flag", "if any flags in the group", "at least one of the flags", "bad flag syntax"} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

// Group makes a command that only holds others: alone it shows its help, and a
// name it does not know is an error, with what may have been meant.
func Group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		remedy := "See " + cmd.CommandPath() + " --help."
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			remedy = "Did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "?"
		}
		return Usage(cooper.Quote(args[0])+" is not a command of "+cmd.CommandPath(), remedy)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

// NotEmpty refuses flags that are given with nothing, as by a variable of a script
// that is not set: what was to narrow a job would leave it as wide as it is.
// Those that narrow nothing are left out.
func NotEmpty(cmd *cobra.Command, _ []string) (err error) {
	harmless := []string{"prices", "between", "metrics", "sentry-dsn"}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if err == nil && f.Changed && f.Value.Type() == "string" && f.Value.String() == "" && !slices.Contains(harmless, f.Name) {
			err = Usage("--"+f.Name+" is given, but empty", "Leave it out if that is meant.")
		}
	})
	return err
}
