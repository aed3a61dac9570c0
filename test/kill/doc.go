// Package kill tests jobs of the built binary to which something happens while they are
// under way: SIGKILLs at any instant, signals, a store that fails at random or has quirks.
// Whatever happens, no content may be lost; and the same command, given again, must come
// to what an undisturbed run comes to.
package kill
