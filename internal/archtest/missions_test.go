package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// missionTable is the one file that knows missions by their names.
const missionTable = "mission.go"

// TestMissionNames: nothing goes by the name of a mission but the one table, and the
// package that declares it. Whoever compared names would have to be found and changed
// when a mission is added; what missions do differently, they say themselves.
func TestMissionNames(t *testing.T) {
	fset := token.NewFileSet()
	names := missionNames{}
	files := map[string][]*ast.File{}
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, f), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if under(p.ImportPath, "cooper/internal") {
				names.declaredIn(p.ImportPath, file)
			}
			if forTests(p.ImportPath) || p.ImportPath == in+"job" && f == missionTable {
				continue
			}
			files[p.ImportPath] = append(files[p.ImportPath], file)
		}
	}
	if len(names) < 3 {
		t.Fatalf("constants with the names of missions are in %v alone", slices.Sorted(maps.Keys(names)))
	}
	for _, imp := range importsOf(t, packages(t), in+"job", missionTable) {
		if names[imp] != nil && !slices.Contains(missions, imp) {
			t.Errorf("%s has a mission: add it to the list that the rules of imports are made from", imp)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(files)) {
		for _, found := range names.comparedIn(at, files[at]) {
			t.Errorf("%s: goes by the name of a mission; let the mission say what is different about it", fset.Position(found))
		}
	}
}

// importsOf are the imports of one file.
func importsOf(t *testing.T, ps []pkg, at, file string) (imports []string) {
	t.Helper()
	for _, p := range ps {
		if p.ImportPath != at {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imports = append(imports, path)
		}
	}
	return imports
}

// missionNames are constants, by package and name, that are called Mission….
type missionNames map[string]map[string]bool

// constants calls f with the name of each constant of a file.
func constants(file *ast.File, f func(name string)) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				f(n.Name)
			}
		}
	}
}

// declaredIn adds those of a file.
func (m missionNames) declaredIn(at string, file *ast.File) {
	constants(file, func(name string) {
		if !strings.HasPrefix(name, "Mission") {
			return
		}
		if m[at] == nil {
			m[at] = map[string]bool{}
		}
		m[at][name] = true
	})
}

// comparedIn finds where the files of a package compare one with something.
func (m missionNames) comparedIn(at string, files []*ast.File) (found []token.Pos) {
	own := map[string]bool{}
	for _, file := range files {
		constants(file, func(name string) { own[name] = true })
	}
	for _, file := range files {
		c := &comparisons{names: m, imports: map[string]string{}, own: own, declares: m[at] != nil}
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				continue // no such file was parsed
			}
			name := path.Base(p)
			if i.Name != nil {
				name = i.Name.Name
			}
			c.imports[name] = p
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if c.in(n) {
				found = append(found, n.Pos())
			}
			return true
		})
	}
	return found
}

// comparisons looks for them in one file.
type comparisons struct {
	names    missionNames
	imports  map[string]string // by the name in this file
	own      map[string]bool   // constants of the package
	declares bool              // the package declares names of missions
}

// in tells whether a node compares, beside what is below it.
func (c *comparisons) in(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return (n.Op == token.EQL || n.Op == token.NEQ) && (c.isName(n.X) || c.isName(n.Y) || c.isField(n.X) && c.isFixed(n.Y) || c.isField(n.Y) && c.isFixed(n.X))
	case *ast.SwitchStmt:
		return n.Tag != nil && (c.isName(n.Tag) || slices.ContainsFunc(n.Body.List, func(s ast.Stmt) bool {
			return slices.ContainsFunc(s.(*ast.CaseClause).List, func(x ast.Expr) bool { return c.isName(x) || c.isField(n.Tag) && c.isFixed(x) })
		}))
	case *ast.CompositeLit: // a key of a map, or one of a list
		return slices.ContainsFunc(n.Elts, func(x ast.Expr) bool {
			if kv, ok := x.(*ast.KeyValueExpr); ok {
				return c.isName(kv.Key)
			}
			return c.isName(x)
		})
	case *ast.IndexExpr:
		return c.isName(n.Index)
	case *ast.CallExpr: // slices.Contains, strings.HasPrefix and their like
		f, ok := n.Fun.(*ast.SelectorExpr)
		return ok && slices.Contains([]string{"slices", "strings", "cmp", "maps"}, c.packageOf(f)) && (slices.ContainsFunc(n.Args, c.isName) || slices.ContainsFunc(n.Args, c.isField) && slices.ContainsFunc(n.Args, c.isFixed))
	}
	return false
}

// packageOf is the path of the package that x is from; empty if it is no name of one.
func (c *comparisons) packageOf(x *ast.SelectorExpr) string {
	if id, ok := x.X.(*ast.Ident); ok {
		return c.imports[id.Name]
	}
	return ""
}

// isName tells whether x is a mission's name that another package declares.
func (c *comparisons) isName(x ast.Expr) bool {
	s, ok := ast.Unparen(x).(*ast.SelectorExpr)
	return ok && c.names[c.packageOf(s)][s.Sel.Name]
}

// isField tells whether x is what a plan, a run or a fact says its mission is.
func (c *comparisons) isField(x ast.Expr) bool {
	s, ok := ast.Unparen(x).(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Mission" && c.packageOf(s) == ""
}

// isFixed tells whether x stands for the name of a mission without being declared as one:
// a text or a constant of this package, if that has no missions of its own.
func (c *comparisons) isFixed(x ast.Expr) bool {
	switch x := ast.Unparen(x).(type) {
	case *ast.BasicLit:
		return !c.declares && x.Value != `""`
	case *ast.Ident:
		return !c.declares && c.own[x.Name]
	}
	return false
}

// TestMissionNamesCompared: what TestMissionNames finds, and what it lets be.
func TestMissionNamesCompared(t *testing.T) {
	const declares = `package gc; const ( Mission = "gc"; MissionTrial = "trial" ); func f(h H) bool { return h.Mission == Mission || h.Mission == "trial" }`
	for code, want := range map[string]int{
		`x := h.Mission == gc.Mission`:                                   1,
		`x := gc.MissionTrial != (h.Mission)`:                            1,
		`switch h.Mission { case "a", gc.Mission: }`:                     1,
		`switch { case h.Mission == gc.Mission: }`:                       1,
		`x := map[string]int{gc.Mission: 1}`:                             1,
		`x := []string{gc.Mission}`:                                      1,
		`x := m[gc.Mission]`:                                             1,
		`x := slices.Contains(m, gc.Mission)`:                            1,
		`x := h.Mission == "gc"`:                                         1,
		`x := h.Mission == copied`:                                       1,
		`x := "gc" == h.plan.Mission`:                                    1,
		`switch h.Mission { case copied: }`:                              1,
		`x := strings.HasPrefix(h.Mission, "g")`:                         1,
		`x := plan.Header{Mission: gc.Mission}`:                          0,
		`x := find(gc.Mission, "bucket")`:                                0,
		`x := "of the mission " + gc.Mission + h.Mission`:                0,
		`x := h.Mission == old.Mission || h.Mission == mission`:          0,
		`x := h.Mission != ""`:                                           0,
		`x := gc.Other == h.Mission`:                                     0,
		`switch mission := h.Mission; mode { case copied: _ = mission }`: 0,
	} {
		fset := token.NewFileSet()
		parse := func(text string) *ast.File {
			file, err := parser.ParseFile(fset, "x.go", text, 0)
			if err != nil {
				t.Fatal(fmt.Errorf("%s: %w", code, err))
			}
			return file
		}
		names, own := missionNames{}, parse(declares)
		names.declaredIn(in+"gc", own)
		user := parse(`package x; import ( "slices"; "strings"; "cooper/internal/gc" ); const copied = "gc"; func f() { ` + code + ` }`)
		if got := len(names.comparedIn(in+"x", []*ast.File{user})); got != want {
			t.Errorf("%s: %d comparisons; want %d", code, got, want)
		}
		if got := len(names.comparedIn(in+"gc", []*ast.File{own})); got != 0 {
			t.Errorf("%d comparisons where the names are declared", got)
		}
	}
}
