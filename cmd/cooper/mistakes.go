package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// What cobra and pflag say about a command line; they have no types for it.
var (
	fewArguments = regexp.MustCompile(`^(?:accepts|requires) .*arg\(s\), (?:only )?received (\d+)$`)
	manyFlags    = regexp.MustCompile(`^if any flags in the group \[.*\] are set none of the others can be; \[(.*)\] were all set$`)
	someFlag     = regexp.MustCompile(`^at least one of the flags in the group \[(.*)\] is required$`)
	togetherOnly = regexp.MustCompile(`^if any flags in the group \[.*\] are set they must all be set; missing \[(.*)\]$`)
	notValue     = regexp.MustCompile(`^invalid argument ("(?:[^"\\]|\\.)*") for "(?:-\w, )?(--[^"]+)" flag: `)
)

// mistake says what cobra said about the command line of cmd, as a sentence.
func mistake(cmd *cobra.Command, text string) error {
	help := "See " + cmd.CommandPath() + " --help."
	if m := fewArguments.FindStringSubmatch(text); m != nil {
		words := strings.Fields(cmd.Use)[1:]
		switch {
		case len(words) == 0:
			return usage(cmd.CommandPath()+" takes no arguments, only flags", help)
		case m[1] == "0":
			return usage(cmd.CommandPath()+" needs more: "+strings.Join(words, " "), fmt.Sprintf("Write %s %s. %s", cmd.CommandPath(), strings.Join(words, " "), help))
		}
		return usage(fmt.Sprintf("%s takes %s, and %s given", cmd.CommandPath(), strings.Join(words, " "), arguments(m[1])), help)
	}
	if m := manyFlags.FindStringSubmatch(text); m != nil {
		return usage(flagNames(m[1], "and")+" exclude each other", "Give one of them.")
	}
	if m := someFlag.FindStringSubmatch(text); m != nil {
		return usage("one of "+flagNames(m[1], "or")+" is needed", help)
	}
	if m := togetherOnly.FindStringSubmatch(text); m != nil {
		return usage(flagNames(m[1], "and")+" must be given, too", help)
	}
	if m := notValue.FindStringSubmatch(text); m != nil {
		return usage(fmt.Sprintf("%s %s: such a value it does not take", m[2], m[1]), help)
	}
	return usage(text, help)
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
