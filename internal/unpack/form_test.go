package unpack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"math"
	"math/big"
	"strings"
	"testing"

	"cooper/internal/address"
	"cooper/internal/handleid"
)

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write([]byte(s)))
	check(w.Close())
	return b.String()
}

func zl(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	must(w.Write([]byte(s)))
	check(w.Close())
	return b.String()
}

func zipped(files ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		check(err)
		must(f.Write([]byte(files[i+1])))
	}
	check(w.Close())
	return b.String()
}

func must(_ int, err error) { check(err) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func testHosts(t testing.TB) *address.Hosts {
	h, err := address.New([]string{"bkt"}, map[string]string{"files.example.org": "bkt"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func form(t testing.TB, s Spec) *Form {
	t.Helper()
	f, err := Compile(s, Options{Hosts: testHosts(t), Lookups: map[string][]any{"cols": {"5", int64(7), nil}}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// said is a result in one line: its values, then the reason.
func said(r Result) string {
	var out []string
	for _, v := range r.Values {
		switch v.Kind {
		case Address:
			out = append(out, v.Found.Places[0].Bucket+"/"+v.Found.Places[0].Key)
		default:
			out = append(out, v.Text)
		}
	}
	s := strings.Join(out, " ")
	if r.Malformed != "" {
		s += " ! " + r.Malformed
	}
	return strings.TrimSpace(s)
}

const uuid = "28aa6ed1-421f-472e-ab29-4c091cebc524"

func TestForms(t *testing.T) {
	as := func(s ...string) []string { return s }
	big63, _ := new(big.Int).SetString("9223372036854775808", 10)
	for _, c := range []struct {
		name string
		s    Spec
		v    any
		want string
	}{
		{"null", Spec{}, nil, ""}, {"empty", Spec{}, "", ""}, {"a number", Spec{}, int64(12), "12"}, {"a text", Spec{}, "12", "12"}, {"bytes", Spec{}, []byte("12"), "12"},
		{"white space", Spec{}, "12 ", "! not an id: '12 '"}, {"a word", Spec{}, "n/a", "! not an id: n/a"}, {"negative", Spec{}, int64(-3), "! not an id: -3"},
		{"unsigned", Spec{}, uint64(math.MaxUint64), "! beyond 64 bits"}, {"big", Spec{}, big63, "! beyond 64 bits"}, {"a fraction", Spec{}, 1.5, "! not an id: 1.5"}, {"a boolean", Spec{}, true, "! not an id: true"},
		{"a list", Spec{}, []any{int64(1), nil, "2", []any{"3", []string{"4"}}}, "1 2 3 4"}, {"a list of numbers", Spec{}, []int64{1, 2}, "1 2"}, {"a list with damage", Spec{}, []any{"1", "x", "2"}, "1 2 ! not an id: x"},
		{"a pointer", Spec{}, new(int64), "0"}, {"no pointer", Spec{}, (*int64)(nil), ""}, {"nil bytes", Spec{}, []byte(nil), ""},
		{"uuid", Spec{ID: handleid.UUID}, strings.ToUpper(uuid), uuid}, {"uuid of bytes", Spec{ID: handleid.UUID}, []byte("\x28\xaa\x6e\xd1\x42\x1f\x47\x2e\xab\x29\x4c\x09\x1c\xeb\xc5\x24"), uuid},
		{"uuid as pgx gives it", Spec{ID: handleid.UUID}, [16]byte([]byte("\x28\xaa\x6e\xd1\x42\x1f\x47\x2e\xab\x29\x4c\x09\x1c\xeb\xc5\x24")), uuid},
		{"a key", Spec{Kind: Key}, "a/b c ", "a/b c "[:6]}, {"keys", Spec{Kind: Key}, []string{"a", "", "b"}, "a b"},
		{"an address", Spec{Kind: Address}, "https://files.example.org/a%20b", "bkt/a b"}, {"no address", Spec{Kind: Address}, "hello", "! not an address: hello"}, {"somebody's address", Spec{Kind: Address}, "s3://other/%zz", ""},
		{"a broken address", Spec{Kind: Address}, "https://files.example.org/a%zz", "bkt/a%zz ! bad percent-encoding"},

		{"split", Spec{Split: ","}, "1,2,,3,", "1 2 3"}, {"split by a point", Spec{Split: "."}, "1.2", "1 2"}, {"split by a bar", Spec{Split: "|"}, "1|2", "1 2"}, {"split by an expression", Spec{Split: `\s*[,;]\s*`}, "1 , 2;3", "1 2 3"},
		{"split leaves spaces", Spec{Split: ","}, "1, 2", "1 ! not an id: ' 2'"},
		{"match", Spec{Split: ",", Match: `(\d+):[^:]+`}, "12:a.txt,13:b,", "12 13"}, {"no match", Spec{Split: ",", Match: `(\d+):[^:]+`}, "12:ok.txt,nonsense,", "12 ! entry does not match: nonsense"},
		{"match is of the whole", Spec{Match: `\d`}, "12", "! entry does not match: 12"}, {"match without a group", Spec{Match: `\d+`}, "12", "12"}, {"match of alternatives", Spec{Match: `a(\d+)|b\d+`}, "b1", "! entry matches without its group: b1"},
		{"match with an empty group", Spec{Match: `a(\d*)`}, "a", ""}, {"match over lines", Spec{Match: `(\d+)$`}, "12\n", "! entry does not match: '12\n'"},
		{"find", Spec{Find: `file=(\d+)`}, "x file=1 y file=2&file=", "1 2"}, {"find, but nothing", Spec{Find: `file=(\d+)`}, "x", ""}, {"find shared ends", Spec{Find: `,(\d+),`}, ",1,2,3,", "1 2 3"},
		{"find, then split", Spec{Find: `\[([^\]]*)\]`, Split: ","}, "a [1,2] b [3] []", "1 2 3"}, {"find without its group", Spec{Find: `a(\d)?`}, "a", "! find without its group: a"},
		{"find, then decode", Spec{Find: `/([^/\s]+)--[0-9a-f]+/`, As: as("base64url", "json"), At: as("._rails.data")}, "see /" + base64.RawURLEncoding.EncodeToString([]byte(`{"_rails":{"data":7}}`)) + "--ab/ and /eyJfcmFpbHMiOns---00/", "7 ! JSON broken at byte 11"},

		{"gzip", Spec{As: as("gzip")}, gz("12"), "12"}, {"gzip of nothing", Spec{As: as("gzip")}, "", "! " + Empty}, {"gzip that is none", Spec{As: as("gzip")}, "12", "! not gzip"}, {"gzip cut", Spec{As: as("gzip")}, gz("12")[:15], "! gzip cut short"},
		{"gzip head cut", Spec{As: as("gzip")}, gz("12")[:5], "! gzip cut short"}, {"gzip sum cut", Spec{As: as("gzip")}, gz("12")[:len(gz("12"))-1], "! gzip cut short"}, {"gzip wrong sum", Spec{As: as("gzip")}, gz("12")[:len(gz("12"))-8] + "12345678", "! gzip broken"},
		{"gzip and more", Spec{As: as("gzip")}, gz("12") + "x", "! bytes behind the gzip"}, {"gzip and a null", Spec{As: as("gzip")}, gz("12") + "\x00", "! bytes behind the gzip"}, {"gzip twice", Spec{As: as("gzip")}, gz("12") + gz("13"), "! a second gzip member"},
		{"gzip in gzip", Spec{As: as("gzip", "gzip")}, gz(gz("12")), "12"}, {"gzip of no bytes", Spec{As: as("gzip", "json")}, gz(""), "! " + Empty}, {"gzip of an empty text", Spec{As: as("gzip")}, gz(""), ""},
		{"zlib", Spec{As: as("zlib")}, zl("12"), "12"}, {"zlib cut", Spec{As: as("zlib")}, zl("12")[:6], "! zlib cut short"}, {"zlib and more", Spec{As: as("zlib")}, zl("12") + "x", "! bytes behind the zlib"}, {"zlib that is none", Spec{As: as("zlib")}, "1234567", "! not zlib"}, {"zlib of nothing", Spec{As: as("zlib")}, "", "! " + Empty},
		{"zlib wrong sum", Spec{As: as("zlib")}, zl("12")[:len(zl("12"))-4] + "1234", "! zlib broken"},
		{"zip", Spec{As: as("zip a b.json", "json")}, zipped("x", "1", "a b.json", "[12]"), "12"}, {"zip without it", Spec{As: as("zip a")}, zipped("x", "1"), "! zip without a"}, {"zip with it twice", Spec{As: as("zip a")}, zipped("a", "1", "a", "2"), "! zip with a twice"},
		{"zip cut", Spec{As: as("zip a")}, zipped("a", "1")[:40], "! zip broken or cut short"}, {"zip and more", Spec{As: as("zip a")}, zipped("a", "1") + "x", "! bytes behind the zip"}, {"two zips", Spec{As: as("zip a")}, zipped("a", "1") + zipped("a", "2"), "! bytes before the zip"}, {"zip of two", Spec{As: as("zip b")}, zipped("a", "1", "b", "2"), "2"},
		{"zip that is none", Spec{As: as("zip a")}, "12", "! not zip"}, {"zip of nothing", Spec{As: as("zip a")}, "", "! " + Empty},
		{"base64", Spec{As: as("base64")}, "MTI=", "12"}, {"base64 without padding", Spec{As: as("base64")}, "MTI", "12"}, {"base64 in lines", Spec{As: as("base64")}, "MT\r\nI=\r\n", "12"}, {"base64 broken", Spec{As: as("base64")}, "MT_I", "! base64 broken"}, {"base64 padded too much", Spec{As: as("base64")}, "MTI===", "! base64 broken"},
		{"base64url", Spec{As: as("base64url"), Kind: Key}, "_-8", "\xff\xef"}, {"base64url broken", Spec{As: as("base64url")}, "M+I", "! base64url broken"},
		{"lines", Spec{As: as("lines")}, "1\n2\r\n\n3", "1 2 3"}, {"lines of json", Spec{As: as("lines", "json"), At: as(".id")}, "{\"id\":1}\n{\"id\"\n{\"id\":2}\n", "1 2 ! JSON cut short"}, {"no lines of json", Spec{As: as("lines", "json")}, "", "! " + Empty},
		{"an empty line of json", Spec{As: as("lines", "json")}, "1\n\n2", "1 2 ! " + Empty},

		{"json", Spec{As: as("json")}, "12", "12"}, {"json null", Spec{As: as("json")}, "null", ""}, {"json of nothing", Spec{As: as("json")}, "", "! " + Empty}, {"a list in json", Spec{As: as("json")}, `[1,[2,["3",null,""]]]`, "1 2 3"},
		{"json exact", Spec{As: as("json"), At: as(".id")}, `{"id":9223372036854775807}`, "9223372036854775807"}, {"json beyond", Spec{As: as("json"), At: as(".id")}, `{"id":9223372036854775808}`, "! beyond 64 bits"},
		{"json exact through jq", Spec{As: as("json"), At: as(".ids | map(.) | .[]")}, `{"ids":[9223372036854775807,9007199254740993]}`, "9223372036854775807 9007199254740993"},
		{"a fraction in json", Spec{As: as("json")}, "12.0", "! not an id: 12"}, {"an exponent in json", Spec{As: as("json")}, "1e3", "! not an id: 1000"}, {"a boolean in json", Spec{As: as("json")}, "false", "! not an id: false"}, {"minus nothing", Spec{As: as("json")}, "-0", "! not an id: -0"},
		{"an object in json", Spec{As: as("json")}, `{"a":1}`, `! not an id: {"a":1}`}, {"json twice", Spec{As: as("json"), At: as(".a")}, `{"a":1,"a":2}`, "! JSON with one name twice: a"}, {"json twice, escaped", Spec{As: as("json"), At: as(".b")}, `{"b":1,"x":{"a":1,"\u0061":2}}`, "! JSON with one name twice: a"},
		{"json cut", Spec{As: as("json"), At: as(".a.id")}, `{"a":{"id":12`, "! JSON cut short"}, {"json and more", Spec{As: as("json")}, "12 13", "! bytes behind the JSON"}, {"json NaN", Spec{As: as("json")}, "NaN", "! JSON broken at byte 0"}, {"json no UTF-8", Spec{As: as("json")}, "\"\xff\"", "! JSON that is no UTF-8"},
		{"json with a mark", Spec{As: as("json")}, "\xef\xbb\xbf12", "12"},
		{"jq", Spec{As: as("json"), At: as("(.files | each | .blob_id), .cover.blob_id")}, `{"files":[{"blob_id":1},{"blob_id":"2"},{"blob_id":null},{}],"cover":{"blob_id":3}}`, "1 2 3"}, {"jq of nothing", Spec{As: as("json"), At: as("(.files | each | .blob_id), .cover.blob_id")}, `{"title":"x"}`, ""},
		{"each of a text", Spec{As: as("json"), At: as(".files | each | .id")}, `{"files":"oops"}`, `! not a list: "oops"`}, {"each of an object", Spec{As: as("json"), At: as(".files | each")}, `{"files":{"a":1}}`, `! not a list: {"a":1}`}, {"each of false", Spec{As: as("json"), At: as(".files | each")}, `{"files":false}`, "! not a list: false"},
		{"[] of null", Spec{As: as("json"), At: as(".files[]")}, `{}`, "! not a list: null"}, {"[] of an object", Spec{As: as("json"), At: as(".files[].id")}, `{"files":{"b":{"id":2},"a":{"id":1}}}`, "1 2"}, {"a name of a text", Spec{As: as("json"), At: as(".a.b")}, `{"a":"x"}`, `! no object where .b is asked for: "x"`},
		{"damage beside good parts", Spec{As: as("json"), At: as(".f | each | .id")}, `{"f":[{"id":1},"oops",{"id":2},{"id":true}]}`, `1 2 ! no object where .id is asked for: "oops"`}, {"damage inside jq", Spec{As: as("json"), At: as(".f | each | ltrimstr(\"x\") | ascii_downcase")}, `{"f":["x1",5,"x2"]}`, `1 2 ! path: ltrimstr("x") cannot be applied to: number (5)`},
		{"json in json", Spec{As: as("json"), At: as(".a | json | .id")}, `{"a":"{\"id\":9007199254740993}"}`, "9007199254740993"}, {"json in json is null", Spec{As: as("json"), At: as(".a | json | .id")}, `{"a":null}`, ""}, {"json in json, empty", Spec{As: as("json"), At: as(".a | json")}, `{"a":""}`, "! " + Empty},
		{"json in json, twice", Spec{As: as("json"), At: as("[.a] | map(json) | each | .id")}, `{"a":"{\"id\":1,\"id\":2}"}`, "! JSON with one name twice: id"}, {"json in json is none", Spec{As: as("json"), At: as(".a | json")}, `{"a":1}`, "! no text where JSON in a text is asked for: 1"},
		{"change set", Spec{As: as("gzip", "json"), At: as(".rows[].values[] | select(.[0] | IN($cols[])) | .[1]")}, gz(`{"rows":[{"values":[["5","12"],["6","13"],["5",null],["5","syn123"],["5",""]]},{"values":[["5","14"],[7,"15"]]}]}`), "12 14 15 ! not an id: syn123"},
		{"pairs that became texts", Spec{As: as("json"), At: as(".v[] | select(.[0] | IN($cols[])) | .[1]")}, `{"v":["5","12"]}`, `! no list or object where .[0] is asked for: "5"`}, {"a list that became a text", Spec{As: as("json"), At: as(".a[0]")}, `{"a":"123"}`, `! no list or object where .[0] is asked for: "123"`},
		{"an index", Spec{As: as("json"), At: as(".a[1]", ".a[-1]", ".a[7]", ".b[0]", `.c["d"][0].e`, ".a[$cols[1] - 6]", ".[\"c\"].d[0][\"e\"]")}, `{"a":[1,2,3],"c":{"d":[{"e":4}]}}`, "2 3 4 2 4"}, {"an index in jq", Spec{As: as("json"), At: as("[.a[1][0], .a[0] + 1] | each", "(.a[0] | tostring)")}, `{"a":[1,[2]]}`, "2 2 1"},
		{"names of a list", Spec{As: as("json"), At: as("keys[]")}, `["12"]`, `! no object where keys are asked for: ["12"]`},
		{"a lookup of numbers", Spec{As: as("json"), At: as(".[] | select(.[0] | IN($cols[])) | .[1]")}, `[[5,1],["7",2],[null,3],["6",4],[[5],5]]`, "1 2 3"}, {"lookup by index", Spec{As: as("json"), At: as(".[$cols[0]]")}, `{"5":12}`, "12"}, {"a variable", Spec{As: as("json"), At: as(".a as $x | .b[] | select(. == $x)")}, `{"a":1,"b":[1,2]}`, "1"},
		{"names as ids", Spec{As: as("json"), At: as("keys[]")}, `{"12":"a","13":"b"}`, "12 13"}, {"a union", Spec{As: as("json"), At: as(".a", ".b")}, `{"a":1,"b":"x"}`, "1 ! not an id: x"}, {"a whole document as jq", Spec{As: as("json"), At: as(".")}, `[1,2]`, "1 2"},
		{"jq, then match", Spec{As: as("json"), At: as(".a"), Match: `f(\d+)`}, `{"a":["f1","f2"]}`, "1 2"}, {"jq, then addresses", Spec{As: as("json", "addresses"), At: as(".body")}, `{"body":"see https://files.example.org/x.png."}`, "bkt/x.png"}, {"jq, then base64", Spec{As: as("json", "base64"), At: as(".a")}, `{"a":"MTI="}`, "12"},
		{"text ids", Spec{As: as("json"), At: as(".a[]"), ID: handleid.Text}, `{"a":["syn1",12]}`, "syn1 12"}, {"jq gives yes or no", Spec{As: as("json"), At: as(".a == 1")}, `{"a":1}`, "! not an id: true"},

		{"xml", Spec{As: as("gzip", "xml"), At: as("/*/icon")}, gz("<?xml version='1.0'?><T><icon>\n 12 </icon><icon/><n>13</n></T>"), "12"}, {"xml by numbers", Spec{As: as("xml"), At: as("/*/i")}, "<T><i>&#49;&#50;</i><i><![CDATA[13]]></i></T>", "12 13"}, {"xml of nothing", Spec{As: as("xml"), At: as("/*/i")}, "", "! " + Empty},
		{"xml not closed", Spec{As: as("xml"), At: as("/*/i")}, "<T><i>12</i>", "! XML not closed"}, {"xml, a union", Spec{As: as("xml"), At: as("/*/a", "/*/b/string")}, "<T><a>n/a</a><b><string>1</string><string>2</string></b></T>", "1 2 ! not an id: n/a"}, {"xml beyond", Spec{As: as("xml"), At: as("/*/a")}, "<T><a>99999999999999999999</a></T>", "! beyond 64 bits"},
		{"xml attributes", Spec{As: as("xml"), At: as("//@file")}, "<T><a file='1'/><b file=' 2 '/></T>", "1 2"}, {"xml functions", Spec{As: as("xml"), At: as("substring-after(/*/a, 'id=')")}, "<T><a>x?id=12</a></T>", "12"}, {"xml runs together", Spec{As: as("xml"), At: as("/*/a")}, "<T><a><s>1</s><s>2</s></a></T>", "! elements where a value must be, in <a>"},
		{"xml with a DOCTYPE", Spec{As: as("xml"), At: as("/*/a")}, "<!DOCTYPE a [<!ENTITY x '1'>]><T><a>1</a></T>", "! XML with a DOCTYPE"}, {"xml in a namespace", Spec{As: as("xml"), At: as("/*/a")}, "<T xmlns='urn:x'><a>1</a></T>", "1"}, {"xml, then addresses", Spec{As: as("xml", "addresses"), At: as("/*/a")}, "<T><a>https://files.example.org/a&amp;b</a></T>", "bkt/a&b"},

		{"php list", Spec{As: as("php")}, `a:3:{i:0;i:12;i:1;s:2:"13";i:2;N;}`, "12 13"}, {"php at", Spec{As: as("php"), At: as(".f[].id", ".g")}, `a:2:{s:1:"f";a:1:{i:5;O:8:"stdClass":1:{s:2:"id";i:12;}}s:1:"g";s:2:"13";}`, "12 13"}, {"php private", Spec{As: as("php"), At: as(".id")}, "O:1:\"A\":1:{s:5:\"\x00A\x00id\";i:12;}", "12"},
		{"php map", Spec{As: as("php")}, `a:1:{s:1:"a";i:12;}`, `! not an id: {"a":12}`}, {"php keys", Spec{As: as("php"), At: as("keys[]")}, `a:2:{i:12;b:1;i:15;b:0;}`, "12 15"}, {"php cut", Spec{As: as("php")}, `a:1:{i:0;i:12;`, "! PHP value cut short"}, {"php and more", Spec{As: as("php")}, `i:12;x`, "! bytes behind the PHP value"},
		{"php reference", Spec{As: as("php")}, `a:2:{i:0;i:12;i:1;R:2;}`, "! PHP value with a reference"}, {"php twice", Spec{As: as("php")}, `a:2:{i:0;i:12;i:0;i:13;}`, "! PHP value with one name twice: 0"}, {"php fraction", Spec{As: as("php")}, "d:1.5;", "! not an id: 1.5"}, {"php boolean", Spec{As: as("php")}, "b:1;", "! not an id: true"},
		{"php of no number", Spec{As: as("php"), At: as(".[1]")}, "a:2:{i:0;d:NAN;i:1;i:12;}", "12"}, {"php of nothing", Spec{As: as("php")}, "", "! " + Empty}, {"php text of bytes", Spec{As: as("php"), Kind: Key}, "s:3:\"a\";\";", "a\";"}, {"php broken", Spec{As: as("php")}, "i:+1;", "! PHP value broken at byte 2"}, {"php length", Spec{As: as("php")}, `s:5:"12";`, "! PHP value cut short"},

		{"addresses", Spec{As: as("addresses")}, "see s3://bkt/a and [x](https://files.example.org/b%20c) and https://other/x", "bkt/a bkt/b c"}, {"addresses, none", Spec{As: as("addresses")}, "", ""}, {"addresses, one broken", Spec{As: as("addresses")}, "https://files.example.org/%zz s3://bkt/a", "bkt/%zz bkt/a ! bad percent-encoding"},
		{"addresses in gzip", Spec{As: as("gzip", "addresses")}, gz("s3://bkt/a"), "bkt/a"},
	} {
		r, err := form(t, c.s).Read(t.Context(), c.v, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := said(r); got != strings.TrimSpace(c.want) {
			t.Errorf("%s: %q; want %q", c.name, got, c.want)
		}
	}
}
