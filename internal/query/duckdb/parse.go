package duckdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cooper"
)

// parse lets DuckDB's own parser say whether text is one statement that reads,
// and calls nothing but what the lists name, without running any of it. describes tells of a
// DESCRIBE, SUMMARIZE or SHOW; tree is the query as the parser has it. It must have args
// parameters.
func parse(ctx context.Context, conn *sql.Conn, text string, args int) (describes bool, tree any, err error) {
	var answer string
	if err := conn.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", text).Scan(&answer); err != nil {
		return false, nil, failed(ctx, err)
	}
	var parsed struct {
		Error      bool   `json:"error"`
		Type       string `json:"error_type"`
		Message    string `json:"error_message"`
		Statements []struct {
			Params []struct{} `json:"named_param_map"`
			Node   struct {
				From struct {
					Type string `json:"type"`
				} `json:"from_table"`
			} `json:"node"`
		} `json:"statements"`
	}
	for _, to := range []any{&parsed, &tree} {
		if err := json.Unmarshal([]byte(answer), to); err != nil {
			return false, nil, failed(ctx, err)
		}
	}
	switch {
	case parsed.Error && parsed.Type == "parser":
		return false, nil, &cooper.Error{Kind: cooper.KindUsage, Message: "the SQL has a mistake: " + parsed.Message, Remedy: sqlRemedy}
	case parsed.Error:
		return false, nil, refused("only queries that read are allowed")
	case len(parsed.Statements) == 0:
		return false, nil, &cooper.Error{Kind: cooper.KindUsage, Message: "there is no SQL", Remedy: sqlRemedy}
	case len(parsed.Statements) > 1:
		return false, nil, refused(fmt.Sprintf("only one query at a time is allowed, not %d", len(parsed.Statements)))
	}
	s := &parsed.Statements[0]
	if len(s.Params) != args {
		return false, nil, &cooper.Error{Kind: cooper.KindUsage, Message: fmt.Sprintf("the SQL has %d parameters, and %d values are given for them", len(s.Params), args)}
	}
	return s.Node.From.Type == "SHOW_REF", tree, check(tree)
}

// classes are the kinds of expressions that a parsed query consists of.
var classes = names(`BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT DEFAULT FUNCTION
	LAMBDA LAMBDA_REF OPERATOR PARAMETER POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW`)

// check walks a parsed query, whatever it is nested in, and refuses what the lists
// do not allow: the names of functions, wherever they are called, and of files.
func check(node any) error {
	switch n := node.(type) {
	case []any:
		for _, c := range n {
			if err := check(c); err != nil {
				return err
			}
		}
	case map[string]any:
		// A function that makes a table stands below the reference to that.
		table, isTable := n["function"].(map[string]any)
		if isTable {
			if err := checkTable(table); err != nil {
				return err
			}
		} else if err := checkExpression(n); err != nil {
			return err
		}
		for key, c := range n {
			if isTable && key == "function" {
				c = slices.Collect(values(table))
			}
			if err := check(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// values are what a node holds, for it not to be looked at itself again.
func values(n map[string]any) func(func(any) bool) {
	return func(yield func(any) bool) {
		for _, v := range n {
			if !yield(v) {
				return
			}
		}
	}
}

func checkExpression(n map[string]any) error {
	if n["type"] == "BASE_TABLE" {
		return checkFile(fileName(n))
	}
	class, ok := n["class"].(string)
	if ok && !classes[class] {
		return refused("the query has a part that Cooper does not know: " + cooper.Quote(class))
	}
	name, ok := n["function_name"].(string)
	if !ok {
		return nil
	}
	name = strings.ToLower(name)
	return checkName(name, allowedCalls[name] || strings.HasPrefix(name, allowedPrefix), refusedCalls[name])
}

func checkTable(n map[string]any) error {
	name, _ := n["function_name"].(string)
	name = strings.ToLower(name)
	if err := checkName(name, allowedTables[name], refusedTables[name]); err != nil {
		return err
	}
	// What read_csv turns down it can put in tables of any name.
	if arg := findName(n["children"], "store_rejects", "rejects_table", "rejects_scan"); arg != "" {
		return refused("the argument " + arg + " of " + name + " makes tables")
	}
	return nil
}

func checkName(name string, allowed, known bool) error {
	switch {
	case allowed:
		return nil
	case known:
		return refused("the function " + cooper.Quote(name) + " may not be called: it does something else than read, or hides what it reads")
	}
	return &cooper.Error{Kind: cooper.KindUsage, Message: "the SQL has a mistake: there is no function " + cooper.Quote(name) + " that may be called here", Remedy: sqlRemedy}
}

// findName gives the first of names that a call's arguments go by.
func findName(node any, names ...string) string {
	switch n := node.(type) {
	case string:
		if i := slices.Index(names, strings.ToLower(n)); i >= 0 {
			return names[i]
		}
	case []any:
		for _, c := range n {
			if name := findName(c, names...); name != "" {
				return name
			}
		}
	case map[string]any:
		for _, c := range n {
			if name := findName(c, names...); name != "" {
				return name
			}
		}
	}
	return ""
}

// readable are the ends of the names of files that become tables by being named.
// Others would be opened by what the engine has for them: a database, for one, is
// attached, and brought up to its log.
var readable = []string{".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet"}

// ownNames are the databases and schemas that the engine has: what is named in them is a
// table of theirs.
var ownNames = names("main memory temp system information_schema pg_catalog")

// fileName is the name by which the engine looks for a file where it has no such table: x.y
// is one in the schema x, and the file x.y.
func fileName(table map[string]any) string {
	var parts []string
	for _, field := range []string{"catalog_name", "schema_name", "table_name"} {
		if part, _ := table[field].(string); part != "" {
			parts = append(parts, part)
		}
	}
	last := len(parts) - 1
	if last < 1 || !databases[strings.ToLower(parts[last])] && !slices.ContainsFunc(parts[:last], func(p string) bool { return !ownNames[strings.ToLower(p)] }) {
		parts = parts[max(last, 0):]
	}
	return strings.Join(parts, ".")
}

// databases are the ends of the names of files that are databases of the engine.
var databases = names("db ddb duckdb")

func checkFile(name string) error {
	if !strings.ContainsAny(name, `./\:`) {
		return nil
	}
	plain := strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst"} {
		plain = strings.TrimSuffix(plain, packed)
	}
	if slices.ContainsFunc(readable, func(end string) bool { return strings.HasSuffix(plain, end) }) {
		return nil
	}
	return refused("the file " + cooper.Quote(name) + " may not be read by its name alone: that goes for files ending in " + strings.Join(readable, ", ") + ", or with .gz or .zst behind it")
}

func refused(message string) error {
	return &cooper.Error{Kind: cooper.KindRefused, Message: message,
		Remedy: "Write one SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or SHOW. To change or export data, open the files with an SQL engine of your own."}
}
