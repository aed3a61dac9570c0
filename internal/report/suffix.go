package report

import (
	"cmp"
	"slices"
	"strings"
)

// maxSuffixes is how many different suffixes are told apart while counting. Keys
// are anybody's: there may be as many suffixes as keys.
const maxSuffixes = 1 << 14

// shownSuffixes is how many of them a report lists; the others are summed up.
const shownSuffixes = 100

// packed are suffixes of what was compressed or encrypted: with the one before
// they make a kind of file of its own (.nii.gz).
var packed = map[string]bool{
	".gz": true, ".bz2": true, ".xz": true, ".zst": true, ".lz4": true, ".br": true, ".z": true, ".lzma": true, ".zip": true,
	".gpg": true, ".age": true, ".enc": true,
}

// joined are other pairs that belong together.
var joined = map[string]bool{".ome.tif": true, ".ome.tiff": true, ".tar.gz": true}

// compresses are suffixes of files that are text or raw numbers, by all
// experience, and shrink to a quarter.
var compresses = map[string]bool{
	".csv": true, ".tsv": true, ".txt": true, ".json": true, ".jsonl": true, ".ndjson": true, ".geojson": true, ".xml": true, ".log": true,
	".yaml": true, ".yml": true, ".sql": true, ".nii": true, ".fasta": true, ".fa": true, ".fastq": true, ".fq": true, ".vcf": true,
	".sam": true, ".gtf": true, ".gff": true, ".gff3": true, ".bed": true, ".wig": true, ".obj": true, ".ply": true, ".swc": true, ".html": true,
}

// longestSuffix is how many bytes one suffix has at most, with its dot.
const longestSuffix = 12

// suffixOf gives the suffix of the last component of key as it stands there:
// what follows the last dot, with the one before where they belong together.
// Hidden files, numbers and what is no word have none.
func suffixOf(key string) string {
	name := key[strings.LastIndexByte(key, '/')+1:]
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || !isSuffix(name[dot:]) {
		return ""
	}
	before := strings.LastIndexByte(name[:dot], '.')
	if before <= 0 || !isSuffix(name[before:dot]) {
		return name[dot:]
	}
	if packed[lower(name[dot:])] && !packed[lower(name[before:dot])] || joined[lower(name[before:])] {
		return name[before:]
	}
	return name[dot:]
}

// isSuffix tells whether s, which begins with a dot, is a suffix: letters and
// digits, one letter at least.
func isSuffix(s string) bool {
	if len(s) < 2 || len(s) > longestSuffix {
		return false
	}
	letters := 0
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			letters++
		case '0' <= c && c <= '9' || c == '_' || c == '-' || c == '+':
		default:
			return false
		}
	}
	return letters > 0
}

// lower is strings.ToLower for suffixes: .TIF and .tif are one.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// suffixes counts by suffix.
type suffixes struct {
	by    map[string]*suffix
	other suffix // of those beyond maxSuffixes
	last  string // the suffix asked for last, as it stood in its key
	found *suffix
}

type suffix struct {
	Part
	compresses bool
}

func newSuffixes() *suffixes { return &suffixes{by: map[string]*suffix{}} }

// of gives where to count the versions of key.
func (s *suffixes) of(key string) *suffix {
	as := suffixOf(key)
	if s.found != nil && as == s.last {
		return s.found
	}
	s.last, s.found = as, s.get(lower(as))
	return s.found
}

func (s *suffixes) get(name string) *suffix {
	if x := s.by[name]; x != nil {
		return x
	}
	if len(s.by) >= maxSuffixes {
		return &s.other
	}
	x := &suffix{compresses: compresses[name]}
	s.by[strings.Clone(name)] = x
	return x
}

// merge adds what t counted.
func (s *suffixes) merge(t *suffixes) {
	for name, x := range t.by {
		s.get(name).add(&x.Part)
	}
	s.other.add(&t.other.Part)
}

// rows gives the largest suffixes first, and the sum of the others last. It is
// not exact if there was no room for all of them: a suffix may then have some
// of its versions among the others.
func (s *suffixes) rows() (rows []Row, exact bool) {
	for name, x := range s.by {
		rows = append(rows, Row{Name: name, Part: x.Part})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		x, y := a.All(), b.All()
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(y.Count, x.Count), cmp.Compare(a.Name, b.Name))
	})
	other := Row{Name: "other", Other: true, Part: s.other.Part}
	if len(rows) > shownSuffixes {
		for i := range rows[shownSuffixes:] {
			other.add(&rows[shownSuffixes+i].Part)
		}
		rows = rows[:shownSuffixes]
	}
	if !other.empty() {
		rows = append(rows, other)
	}
	return rows, s.other.empty()
}
