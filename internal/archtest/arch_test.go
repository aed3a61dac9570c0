package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
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
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, said.String())
	}
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		// A directory that was read makes the result of a test stale once a file is added.
		if _, err := os.ReadDir(p.Dir); err != nil {
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

var missions = []string{in + "backup", in + "compress", in + "purge", in + "uploads", in + "gc", in + "observe"}

func rules() []rule {
	seen := []string{"cooper", in + "inventory", in + "plan", in + "ledger", in + "query", in + "price", in + "tree/catalog", in + "tree/keypath", in + "treeop", in + "bucketop", in + "gcop"}
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
		{of: in + "guard", only: []string{"cooper", in + "serve", in + "gcstate", in + "store", in + "ledger/gcfacts", in + "config", in + "database", in + "address", in + "handleid", in + "words"}, why: "a guard reads, and changes nothing"},
		{of: in + "hook", only: []string{"cooper"}, why: "who hands events on does not know what they say"},
		{of: in + "serve", only: []string{"cooper"}, why: "who lets clients in does not know what they ask for"},
		{of: in + "config", only: []string{"cooper"}, why: "a declaration knows nobody who acts on it"},
		{of: in + "hours", only: []string{"cooper"}, why: "a clock knows nobody"},
		{of: in + "ledger", only: []string{"cooper", in + "seal", in + "parquetrows", in + "ledger/sealed"}, why: "facts are data"},
		{of: in + "ledger/sealed", only: []string{"cooper", in + "seal", in + "parquetrows"}, why: "a file knows not what it tells"},
		{of: in + "ledger/gcfacts", only: []string{"cooper", in + "parquetrows", in + "ledger/sealed"}, why: "facts of scans are data, and know no database"},
		{of: in + "gcstate", only: []string{"cooper", in + "gcstate"}, why: "who keeps a status does not judge it"},
		{of: in + "codec", only: []string{"cooper"}, why: "a codec knows bytes, and nothing of where they come from"},
		{of: in + "bucketop", only: []string{"cooper", in + "codec", in + "plan"}, why: "a language knows no speakers"},
		{of: in + "gcop", only: []string{"cooper", in + "plan", in + "bucketop"}, why: "a language knows no speakers"},
		{of: in + "stats", only: []string{"cooper", in + "query", in + "beiwe"}, why: "statistics are of facts alone"},
		{of: in + "beiwe", only: []string{}, why: "a field's formats know nobody"},
		{of: in + "postgres", only: []string{"cooper", in + "keyring", in + "stats"}, why: "a database is asked and told, and nothing else"},
		{of: in + "database", only: []string{"cooper", in + "database"}, why: "who reads a database knows nothing of what its rows mean"},
		{of: in + "database/paging", only: []string{"cooper", in + "database"}, never: []string{in + "database/mysql", in + "database/postgres", in + "database/sqlite"}, why: "paging knows engines by its interface"},
		{of: in + "database/mysql", only: []string{"cooper", in + "database"}, never: []string{in + "database/postgres", in + "database/sqlite"}, why: "an engine knows no other"},
		{of: in + "database/postgres", only: []string{"cooper", in + "database"}, never: []string{in + "database/mysql", in + "database/sqlite"}, why: "an engine knows no other"},
		{of: in + "database/sqlite", only: []string{"cooper", in + "database"}, never: []string{in + "database/mysql", in + "database/postgres"}, why: "an engine knows no other"},
		{of: in + "linkrule", only: []string{"cooper", in + "config", in + "database"}, why: "a rule is written from what is declared and what is there, and run by nobody"},
		{of: in + "ownerwrite", only: []string{"cooper", in + "database", in + "ownerwrite"}, why: "who writes for an owner knows nothing of what his rows mean"},
		{of: in + "ownerwrite/transact", only: []string{"cooper", in + "database", in + "ownerwrite"}, never: []string{in + "database/mysql", in + "database/postgres", in + "database/sqlite", in + "ownerwrite/mysql", in + "ownerwrite/postgres", in + "ownerwrite/sqlite"}, why: "a transaction knows engines by its interface"},
		{of: in + "keyring", only: []string{"cooper", in + "codec"}, why: "keys are data, wherever they come from"},
		{of: in + "handleid", only: []string{}, why: "an id is a text"},
		{of: in + "address", only: []string{}, why: "an address is a text"},
		{of: in + "xmlpath", only: []string{}, why: "a document knows nobody"},
		{of: in + "unpack", only: []string{in + "handleid", in + "address", in + "xmlpath"}, why: "a value is read wherever it comes from"},
		{of: in + "tree/keypath", only: []string{"cooper"}, why: "the key mapping is pure"},
		{of: in + "tree/catalog", only: []string{"cooper", in + "checksum", in + "seal", in + "inventory/ident", in + "permit", in + "tree/safefs"}, why: "the catalog can be read without the tree"},
		{of: in + "tree", only: []string{"cooper", in + "checksum", in + "seal", in + "inventory/ident", in + "inventory/extsort", in + "permit", in + "progress", in + "tree"}, why: "a tree knows neither plans nor who changes it"},
		{of: in + "treeop", only: []string{"cooper", in + "tree/catalog"}, why: "a language knows no speakers"},
		{of: in + "checksum", only: []string{"cooper"}, why: "a checksum knows bytes alone"},
		{of: in + "journal", only: []string{"cooper", in + "seal", in + "apply", in + "permit", in + "plan", in + "tree/safefs"}, why: "a journal knows files, and no store"},
		{of: in + "look", only: []string{"cooper", in + "store", in + "permit"}, why: "who looks does not decide"},
		{of: in + "verb", only: []string{"cooper", in + "journal", in + "look", in + "store", in + "codec", in + "checksum", in + "reading", in + "tree", in + "treeop", in + "bucketop", in + "gcop", in + "permit", in + "plan", in + "apply", in + "config", in + "database", in + "address", in + "handleid", in + "unpack", in + "ledger/gcfacts", in + "gcstate", in + "manifest"}, why: "a verb cannot choose its targets"},
		{of: in + "manifest", only: []string{"cooper", in + "codec", in + "gcop", in + "store"}, why: "what an archive tells does not depend on who reads it"},
		{of: in + "reading", only: []string{"cooper", in + "store", in + "codec", in + "checksum"}, why: "to read is to know a version and a store"},
		{of: in + "job", never: []string{in + "cli", in + "term"}, why: "a job has no terminal"},
		{of: in + "cli", never: []string{in + "permit", in + "verb"}, why: "a command line asks for jobs, and carries none out"},
		{of: in + "cli/shell", never: missions, why: "what all commands have in common is of no mission"},
		{of: in + "apply", never: append([]string{in + "store", in + "verb", in + "tree"}, missions...), why: "apply drives through interfaces of its own"},
	}
	for _, m := range missions {
		only := seen
		switch m {
		case in + "compress": // it chooses codecs by their names
			only = append(slices.Clone(seen), in+"codec")
		case in + "gc": // it asks a database, through an interface, what is declared of it
			only = append(slices.Clone(seen), in+"gc", in+"config", in+"database", in+"handleid", in+"gcstate", in+"words")
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
			for _, why := range forbidden(p.ImportPath, imp) {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
		}
	}
}

// forbidden says why a package may not import another.
func forbidden(path, imp string) (why []string) {
	foreign := strings.Contains(strings.SplitN(imp, "/", 2)[0], ".")
	if path == "cooper" && (foreign || under(imp, "cooper")) {
		why = append(why, "the root imports the standard library alone")
	}
	if foreign && under(imp, "github.com/spf13") && !under(path, "cooper/cmd", in+"cli") {
		why = append(why, "only cmd and cli know a command line")
	}
	if !under(imp, "cooper") || under(imp, path) {
		return why
	}
	if under(imp, in+"store/s3", in+"query/duckdb", in+"query/clickhouse", in+"postgres", in+"database/mysql", in+"database/postgres", in+"database/sqlite", in+"ownerwrite", in+"gcstate/sqlite") && !under(path, "cooper/cmd", in+"job", in+"store/s3", in+"query/duckdb", in+"ownerwrite") {
		why = append(why, "only cmd and job choose technologies")
	}
	if under(imp, in+"cli") && !under(path, "cooper/cmd", in+"cli") || imp == in+"cli" && under(path, imp) {
		why = append(why, "a command line is made by cmd alone")
	}
	if under(imp, in+"job") && !under(path, "cooper/cmd", in+"cli") {
		why = append(why, "jobs are begun by cmd and cli alone")
	}
	if from, to := family(path), family(imp); from != "" && to != "" && from != to && (to != "shell" || from == "shell") {
		why = append(why, "a family of commands knows no other, and the shell none")
	}
	for _, r := range rules() {
		if under(path, r.of) && (r.only != nil && !allowed(imp, r.only) || under(imp, r.never...)) {
			why = append(why, r.why)
		}
	}
	return why
}

// family is the folder of internal/cli that a package lies in; empty for none.
func family(path string) string {
	below, _ := strings.CutPrefix(path, in+"cli/")
	if below == path {
		return ""
	}
	return strings.SplitN(below, "/", 2)[0]
}

// TestForbidden: the rules hold also for what is to come.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		path, imp string
		may       bool
	}{
		{in + "cli/observe", in + "cli/shell", true},
		{in + "cli/observe", in + "job", true},
		{in + "cli/observe", in + "observe", true},
		{in + "cli/observe", in + "cli/observe/tables", true},
		{in + "cli/observe", in + "cli/gc", false},
		{in + "cli/gc/fstab", in + "cli/backup", false},
		{in + "cli/gc", in + "cli", false},
		{in + "cli/gc", in + "store/s3", false},
		{in + "cli/gc", in + "query/clickhouse", false},
		{in + "cli/gc", in + "permit", false},
		{in + "cli/gc", in + "verb/archive", false},
		{in + "cli/gc", in + "store", true},
		{in + "cli", in + "cli/gc", true},
		{in + "cli", in + "postgres", false},
		{in + "cli/gc", in + "database/mysql", false},
		{in + "gc", in + "database/postgres", false},
		{in + "gc", in + "database/sqlite", false},
		{in + "gc", in + "database", true},
		{in + "gc", in + "config", true},
		{in + "gc", in + "unpack", false},
		{in + "purge", in + "database", false},
		{in + "job", in + "database/mysql", true},
		{in + "job", in + "gcstate/sqlite", true},
		{in + "job", in + "ownerwrite/mysql", true},
		{in + "gc", in + "ownerwrite", false},
		{in + "verb/scan", in + "ownerwrite", false},
		{in + "database/mysql", in + "ownerwrite", false},
		{in + "ownerwrite/mysql", in + "database/mysql", true},
		{in + "ownerwrite/transact", in + "database/mysql", false},
		{in + "cli/gc", in + "gcstate/sqlite", false},
		{in + "gc", in + "gcstate/sqlite", false},
		{in + "gcstate/sqlite", in + "ledger", false},
		{in + "cli/shell", in + "cli/gc", false},
		{in + "cli/shell", in + "gc", false},
		{in + "cli/shell", in + "job", true},
		{in + "cli/shell", in + "cli/shell/table", true},
		{in + "job", in + "gc", true},
		{in + "job", in + "store/s3", true},
		{in + "job", in + "term", false},
		{in + "job", in + "cli/shell", false},
		{in + "job", "github.com/spf13/cobra", false},
		{in + "observe", in + "job", false},
		{in + "gc", in + "ledger/gcfacts", true},
		{in + "ledger/gcfacts", in + "ledger/sealed", true},
		{in + "ledger/gcfacts", in + "ledger", false},
		{in + "ledger/gcfacts", in + "query", false},
		{in + "ledger/sealed", in + "ledger", false},
		{in + "gc", in + "observe", false},
		{in + "apply", in + "gc", false},
		{in + "background", in + "cli/shell", false},
		{"cooper/cmd/cooper", in + "cli", true},
	} {
		if why := forbidden(c.path, c.imp); c.may != (len(why) == 0) {
			t.Errorf("%s imports %s: %v; may it? %v", c.path, c.imp, why, c.may)
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

// TestForbiddenCalls: permits come from apply alone, nobody but main exits, a job has no
// streams, and rows of Parquet are written by the one package that gets NULLs right.
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
				case under(p.ImportPath, in+"job") && (strings.HasPrefix(call, "fmt.Print") || slices.Contains([]string{"os.Stdin", "os.Stdout", "os.Stderr"}, call)):
					t.Errorf("%s: %s in a job; its Listener is told and asked", fset.Position(s.Pos()), call)
				case slices.Contains([]string{"parquet.NewGenericWriter", "parquet.NewGenericBuffer", "parquet.Write", "parquet.WriteFile"}, call) && p.ImportPath != in+"parquetrows":
					t.Errorf("%s: %s takes absent values for present ones; use parquetrows", fset.Position(s.Pos()), call)
				}
				return true
			})
		}
	}
}

// TestInterfaceSize: an interface with many methods is a package in disguise. One that puts
// small ones together is not.
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
				i, ok := n.(*ast.InterfaceType)
				if !ok {
					return true
				}
				methods := 0
				for _, m := range i.Methods.List {
					methods += len(m.Names) // what is embedded has none
				}
				if methods > most {
					t.Errorf("%s: an interface of %d methods; %d are the most: let it embed small ones", fset.Position(i.Pos()), methods, most)
				}
				return true
			})
		}
	}
}
