package unpack

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"cooper/internal/address"
	"cooper/internal/handleid"
	"cooper/internal/xmlpath"
)

// A Form is a compiled Spec. It may be used by many at once.
type Form struct {
	spec     Spec
	limits   Limits
	hosts    *address.Hosts
	doc      int // which of As is a document; -1 for none
	lookups  map[string][]any
	xpath    []*xmlpath.Path
	timed    bool
	find     *regexp.Regexp
	split    *regexp.Regexp
	match    *regexp.Regexp
	narrowed []string
	runs     sync.Pool
}

// Narrowed names what in the paths leaves values out by the owner's word, such as select:
// a person should know of it.
func (f *Form) Narrowed() []string { return f.narrowed }

// Compile reads a Spec, and refuses what could leave values out without a word.
func Compile(s Spec, o Options) (*Form, error) {
	f := &Form{spec: s, limits: o.Limits.orDefaults(), hosts: o.Hosts, lookups: o.Lookups, doc: -1}
	for i, as := range s.As {
		if err := f.layer(i, as); err != nil {
			return nil, err
		}
	}
	if err := f.paths(); err != nil {
		return nil, err
	}
	if err := f.expressions(); err != nil {
		return nil, err
	}
	if f.spec.Kind == Address && f.hosts == nil {
		return nil, fmt.Errorf("addresses without buckets that they may lead to")
	}
	return f, nil
}

func (f *Form) layer(i int, as string) error {
	name, member, _ := strings.Cut(as, " ")
	if name == "zip" && member == "" {
		return fmt.Errorf("as: zip needs the name of a member: zip NAME")
	}
	if name != "zip" && member != "" {
		return fmt.Errorf("as: %s takes nothing behind it", name)
	}
	switch name {
	case "gzip", "zlib", "zip", "base64", "base64url", "lines":
	case "json", "php", "xml":
		if f.doc >= 0 {
			return fmt.Errorf("as: a second document, %s: JSON in a text is read by json in the path", name)
		}
		f.doc = i
	case "addresses":
		if i != len(f.spec.As)-1 {
			return fmt.Errorf("as: addresses must come last")
		}
		f.spec.Kind = Address
	default:
		return fmt.Errorf("as: %q is not known: gzip, zlib, zip NAME, base64, base64url, lines, json, php, xml and addresses are", as)
	}
	return nil
}

// inText tells whether the last layer finds addresses in a text.
func (f *Form) inText() bool {
	return len(f.spec.As) > 0 && f.spec.As[len(f.spec.As)-1] == "addresses"
}

func (f *Form) paths() error {
	if f.doc < 0 {
		if len(f.spec.At) > 0 {
			return fmt.Errorf("at: there is neither json nor php nor xml in which the path could lead anywhere")
		}
		return nil
	}
	if f.spec.As[f.doc] == "xml" {
		if len(f.spec.At) == 0 {
			return fmt.Errorf("at: xml needs a path")
		}
		for _, at := range f.spec.At {
			p, err := xmlpath.Compile(at)
			if err != nil {
				return fmt.Errorf("at: %w", err)
			}
			f.xpath = append(f.xpath, p)
		}
		return nil
	}
	for _, at := range f.spec.At {
		p, narrowed, err := compileJQ(at, f.lookups, f.limits.inDocument())
		if err != nil {
			return err
		}
		f.timed = f.timed || p.timed
		for _, n := range narrowed {
			if !slices.Contains(f.narrowed, n) {
				f.narrowed = append(f.narrowed, n)
			}
		}
	}
	return nil
}

func (f *Form) expressions() (err error) {
	s := f.spec
	if f.inText() && (s.Split != "" || s.Match != "") {
		return fmt.Errorf("split and match have nothing to do behind addresses")
	}
	if s.Find != "" {
		if f.find, err = expression("find", s.Find); err != nil {
			return err
		}
	}
	if s.Split != "" {
		if len([]rune(s.Split)) == 1 { // a point or a bar would be something else as an expression
			s.Split = regexp.QuoteMeta(s.Split)
		}
		if f.split, err = expression("split", s.Split); err != nil {
			return err
		}
	}
	if s.Match != "" {
		if _, err := regexp.Compile(s.Match); err != nil {
			return fmt.Errorf("match: %w", err)
		}
		if f.match, err = regexp.Compile(`\A(?:` + s.Match + `)\z`); err != nil {
			return fmt.Errorf("match: %w", err)
		}
	}
	return nil
}

// expression compiles an expression that must not match nothing at all.
func expression(key, s string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if least(tree) == 0 {
		return nil, fmt.Errorf("%s: %s fits where nothing stands: a sign that stands for itself is written with a backslash before it", key, s)
	}
	return re, nil
}

// least is whether an expression needs any text at all: 0 where it does not.
func least(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return least(re.Sub[0])
	case syntax.OpRepeat:
		return min(re.Min, least(re.Sub[0]))
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if least(s) > 0 {
				return 1
			}
		}
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if least(s) == 0 {
				return 0
			}
		}
		return 1
	}
	return 0
}

func show(s string) string { return handleid.Show(s) }
