package mysql

import (
	sqldriver "database/sql/driver"
	"fmt"
	"strconv"

	"cooper"
	"cooper/internal/database"
)

// decoder makes values of one column.
type decoder struct {
	class database.Class
	bit   bool
	buf   []byte
}

func decoders(rows sqldriver.Rows) []decoder {
	types := rows.(sqldriver.RowsColumnTypeDatabaseTypeName) // the driver has them
	ds := make([]decoder, len(rows.Columns()))
	for i := range ds {
		name := types.ColumnTypeDatabaseTypeName(i)
		ds[i] = decoder{class: classes[name], bit: name == "BIT"}
		if ds[i].class == "" {
			ds[i].class = database.Other
		}
	}
	return ds
}

// classes by the driver's names of types.
var classes = map[string]database.Class{
	"TINYINT": database.Integer, "SMALLINT": database.Integer, "MEDIUMINT": database.Integer, "INT": database.Integer, "BIGINT": database.Integer, "YEAR": database.Integer,
	"UNSIGNED TINYINT": database.Integer, "UNSIGNED SMALLINT": database.Integer, "UNSIGNED MEDIUMINT": database.Integer, "UNSIGNED INT": database.Integer, "UNSIGNED BIGINT": database.Integer,
	"BIT": database.Integer, "DECIMAL": database.Number, "FLOAT": database.Number, "DOUBLE": database.Number,
	"CHAR": database.Text, "VARCHAR": database.Text, "TINYTEXT": database.Text, "TEXT": database.Text, "MEDIUMTEXT": database.Text, "LONGTEXT": database.Text, "ENUM": database.Text, "SET": database.Text,
	"BINARY": database.Bytes, "VARBINARY": database.Bytes, "TINYBLOB": database.Bytes, "BLOB": database.Bytes, "MEDIUMBLOB": database.Bytes, "LONGBLOB": database.Bytes,
	"DATE": database.Time, "DATETIME": database.Time, "TIMESTAMP": database.Time, "JSON": database.JSON,
}

func (d *decoder) value(raw sqldriver.Value, v *database.Value) error {
	*v = database.Value{Class: d.class}
	switch x := raw.(type) {
	case nil:
		v.Class = database.Null
	case []byte:
		v.Data = x
		if d.bit {
			var n uint64
			for _, b := range x {
				n = n<<8 | uint64(b)
			}
			d.buf = strconv.AppendUint(d.buf[:0], n, 10)
			v.Data = d.buf
		} else if x == nil {
			v.Data = []byte{}
		}
	case int64:
		d.buf = strconv.AppendInt(d.buf[:0], x, 10)
		v.Data = d.buf
	case uint64:
		d.buf = strconv.AppendUint(d.buf[:0], x, 10)
		v.Data = d.buf
	case float32:
		d.buf = strconv.AppendFloat(d.buf[:0], float64(x), 'g', -1, 32)
		v.Data = d.buf
	case float64:
		d.buf = strconv.AppendFloat(d.buf[:0], x, 'g', -1, 64)
		v.Data = d.buf
	default:
		return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("the driver gives a %T", raw)}
	}
	return nil
}
