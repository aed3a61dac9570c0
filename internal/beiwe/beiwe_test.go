package beiwe

import (
	"fmt"
	"testing"

	"cooper/internal/query/duckdb"
	"cooper/internal/query/querytest"
)

func TestKeys(t *testing.T) {
	e, err := duckdb.Open(duckdb.Options{TempDir: t.TempDir(), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const s = "5873fe38644ad7557b168e43"
	for key, want := range map[string]string{
		s + "/abc12345/gps/1700000000000.csv":                     s + " abc12345 gps",
		s + "/abc12345/gps/1700000000000.csv.zst":                 s + " abc12345 gps",
		s + "/abc12345/surveyAnswers/" + s + "/1700000000000.csv": s + " abc12345 surveyAnswers",
		"CHUNKED_DATA/" + s + "/abc12345/accel/2020-01-01.csv":    s + " abc12345 accel",
		"PROBLEM_UPLOADS/" + s + "/abc12345/gps/1.csvabcdefghij":  s + " abc12345 gps",
		s + "/keys/abc12345_private":                              s + " - -",
		s + "/keys/old/abc12345_private":                          s + " - -",
		s + "/abc12345/identifiers.csv":                           s + " abc12345 -",
		s + "/forest.json":                                        s + " - -",
		s:                                                         "- - -",
		s + "0/abc12345/gps/1.csv":                                "- - -",
		s[1:] + "/abc12345/gps/1.csv":                             "- - -",
		s[1:] + "é/abc12345/gps/1.csv":                            "- - -",
		"LOGS/2020-01-01-00-00":                                   "- - -",
		"logs/" + s + "/abc/gps/1":                                "- - -",
		"CHUNKED_DATA/" + s:                                       "- - -",
		"CUSTOM_ONDEPLOY_SCRIPT/x/y/z":                            "- - -",
		s + "//gps/1.csv":                                         s + " - -",
		s + "/a\nb/gps/1.csv":                                     s + " a\nb gps",
		"":                                                        "- - -",
		s + "/it's/gps'/1":                                        s + " it's gps'",
	} {
		got := querytest.All(t, e, "SELECT "+Study("k")+", "+Participant("k")+", "+Stream("k")+" FROM (SELECT CAST(? AS VARCHAR) AS k)", key)[0]
		for i := range got {
			if got[i] == nil {
				got[i] = "-"
			}
		}
		if text := fmt.Sprintf("%s %s %s", got...); text != want {
			t.Errorf("%q: %s, want %s", key, text, want)
		}
	}
}
