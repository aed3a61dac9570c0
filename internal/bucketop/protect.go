package bucketop

import (
	"strings"

	"cooper"
)

// Protection is a list of prefixes below which nothing is touched. A folder of
// one that is just * stands for any folder.
type Protection []string

// Check says what is wrong with the prefixes, as KindUsage.
func (p Protection) Check() error {
	for _, x := range p {
		if why := wrongPattern(x); why != "" {
			return &cooper.Error{Kind: cooper.KindUsage, Where: "--protect " + cooper.Quote(x), Message: why,
				Remedy: "Give a prefix such as keys/ or */keys/, where * stands for any one folder."}
		}
	}
	return nil
}

// wrongPattern tells what is wrong with a prefix to be protected; nothing if it
// is well. A * that would not be taken for any folder must not be taken for a
// letter: it would protect nothing.
func wrongPattern(x string) string {
	if x == "" {
		return "an empty prefix protects the whole bucket"
	}
	if strings.HasPrefix(x, "s3://") {
		return "it is a prefix of keys: without s3:// and the bucket"
	}
	folders := strings.Split(x, "/")
	for i, folder := range folders {
		if strings.Contains(folder, "*") && (folder != "*" || i == len(folders)-1) {
			return "a * stands for a whole folder, with a slash behind it"
		}
	}
	return ""
}

// Covers tells whether key lies below one of the prefixes, or is one.
func (p Protection) Covers(key string) bool {
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
