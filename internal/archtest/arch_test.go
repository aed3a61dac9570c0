package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Standard     bool
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// packages lists every package of this module.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,Standard,GoFiles,Imports,TestImports,XTestImports", "cooper/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

// under tells whether an import path is prefix or lies below it.
func under(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return path == p || strings.HasPrefix(path, p+"/")
	})
}

const in = "cooper/internal/"

// A rule says what packages under `of` may import of the program itself; only
// is a white list, never a black one. Subpackages of `of` are always allowed.
type rule struct {
	of    string
	only  []string
	never []string
	why   string
}

var missions = []string{in + "backup", in + "compress", in + "purge", in + "gc", in + "observe"}

func rules() []rule {
	seen := []string{"cooper", in + "inventory", in + "plan", in + "ledger", in + "query", in + "price", in + "tree/catalog", in + "tree/keypath", in + "treeop", in + "bucketop"}
	rs := []rule{
		{of: in + "report", only: []string{"cooper", in + "report", in + "inventory", in + "price", in + "query"}, why: "a report reads snapshots; live facts are handed in"},
		{of: in + "permit", only: []string{}, why: "a token knows nobody"},
		{of: in + "store", only: []string{"cooper", in + "store", in + "permit"}, why: "stores know no missions and no trees"},
		{of: in + "inventory", only: []string{"cooper", in + "seal", in + "store", in + "inventory", in + "parquetrows"}, why: "an inventory needs a store at most"},
		{of: in + "parquetrows", only: []string{in + "seal"}, why: "rows are of any type"},
		{of: in + "seal", only: []string{}, why: "a seal knows bytes alone"},
		{of: in + "plan", only: []string{"cooper", in + "seal", in + "inventory", in + "parquetrows"}, why: "a plan is data"},
		{of: in + "background", only: []string{"cooper", in + "seal", in + "progress"}, why: "what runs, and where, it does not know"},
		{of: in + "metrics", only: []string{"cooper", in + "progress", in + "store"}, why: "figures are read, not made"},
		{of: in + "telemetry", only: []string{"cooper"}, why: "it is told what it may tell"},
		{of: in + "words", only: []string{}, why: "how things are said knows nobody"},
		{of: in + "hours", only: []string{"cooper"}, why: "a clock knows nobody"},
		{of: in + "ledger", only: []string{"cooper", in + "seal", in + "parquetrows"}, why: "facts are data"},
		{of: in + "codec", only: []string{"cooper"}, why: "a codec knows bytes, and nothing of where they come from"},
		{of: in + "bucketop", only: []string{"cooper", in + "codec", in + "plan"}, why: "a language knows no speakers"},
		{of: in + "stats", only: []string{"cooper", in + "query", in + "beiwe"}, why: "statistics are of facts alone"},
		{of: in + "beiwe", only: []string{}, why: "a field's formats know nobody"},
		{of: in + "postgres", only: []string{"cooper", in + "keyring", in + "stats"}, why: "a database is asked and told, and nothing else"},
		{of: in + "keyring", only: []string{"cooper", in + "codec"}, why: "keys are data, wherever they come from"},
		{of: in + "tree/keypath", only: []string{"cooper"}, why: "the key mapping is pure"},
		{of: in + "tree/catalog", only: []string{"cooper", in + "checksum", in + "seal", in + "inventory/ident", in + "permit", in + "tree/safefs"}, why: "the catalog can be read without the tree"},
		{of: in + "tree", only: []string{"cooper", in + "checksum", in + "seal", in + "inventory/ident", in + "inventory/extsort", in + "permit", in + "progress", in + "tree"}, why: "a tree knows neither plans nor who changes it"},
		{of: in + "treeop", only: []string{"cooper", in + "tree/catalog"}, why: "a language knows no speakers"},
		{of: in + "checksum", only: []string{"cooper"}, why: "a checksum knows bytes alone"},
		{of: in + "journal", only: []string{"cooper", in + "seal", in + "apply", in + "permit", in + "plan", in + "tree/safefs"}, why: "a journal knows files, and no store"},
		{of: in + "look", only: []string{"cooper", in + "store", in + "permit"}, why: "who looks does not decide"},
		{of: in + "verb", only: []string{"cooper", in + "journal", in + "look", in + "store", in + "codec", in + "checksum", in + "reading", in + "tree", in + "treeop", in + "bucketop", in + "permit", in + "plan", in + "apply"}, why: "a verb cannot choose its targets"},
		{of: in + "reading", only: []string{"cooper", in + "store", in + "codec", in + "checksum"}, why: "to read is to know a version and a store"},
		{of: in + "apply", never: append([]string{in + "store", in + "verb", in + "tree"}, missions...), why: "apply drives through interfaces of its own"},
	}
	for _, m := range missions {
		only := seen
		if m == in+"compress" { // it chooses codecs by their names
			only = append(slices.Clone(seen), in+"codec")
		}
		rs = append(rs, rule{of: m, only: only, why: "a mission cannot touch an object"})
	}
	return rs
}

// forTests tells whether nothing but tests needs a package.
func forTests(path string) bool {
	return strings.HasSuffix(path, "test") || under(path, in+"store/mem", in+"store/fault", in+"tree/safefs/memfs", "cooper/test", "cooper/bench")
}

// TestTestSupport: what is for tests is imported by tests alone, and so need not keep
// the rules of what it stands beside.
func TestTestSupport(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if under(imp, "cooper") && forTests(imp) && !forTests(p.ImportPath) {
				t.Errorf("%s imports %s; that is for tests", p.ImportPath, imp)
			}
		}
	}
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		if forTests(p.ImportPath) {
			continue
		}
		for _, imp := range p.Imports {
			if p.ImportPath == "cooper" && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") || p.ImportPath == "cooper" && under(imp, "cooper") {
				t.Errorf("the root imports %s; it may import the standard library alone", imp)
			}
			if !under(imp, "cooper") {
				continue
			}
			if under(imp, in+"store/s3", in+"query/duckdb", in+"query/clickhouse", in+"postgres") && !under(p.ImportPath, "cooper/cmd", in+"job", "cooper/bench", "cooper/test") && !under(imp, p.ImportPath) && !under(p.ImportPath, in+"store/s3", in+"query/duckdb") {
				t.Errorf("%s imports %s; only cmd and job choose technologies", p.ImportPath, imp)
			}
			for _, r := range rules() {
				if !under(p.ImportPath, r.of) || under(imp, p.ImportPath) {
					continue
				}
				if r.only != nil && !allowed(imp, r.only) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, r.why)
				}
				if under(imp, r.never...) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, r.why)
				}
			}
		}
	}
}

// allowed treats the root package as itself alone, others with what is below.
func allowed(imp string, only []string) bool {
	return slices.ContainsFunc(only, func(o string) bool {
		return imp == o || o != "cooper" && under(imp, o)
	})
}

// TestVerbsKeepApart: verbs do not import each other.
func TestVerbsKeepApart(t *testing.T) {
	for _, p := range packages(t) {
		if !under(p.ImportPath, in+"verb") {
			continue
		}
		for _, imp := range p.Imports {
			if under(imp, in+"verb") && !under(imp, p.ImportPath) {
				t.Errorf("%s imports %s; verbs stand alone", p.ImportPath, imp)
			}
		}
	}
}

// TestPackageComments: each package has one comment, in one file, that begins
// as godoc expects.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		var with []string
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc == nil {
				continue
			}
			with = append(with, f)
			text := file.Doc.Text()
			want := "Package " + p.Name + " "
			if p.Name == "main" {
				want = "Command "
			}
			if !strings.HasPrefix(text, want) {
				t.Errorf("%s/%s: the comment begins %q, not %q", p.ImportPath, f, firstWords(text), want)
			}
		}
		if len(p.GoFiles) > 0 && len(with) != 1 {
			t.Errorf("%s: %d files have a package comment (%v); one should", p.ImportPath, len(with), with)
		}
	}
}

func firstWords(s string) string {
	return strings.Join(strings.Fields(s)[:min(3, len(strings.Fields(s)))], " ")
}

// TestForbiddenCalls: permits come from apply alone, nobody but main exits, and rows
// of Parquet are written by the one package that gets NULLs right.
func TestForbiddenCalls(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, f), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := s.X.(*ast.Ident)
				if !ok {
					return true
				}
				switch call := x.Name + "." + s.Sel.Name; {
				case call == "permit.Issue" && p.ImportPath != in+"apply":
					t.Errorf("%s: %s issues permits; only apply may", fset.Position(s.Pos()), p.ImportPath)
				case call == "os.Exit" && p.Name != "main":
					t.Errorf("%s: exits; return an error instead", fset.Position(s.Pos()))
				case slices.Contains([]string{"parquet.NewGenericWriter", "parquet.NewGenericBuffer", "parquet.Write", "parquet.WriteFile"}, call) && p.ImportPath != in+"parquetrows":
					t.Errorf("%s: %s takes absent values for present ones; use parquetrows", fset.Position(s.Pos()), call)
				}
				return true
			})
		}
	}
}

// TestInterfaceSize: an interface with many methods is a package in disguise.
func TestInterfaceSize(t *testing.T) {
	const most = 8
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, f), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if i, ok := n.(*ast.InterfaceType); ok && i.Methods.NumFields() > most {
					t.Errorf("%s: an interface of %d methods; %d are the most", fset.Position(i.Pos()), i.Methods.NumFields(), most)
				}
				return true
			})
		}
	}
}
