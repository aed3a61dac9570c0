package gc

import "testing"

// TestExplain: each part in a sentence.
func TestExplain(t *testing.T) {
	c := configOf(t, declared1+`  sets: {table: posts, object: id, fetch: {bucket: =app, key: body}, as: [gzip, json], at: [.x, .y], of: old}
  lists: {table: posts, object: id, value: body, split: ',', match: '(\d+):.*'}
  keys: {table: posts, object: id, key: body}
`)
	var got []string
	for _, p := range partsOf(c) {
		got = append(got, p.Explain(c))
	}
	same(t, "explained", got,
		"handles, an id in id of files, the object in bucket and key",
		"handles, an id in id of old, the object in 'app' and key",
		"handles that live while the one does that they were made from, by a query",
		"ids of file in file_id of holds, which are never garbage",
		"ids of file in file_id of posts",
		"addresses of file or old in body of posts, unpacked: addresses; rows where id < 5",
		`ids of file in file_id of /tenant_.*\.uploads/`,
		"ids of old in the objects 'app' and body of posts, unpacked: gzip, json, at .x and .y",
		`ids of file in body of posts, unpacked: split by ,, matching (\d+):.*`,
		"keys of file or old in body of posts")
}
