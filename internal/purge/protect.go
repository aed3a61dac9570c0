package purge

import (
	"strings"

	"cooper"
)

// protection is a list of prefixes below which nothing is removed.
type protection []string

// covers tells whether key lies below one of the prefixes, or is one.
func (p protection) covers(key string) bool {
	for _, x := range p {
		if matches(key, x) {
			return true
		}
	}
	return false
}

// matches compares component by component; a * stands for any one component.
func matches(key, pattern string) bool {
	for {
		star := strings.HasPrefix(pattern, "*/")
		if !star && !strings.Contains(pattern, "/*/") {
			return cooper.HasPrefix(key, pattern)
		}
		head, rest, more := strings.Cut(pattern, "/")
		mine, below, deeper := strings.Cut(key, "/")
		if !more || !deeper || head != "*" && head != mine {
			return false
		}
		key, pattern = below, rest
	}
}
