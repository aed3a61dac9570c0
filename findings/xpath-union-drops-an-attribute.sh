#!/usr/bin/env bash
# antchfx/xpath 1.3.9 under xmlquery 1.5.2: a union of two paths loses an attribute of a nested element. Which nodes of a union are the same is told by a hash of name, value and
# positions written one after the other with dashes, and where a value ends is not told: id="12-1" of an element and id="12" of its first child look alike.
#
# Seen: in <r><f id="12-1"><f id="12"/></f></r> the path //f/@id gives 12-1 and 12; //f/@id | //g/@id gives 12-1 alone; with id="13-1" outside it gives both. There is no error.
# Expected: a union has every node of either operand (XPath 1.0, 3.3 Node-sets, https://www.w3.org/TR/1999/REC-xpath-19991116/#node-sets); libxml2 2 (lxml 6.0.2) gives both.
set -euo pipefail
W=$(mktemp -d); trap 'chmod -R u+w "$W"; rm -rf "$W"' EXIT; cd "$W"
export GOFLAGS=-mod=mod
go mod init trial 2>/dev/null
go get github.com/antchfx/xpath@v1.3.9 github.com/antchfx/xmlquery@v1.5.2 2>/dev/null
cat > main.go <<'G'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/antchfx/xmlquery"
)

func main() {
	for _, outer := range []string{"12-1", "13-1"} {
		doc, err := xmlquery.Parse(strings.NewReader(`<r><f id="` + outer + `"><f id="12"/></f></r>`))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, path := range []string{"//f/@id", "//f/@id | //g/@id"} {
			var ids []string
			for _, n := range xmlquery.Find(doc, path) {
				ids = append(ids, n.InnerText())
			}
			fmt.Println(outer, path, "gives", strings.Join(ids, " "))
		}
	}
}
G
go run . | tee go.txt
python3 -m venv venv && venv/bin/pip -q install lxml==6.0.2
venv/bin/python - <<'P' | tee lxml.txt
from lxml import etree
for outer in '12-1', '13-1':
    doc = etree.fromstring(f'<r><f id="{outer}"><f id="12"/></f></r>')
    for path in '//f/@id', '//f/@id | //g/@id':
        print(outer, path, 'gives', *doc.xpath(path))
P
diff go.txt lxml.txt > difference.txt && { echo changed; exit 1; }
grep -qx '12-1 //f/@id | //g/@id gives 12-1' go.txt && [ "$(grep -c '^<' difference.txt)" = 1 ] || { echo changed; exit 1; }
echo 'as seen'
