package job

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// actions are the rights that requests take: one of those that stand in a line.
var actions = map[string]string{
	"ListObjectVersions": "ListBucketVersions", "HeadObject": "GetObjectVersion", "GetObject": "GetObjectVersion", "GetObjectTagging": "GetObjectVersionTagging", "PutObject": "PutObject", "CopyObject": "PutObject",
	"DeleteObjects": "DeleteObjectVersion", "DeleteObject": "DeleteObjectVersion", "RestoreObject": "RestoreObject", "CreateMultipartUpload": "PutObject", "UploadPartCopy": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
	"AbortMultipartUpload": "AbortMultipartUpload", "ListMultipartUploads": "ListBucketMultipartUploads", "ListParts": "ListMultipartUploadParts", "PutObjectTagging": "PutObjectTagging",
}

// TestRights: docs/rights.md names a right for each request that is in the golden trace of a command's verb.
func TestRights(t *testing.T) {
	text, err := os.ReadFile("../../docs/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.NewReplacer("to list", "`ListBucket`, `ListBucketVersions`, `GetBucketVersioning`", "to read", "`GetObject`, `GetObjectVersion`")
	rows := map[string]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if command, rest, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && strings.HasPrefix(line, "| `") {
			rows[command] = long.Replace(rest)
		}
	}
	request := regexp.MustCompile(`(?m)^(?:Get|Head|List|Put|Copy|Delete|Restore|Create|Upload|Complete|Abort)[A-Za-z]+`)
	for verb, command := range map[string]string{"archive": "`gc run archive`, `gc run unindexed`", "recall": "`gc restore`", "abort": "`purge uploads`", "remove": "`purge`", "replace": "`compress`"} {
		traces, err := filepath.Glob("../verb/" + verb + "/testdata/trace*")
		if err != nil || len(traces) == 0 || rows[command] == "" {
			t.Fatalf("%s, %s: %v", verb, command, err)
		}
		for _, name := range traces {
			trace, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range request.FindAllString(string(trace), -1) {
				if right := actions[op]; right == "" || !strings.Contains(rows[command], "`"+right+"`") {
					t.Errorf("%s: %s takes %q, which docs/rights.md does not name", command, op, right)
				}
			}
		}
	}
}
