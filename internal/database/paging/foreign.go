package paging

import "cooper/internal/database"

// ForeignKeys puts the columns of foreign keys together. A row has the name of a key, schema
// and table that have it, those that it points to, a column, and the one that it points to;
// rows of a key follow each other, in its order.
func ForeignKeys(rows [][]string) (keys []database.ForeignKey) {
	for _, r := range rows {
		k := database.ForeignKey{Name: r[0], Table: database.Name{Schema: r[1], Table: r[2]}, To: database.Name{Schema: r[3], Table: r[4]}}
		n := len(keys)
		if n == 0 || keys[n-1].Name != k.Name || keys[n-1].Table != k.Table {
			keys = append(keys, k)
			n++
		}
		keys[n-1].Columns, keys[n-1].Targets = append(keys[n-1].Columns, r[5]), append(keys[n-1].Targets, r[6])
	}
	return keys
}
