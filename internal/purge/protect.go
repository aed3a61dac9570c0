package purge

import (
	"strings"

	"cooper"
)

// wrongPattern tells what is wrong with a prefix to be protected; nothing if it
// is well. A * that would not be taken for any folder must not be taken for a
// letter: it would protect nothing.
func wrongPattern(x string) string {
	if x == "" {
		return "an empty prefix protects the whole bucket"
	}
	folders := strings.Split(x, "/")
	for i, folder := range folders {
		if strings.Contains(folder, "*") && (folder != "*" || i == len(folders)-1) {
			return "a * stands for a whole folder, with a slash behind it"
		}
	}
	return ""
}

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

// matches compares folder by folder; a * stands for any one.
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
